"""Promotion re-reads the verdicts; the log is append-only (S26)."""

from datetime import UTC, datetime
from typing import Any

import pytest

from ml_platform.errors import NotFoundError, PromotionRefused, RollbackRefused
from ml_platform.lake.connection import Lake
from ml_platform.spec.gates import AtLeast, Latency
from ml_platform.state import promotions, verdicts, versions
from ml_platform.state.promotions import Promotion, champion_at, history, keep, rollback
from ml_platform_tests.state.registry_rows import (
    AUTHOR,
    FLOOR,
    GATES,
    SIZE,
    register_passing_versions,
    training,
    verdict,
)


def closed(month: int) -> datetime:
    return datetime(2013, month, 1, tzinfo=UTC)


def promote(lake: Lake, version: int, month: int = 4, **changes: Any) -> Promotion:
    plain: dict[str, Any] = {
        "partition": f"2013-{month - 1:02}",
        "effective_at": closed(month),
        "reason": "all gates passed",
        "actor": "platform",
        "gates": GATES,
    }
    plain.update(changes)
    required = {gate.key: gate.phrase for gate in plain.pop("gates")}
    return promotions.promote(state, AUTHOR, "delays", version, required, **plain)


# -- what promotion asks for ------------------------------------------------------------------


def test_a_version_whose_gates_all_passed_becomes_the_champion(lake: Lake) -> None:
    register_passing_versions(lake, 1)
    entry = promote(lake, 1)
    assert (entry.seq, entry.version, entry.action, entry.previous, entry.run_id) == (1, 1, "promoted", None, "run-1")
    assert history(lake, "delays") == [entry]
    assert champion_at(lake, "delays") == 1


def test_a_missing_verdict_is_a_failed_one_and_every_reason_is_named(lake: Lake) -> None:
    versions.register(state, AUTHOR, training("a"))
    verdicts.record(state, AUTHOR, [verdict(FLOOR, 1, False, detail="roc_auc 0.61 is below 0.68.")])
    with pytest.raises(PromotionRefused) as refusal:
        promote(lake, 1, gates=[*GATES, Latency(p99_ms=5)])
    assert refusal.value.reasons == [
        "“roc_auc at least 0.68” failed: roc_auc 0.61 is below 0.68",
        "there is no verdict on “bundle at most 20 MB”",
        "there is no verdict on “p99 of scoring one row at most 5 ms”",
    ]
    assert champion_at(lake, "delays") is None and history(lake, "delays") == []


def test_a_verdict_on_an_older_definition_of_the_gate_does_not_count(lake: Lake) -> None:
    register_passing_versions(lake, 1)
    with pytest.raises(PromotionRefused, match=r"no verdict on “roc_auc at least 0\.7”"):
        promote(lake, 1, gates=[AtLeast("roc_auc", 0.7), SIZE])


def test_a_verdict_on_another_version_does_not_count(lake: Lake) -> None:
    register_passing_versions(lake, 1)
    versions.register(state, AUTHOR, training("another"))
    with pytest.raises(PromotionRefused, match="delays@2 is not promoted"):
        promote(lake, 2)


def test_a_slice_that_failed_refuses_and_one_not_judged_does_not(lake: Lake) -> None:
    register_passing_versions(lake, 2)
    verdicts.record(state, AUTHOR, [verdict(FLOOR, 1, None, slice="origin=JFK")])
    verdicts.record(state, AUTHOR, [verdict(FLOOR, 2, False, slice="origin=JFK", detail="JFK is low.")])
    assert promote(lake, 1).version == 1
    with pytest.raises(PromotionRefused, match="JFK is low"):
        promote(lake, 2)


def test_slices_without_the_outcome_of_their_gate_are_no_verdict(lake: Lake) -> None:
    versions.register(state, AUTHOR, training("a"))
    verdicts.record(state, AUTHOR, [verdict(FLOOR, 1, slice="origin=JFK"), verdict(SIZE, 1)])
    with pytest.raises(PromotionRefused, match="there is no verdict on “roc_auc"):
        promote(lake, 1)


def test_nobody_can_promote_past_a_verdict_by_hand(lake: Lake) -> None:
    versions.register(state, AUTHOR, training("a"))
    with pytest.raises(PromotionRefused, match="there is no verdict"):
        promote(lake, 1, by_hand=True, actor="ann")


def test_a_version_that_does_not_exist_is_not_promoted(lake: Lake) -> None:
    with pytest.raises(NotFoundError):
        promote(lake, 1)


# -- the log ----------------------------------------------------------------------------------


def test_the_champion_of_a_moment_is_the_last_entry_in_effect_by_then(lake: Lake) -> None:
    register_passing_versions(lake, 3)
    promote(lake, 1, month=2)
    promote(lake, 2, month=4)
    assert champion_at(lake, "delays", datetime(2013, 1, 31, tzinfo=UTC)) is None
    assert [champion_at(lake, "delays", closed(m)) for m in (2, 3, 4, 9)] == [1, 1, 2, 2]
    promote(lake, 3, month=3)  # decided later about an earlier month
    assert [champion_at(lake, "delays", closed(m)) for m in (2, 3, 4, 9)] == [1, 3, 2, 2]
    assert [(e.version, e.previous) for e in history(lake, "delays")] == [(1, None), (2, 1), (3, 1)]
    assert champion_at(lake, "delays") == 2


def test_promoting_again_adds_nothing(lake: Lake) -> None:
    register_passing_versions(lake, 2)
    first = promote(lake, 1, month=2)
    assert promote(lake, 1, month=2) == first
    assert promote(lake, 1, month=3) == first  # it serves already
    promote(lake, 2, month=4)
    assert promote(lake, 1, month=2) == first
    assert len(history(lake, "delays")) == 2 and champion_at(lake, "delays") == 2


def test_what_was_kept_is_on_record_and_changes_no_champion(lake: Lake) -> None:
    register_passing_versions(lake, 1)

    def kept(month: int) -> Promotion:
        return keep(
            lake,
            AUTHOR,
            "delays",
            partition=f"2013-{month - 1:02}",
            effective_at=closed(month),
            reason="skipped",
            actor="platform",
        )

    assert kept(2).version is None
    promote(lake, 1, month=3)
    later = kept(4)
    assert (later.version, later.previous, later.action) == (1, 1, "kept")
    assert kept(4) == later
    assert [e.seq for e in history(lake, "delays")] == [1, 2, 3] and champion_at(lake, "delays") == 1


def test_entries_are_only_ever_added(lake: Lake) -> None:
    register_passing_versions(lake, 3)
    seen: list[Promotion] = []
    steps = [
        lambda: promote(lake, 1, month=2),
        lambda: promote(lake, 2, month=3),
        lambda: undo(lake),
        lambda: promote(lake, 3, month=5),
    ]
    for step in steps:
        step()
        now = history(lake, "delays")
        assert now[: len(seen)] == seen and len(now) == len(seen) + 1
        seen = now


def test_pipelines_do_not_see_each_others_log(lake: Lake) -> None:
    register_passing_versions(lake, 1)
    promote(lake, 1)
    assert history(lake, "churn") == [] and champion_at(lake, "churn") is None


# -- rollback ---------------------------------------------------------------------------------


def undo(lake: Lake, to: int | None = None, why: str = "complaints") -> Promotion:
    return rollback(lake, "delays", why=why, actor="ann", to=to, run_id="run-9")


def test_a_rollback_brings_back_the_champion_before_at_once(lake: Lake) -> None:
    register_passing_versions(lake, 2)
    promote(lake, 1, month=2)
    promote(lake, 2, month=4)
    entry = undo(lake)
    assert (entry.version, entry.previous, entry.action, entry.reason) == (1, 2, "rolled_back", "complaints")
    assert entry.effective_at == closed(4) and (entry.actor, entry.run_id) == ("ann", "run-9")
    assert champion_at(lake, "delays") == champion_at(lake, "delays", closed(4)) == 1


def test_a_second_rollback_goes_back_further_and_then_there_is_nothing(lake: Lake) -> None:
    register_passing_versions(lake, 3)
    for version, month in ((1, 2), (2, 3), (3, 4)):
        promote(lake, version, month)
    assert [undo(lake).version, undo(lake).version] == [2, 1]
    with pytest.raises(RollbackRefused, match="delays@1 is the first champion: there is nothing to go back to"):
        undo(lake)


def test_a_rollback_may_name_its_target_and_be_taken_back(lake: Lake) -> None:
    register_passing_versions(lake, 3)
    for version, month in ((1, 2), (2, 3), (3, 4)):
        promote(lake, version, month)
    assert undo(lake, to=1).version == 1
    assert undo(lake, to=3).version == 3
    assert champion_at(lake, "delays") == 3
    assert undo(lake).version == 1


@pytest.mark.parametrize(
    ("to", "problem"),
    [
        (2, "delays@2 is the champion already. Earlier champions: 1."),
        (3, "delays@3 was never the champion. Earlier champions: 1."),
    ],
)
def test_a_rollback_to_what_never_served_is_refused(lake: Lake, to: int, problem: str) -> None:
    register_passing_versions(lake, 3)
    promote(lake, 1, month=2)
    promote(lake, 2, month=3)
    with pytest.raises(RollbackRefused) as refusal:
        undo(lake, to=to)
    assert str(refusal.value) == problem


def test_a_rollback_needs_a_reason_and_a_champion(lake: Lake) -> None:
    with pytest.raises(RollbackRefused, match="no reason was given"):
        undo(lake, why="  ")
    with pytest.raises(RollbackRefused, match="delays has no champion"):
        undo(lake)


def test_what_was_rolled_back_is_not_promoted_again_by_itself(lake: Lake) -> None:
    register_passing_versions(lake, 2)
    promote(lake, 1, month=2)
    promote(lake, 2, month=3)
    undo(lake)
    for month in (3, 4):
        with pytest.raises(PromotionRefused, match=r"rolled back by ann \(complaints\)"):
            promote(lake, 2, month)
    assert champion_at(lake, "delays") == 1
    entry = promote(lake, 2, by_hand=True, actor="bob", reason="it was the sensor")
    assert (entry.previous, entry.effective_at) == (1, closed(3))
    assert champion_at(lake, "delays") == 2
    assert promote(lake, 2, month=4) == entry  # brought back, so it may stay


def test_a_later_month_promotes_over_a_rollback(lake: Lake) -> None:
    register_passing_versions(lake, 3)
    promote(lake, 1, month=2)
    promote(lake, 2, month=3)
    undo(lake)
    assert promote(lake, 3, month=4).previous == 1
    assert [champion_at(lake, "delays", closed(m)) for m in (2, 3, 4)] == [1, 1, 3]


def test_the_first_promotion_by_hand_takes_effect_now(lake: Lake) -> None:
    register_passing_versions(lake, 1)
    before = datetime.now(UTC)
    entry = promote(lake, 1, by_hand=True, effective_at=None)
    assert before <= entry.effective_at <= datetime.now(UTC)
