"""A challenger is on record until it is stopped, replaced or promoted (S28)."""

import pytest

from ml_platform.errors import ChallengeRefused, NotFoundError
from ml_platform.state import challenges
from ml_platform.state.database import State
from ml_platform_tests.state.registry_rows import register_passing_versions
from ml_platform_tests.state.test_promotions import closed, promote


@pytest.fixture
def champion(state: State) -> State:
    register_passing_versions(state, 3)
    promote(state, 1, month=2)
    return state


def start(state: State, version: int) -> challenges.Challenge:
    return challenges.start(state, "delays", version, reason="a trial", actor="ada")[0]


def test_a_challenger_is_on_record_with_who_when_and_why_until_it_is_stopped(champion: State) -> None:
    started = start(champion, 2)
    assert (started.version, started.action, started.reason, started.actor) == (2, "started", "a trial", "ada")
    assert challenges.start(champion, "delays", 2, reason="again", actor="bob") == (started, False)
    assert challenges.challenger(champion, "delays") == 2
    stopped = challenges.stop(champion, "delays", reason="seen enough", actor="bob")
    assert stopped.recorded_at > started.recorded_at and challenges.challenger(champion, "delays") is None
    assert challenges.history(champion, "delays") == [started, stopped]


def test_another_version_takes_the_place_of_the_challenger(champion: State) -> None:
    start(champion, 2)
    start(champion, 3)
    assert challenges.challenger(champion, "delays") == 3


def test_the_promotion_of_the_challenger_ends_it_and_that_of_another_version_does_not(champion: State) -> None:
    start(champion, 2)
    promote(champion, 3, month=3)
    assert challenges.challenger(champion, "delays") == 2
    promote(champion, 2, month=4)
    assert challenges.challenger(champion, "delays") is None
    promote(champion, 1, month=5, effective_at=closed(5))
    assert challenges.challenger(champion, "delays") is None  # it is not back because it serves no more
    assert start(champion, 2).version == challenges.challenger(champion, "delays")


def test_what_cannot_be_a_challenger_is_refused(state: State) -> None:
    register_passing_versions(state, 2)
    with pytest.raises(ChallengeRefused, match="no champion that delays@2 could challenge"):
        start(state, 2)
    promote(state, 1)
    with pytest.raises(ChallengeRefused, match="delays@1 is the champion: it cannot challenge itself"):
        start(state, 1)
    with pytest.raises(NotFoundError):
        start(state, 9)
    with pytest.raises(ChallengeRefused, match="delays has no challenger"):
        challenges.stop(state, "delays", reason="", actor="ada")
    assert challenges.history(state, "delays") == []
