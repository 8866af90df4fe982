"""A canary is on record until it is stopped, taken back or replaced, or the champion changes (S58)."""

import pytest

from ml_platform.errors import CanaryRefused, NotFoundError
from ml_platform.state import alerts, canaries, versions
from ml_platform.state.canaries import Canary
from ml_platform.state.database import State
from ml_platform.state.promotions import rollback
from ml_platform_tests.state.registry_rows import GATES, register_passing_versions, training
from ml_platform_tests.state.test_promotions import promote

REQUIRED = {gate.key: gate.phrase for gate in GATES}


@pytest.fixture
def champion(state: State) -> State:
    register_passing_versions(state, 3)
    promote(state, 1, month=2)
    return state


def start(state: State, version: int, share: float = 0.1) -> tuple[Canary, bool]:
    bounds = {"share": share, "max_error_share": 0.01, "max_latency_ratio": 2.0}
    return canaries.start(state, "delays", version, REQUIRED, **bounds, reason="a trial", actor="ada")


def test_a_canary_is_on_record_with_its_terms_until_it_is_stopped(champion: State) -> None:
    started, _ = start(champion, 2)
    assert (started.version, started.share, started.reason, started.actor) == (2, 0.1, "a trial", "ada")
    assert start(champion, 2) == (started, False)
    raised, new = start(champion, 2, share=0.3)
    assert new and canaries.standing(champion, "delays") == raised
    stopped = canaries.stop(champion, "delays", reason="seen enough", actor="bob")
    assert canaries.standing(champion, "delays") is None and stopped.recorded_at > raised.recorded_at
    assert canaries.history(champion, "delays") == [started, raised, stopped]


@pytest.mark.parametrize("promoted", [2, 3])
def test_any_change_of_the_champion_ends_the_canary(champion: State, promoted: int) -> None:
    start(champion, 2)
    promote(champion, promoted, month=3)
    assert canaries.newest(champion, "delays") is None
    rollback(champion, "delays", why="a test", actor="ada")
    assert canaries.standing(champion, "delays") is None  # the same champion as then does not revive it


def test_a_canary_is_taken_back_once_with_its_evidence_and_an_alert(champion: State) -> None:
    started, _ = start(champion, 2)
    end = canaries.take_back(champion, "delays", started.seq, reason="it failed", evidence="{}")
    assert end is not None and (end.action, end.actor, end.evidence) == ("taken_back", "service", "{}")
    assert canaries.take_back(champion, "delays", started.seq, reason="it failed", evidence="{}") is None
    (alert,) = alerts.open_alerts(champion, ["canary"])
    assert "delays@2 was taken back: it failed" in alert.title
    again, _ = start(champion, 2)
    assert not alerts.open_alerts(champion, ["canary"])
    assert canaries.take_back(champion, "delays", started.seq, reason="late", evidence="{}") is None
    assert canaries.standing(champion, "delays") == again


def test_what_may_not_be_promoted_is_no_canary(state: State) -> None:
    register_passing_versions(state, 2)
    with pytest.raises(CanaryRefused, match="has no champion that could answer the other keys"):
        start(state, 2)
    promote(state, 1)
    with pytest.raises(CanaryRefused, match="it is the champion"):
        start(state, 1)
    unjudged = versions.register(state, training("unjudged"))
    with pytest.raises(CanaryRefused, match="there is no verdict on"):
        start(state, unjudged.version)
    with pytest.raises(NotFoundError):
        start(state, 9)
    with pytest.raises(CanaryRefused, match="delays has no canary"):
        canaries.stop(state, "delays", reason="", actor="ada")
    assert canaries.history(state, "delays") == []
