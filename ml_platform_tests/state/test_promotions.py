"""Promotion re-reads the verdicts; the log is append-only (S26)."""

from datetime import UTC, datetime
from typing import Any

import pytest

from ml_platform.errors import NotFoundError, PromotionRefused, RollbackRefused
from ml_platform.spec.gates import AtLeast, Latency
from ml_platform.state import promotions, verdicts, versions
from ml_platform.state.database import State
from ml_platform.state.promotions import Promotion, champion_at, history, keep, rollback
from ml_platform_tests.state.registry_rows import FLOOR, GATES, RUN, SIZE, register_passing_versions, training, verdict


def closed(month: int) -> datetime:
    return datetime(2013, month, 1, tzinfo=UTC)


def promote(state: State, version: int, month: int = 4, **changes: Any) -> Promotion:
    plain: dict[str, Any] = {
        "partition": f"2013-{month - 1:02}",
        "effective_at": closed(month),
        "reason": "all gates passed",
        "actor": "platform",
        "gates": GATES,
        "run_id": RUN,
    }
    plain.update(changes)
    required = {gate.key: gate.phrase for gate in plain.pop("gates")}
    return promotions.promote(state, "delays", version, required, **plain)


# -- what promotion asks for ------------------------------------------------------------------


def test_a_version_whose_gates_all_passed_becomes_the_champion(state: State) -> None:
    register_passing_versions(state, 1)
    entry = promote(state, 1)
    assert (entry.seq, entry.version, entry.action, entry.previous, entry.run_id) == (1, 1, "promoted", None, "run-1")
    assert history(state, "delays") == [entry]
    assert champion_at(state, "delays") == 1


def test_a_missing_verdict_is_a_failed_one_and_every_reason_is_named(state: State) -> None:
    versions.register(state, training("a"))
    verdicts.record(state, [verdict(FLOOR, 1, False, detail="roc_auc 0.61 is below 0.68.")], RUN)
    with pytest.raises(PromotionRefused) as refusal:
        promote(state, 1, gates=[*GATES, Latency(p99_ms=5)])
    assert refusal.value.reasons == [
        "“roc_auc at least 0.68” failed: roc_auc 0.61 is below 0.68",
        "there is no verdict on “bundle at most 20 MB”",
        "there is no verdict on “p99 of scoring one row at most 5 ms”",
    ]
    assert champion_at(state, "delays") is None and history(state, "delays") == []


def test_a_late_promotion_that_is_repeated_for_its_partition_does_not_date_itself_back(state: State) -> None:
    register_passing_versions(state, 3)
    promote(state, 1, month=2)
    keep(state, "delays", partition="2013-02", effective_at=closed(3), reason="blocked", actor="platform")
    late = promote(state, 2, month=3, effective_at=closed(5), waited=True)
    assert promote(state, 2, month=3) == late
    assert [champion_at(state, "delays", closed(month)) for month in (3, 4, 5)] == [1, 1, 2]
    promote(state, 3, month=3, effective_at=closed(5))
    again = promote(state, 2, month=3)
    assert (again.effective_at, again.version) == (closed(5), 2)
    assert [champion_at(state, "delays", closed(month)) for month in (3, 4, 5)] == [1, 1, 2]


def test_a_verdict_on_an_older_definition_of_the_gate_does_not_count(state: State) -> None:
    register_passing_versions(state, 1)
    with pytest.raises(PromotionRefused, match=r"no verdict on “roc_auc at least 0\.7”"):
        promote(state, 1, gates=[AtLeast("roc_auc", 0.7), SIZE])


def test_a_verdict_on_another_version_does_not_count(state: State) -> None:
    register_passing_versions(state, 1)
    versions.register(state, training("another"))
    with pytest.raises(PromotionRefused, match="delays@2 is not promoted"):
        promote(state, 2)


def test_a_slice_that_failed_refuses_and_one_not_judged_does_not(state: State) -> None:
    register_passing_versions(state, 2)
    verdicts.record(state, [verdict(FLOOR, 1, None, slice="origin=JFK")], RUN)
    verdicts.record(state, [verdict(FLOOR, 2, False, slice="origin=JFK", detail="JFK is low.")], RUN)
    assert promote(state, 1).version == 1
    with pytest.raises(PromotionRefused, match="JFK is low"):
        promote(state, 2)


def test_slices_without_the_outcome_of_their_gate_are_no_verdict(state: State) -> None:
    versions.register(state, training("a"))
    verdicts.record(state, [verdict(FLOOR, 1, slice="origin=JFK"), verdict(SIZE, 1)], RUN)
    with pytest.raises(PromotionRefused, match="there is no verdict on “roc_auc"):
        promote(state, 1)


def test_nobody_can_promote_past_a_verdict_by_hand(state: State) -> None:
    versions.register(state, training("a"))
    with pytest.raises(PromotionRefused, match="there is no verdict"):
        promote(state, 1, by_hand=True, actor="ann")


def test_a_version_that_does_not_exist_is_not_promoted(state: State) -> None:
    with pytest.raises(NotFoundError):
        promote(state, 1)


# -- the log ----------------------------------------------------------------------------------


def test_the_champion_of_a_moment_is_the_last_entry_in_effect_by_then(state: State) -> None:
    register_passing_versions(state, 3)
    promote(state, 1, month=2)
    promote(state, 2, month=4)
    assert champion_at(state, "delays", datetime(2013, 1, 31, tzinfo=UTC)) is None
    assert [champion_at(state, "delays", closed(m)) for m in (2, 3, 4, 9)] == [1, 1, 2, 2]
    promote(state, 3, month=3)  # decided later about an earlier month
    assert [champion_at(state, "delays", closed(m)) for m in (2, 3, 4, 9)] == [1, 3, 2, 2]
    assert [(e.version, e.previous) for e in history(state, "delays")] == [(1, None), (2, 1), (3, 1)]
    assert champion_at(state, "delays") == 2


def test_promoting_again_adds_nothing(state: State) -> None:
    register_passing_versions(state, 2)
    first = promote(state, 1, month=2)
    assert promote(state, 1, month=2) == first
    assert promote(state, 1, month=3) == first  # it serves already
    promote(state, 2, month=4)
    assert promote(state, 1, month=2) == first
    assert len(history(state, "delays")) == 2 and champion_at(state, "delays") == 2


def test_what_was_kept_is_on_record_and_changes_no_champion(state: State) -> None:
    register_passing_versions(state, 1)

    def kept(month: int) -> Promotion:
        return keep(
            state,
            "delays",
            partition=f"2013-{month - 1:02}",
            effective_at=closed(month),
            reason="skipped",
            actor="platform",
        )

    assert kept(2).version is None
    promote(state, 1, month=3)
    later = kept(4)
    assert (later.version, later.previous, later.action) == (1, 1, "kept")
    assert kept(4) == later
    assert [e.seq for e in history(state, "delays")] == [1, 2, 3] and champion_at(state, "delays") == 1


def test_entries_are_only_ever_added(state: State) -> None:
    register_passing_versions(state, 3)
    seen: list[Promotion] = []
    steps = [
        lambda: promote(state, 1, month=2),
        lambda: promote(state, 2, month=3),
        lambda: undo(state),
        lambda: promote(state, 3, month=5),
    ]
    for step in steps:
        step()
        now = history(state, "delays")
        assert now[: len(seen)] == seen and len(now) == len(seen) + 1
        seen = now


def test_pipelines_do_not_see_each_others_log(state: State) -> None:
    register_passing_versions(state, 1)
    promote(state, 1)
    assert history(state, "churn") == [] and champion_at(state, "churn") is None


# -- rollback ---------------------------------------------------------------------------------


def undo(state: State, to: int | None = None, why: str = "complaints") -> Promotion:
    return rollback(state, "delays", why=why, actor="ann", to=to, run_id="run-9")


def test_a_rollback_brings_back_the_champion_before_at_once(state: State) -> None:
    register_passing_versions(state, 2)
    promote(state, 1, month=2)
    promote(state, 2, month=4)
    entry = undo(state)
    assert (entry.version, entry.previous, entry.action, entry.reason) == (1, 2, "rolled_back", "complaints")
    assert entry.effective_at == closed(4) and (entry.actor, entry.run_id) == ("ann", "run-9")
    assert champion_at(state, "delays") == champion_at(state, "delays", closed(4)) == 1


def test_a_second_rollback_goes_back_further_and_then_there_is_nothing(state: State) -> None:
    register_passing_versions(state, 3)
    for version, month in ((1, 2), (2, 3), (3, 4)):
        promote(state, version, month)
    assert [undo(state).version, undo(state).version] == [2, 1]
    with pytest.raises(RollbackRefused, match="delays@1 is the first champion: there is nothing to go back to"):
        undo(state)


def test_a_rollback_may_name_its_target_and_be_taken_back(state: State) -> None:
    register_passing_versions(state, 3)
    for version, month in ((1, 2), (2, 3), (3, 4)):
        promote(state, version, month)
    assert undo(state, to=1).version == 1
    assert undo(state, to=3).version == 3
    assert champion_at(state, "delays") == 3
    assert undo(state).version == 1


def test_a_rollback_to_what_never_served_or_serves_is_refused(state: State) -> None:
    register_passing_versions(state, 3)
    promote(state, 1, month=2)
    with pytest.raises(NotFoundError, match=r"no earlier champion 'delays@7'. delays@1 is the first champion."):
        undo(state, to=7)
    promote(state, 2, month=3)
    with pytest.raises(RollbackRefused, match=r"delays@2 is the champion already. Earlier champions: delays@1."):
        undo(state, to=2)
    with pytest.raises(NotFoundError, match=r"no earlier champion 'delays@3'.*Known: delays@1."):
        undo(state, to=3)


def test_a_rollback_needs_a_reason_and_a_champion(state: State) -> None:
    with pytest.raises(RollbackRefused, match="no reason was given"):
        undo(state, why="  ")
    with pytest.raises(RollbackRefused, match="delays has no champion"):
        undo(state)


def test_what_was_rolled_back_is_not_promoted_again_by_itself(state: State) -> None:
    register_passing_versions(state, 2)
    promote(state, 1, month=2)
    promote(state, 2, month=3)
    undo(state)
    for month in (3, 4):
        with pytest.raises(PromotionRefused, match=r"rolled back by ann \(complaints\)"):
            promote(state, 2, month)
    assert champion_at(state, "delays") == 1
    entry = promote(state, 2, by_hand=True, actor="bob", reason="it was the sensor")
    assert (entry.previous, entry.effective_at) == (1, closed(3))
    assert champion_at(state, "delays") == 2
    assert promote(state, 2, month=4) == entry  # brought back, so it may stay


def test_a_later_month_promotes_over_a_rollback(state: State) -> None:
    register_passing_versions(state, 3)
    promote(state, 1, month=2)
    promote(state, 2, month=3)
    undo(state)
    assert promote(state, 3, month=4).previous == 1
    assert [champion_at(state, "delays", closed(m)) for m in (2, 3, 4)] == [1, 1, 3]


def test_the_first_promotion_by_hand_takes_effect_now(state: State) -> None:
    register_passing_versions(state, 1)
    before = datetime.now(UTC)
    entry = promote(state, 1, by_hand=True, effective_at=None)
    assert before <= entry.effective_at <= datetime.now(UTC)
