"""A version is an integer given once per pipeline and content key (S22)."""

import multiprocessing
from datetime import UTC, datetime

import pytest

from ml_platform.errors import NotFoundError
from ml_platform.settings import Settings
from ml_platform.state import versions
from ml_platform.state.database import State
from ml_platform_tests.state.registry_rows import training


def test_versions_count_from_one_for_each_pipeline(state: State) -> None:
    named = [
        versions.register(state, training(key, pipeline)).name
        for key, pipeline in [("a", "delays"), ("b", "delays"), ("a", "churn")]
    ]
    assert named == ["delays@1", "delays@2", "churn@1"]


def test_the_same_key_again_gives_the_same_version_unchanged(state: State) -> None:
    first = versions.register(state, training("a"))
    versions.register(state, training("b"))
    again = versions.register(state, training("a", run_id="run-2", metrics={}))
    assert again == first and again.run_id == "run-1"
    assert [v.version for v in versions.versions(state, "delays")] == [1, 2]


def test_a_version_comes_back_as_it_was_registered(state: State) -> None:
    decided = datetime(2013, 4, 1, 12, 30, 0, 123456, tzinfo=UTC)
    made = versions.register(state, training("a", decided_at=decided))
    found = versions.version(state, "delays", 1)
    assert found == made == versions.by_key(state, "delays", "a")
    assert found.decided_at == decided and found.metrics == {"roc_auc": 0.74, "f1": None}


def test_a_version_that_does_not_exist_is_named_with_those_that_do(state: State) -> None:
    assert versions.versions(state, "delays") == [] and versions.by_key(state, "delays", "a") is None
    versions.register(state, training("a"))
    with pytest.raises(NotFoundError, match=r"no version 'delays@7'\..* Known: delays@1"):
        versions.version(state, "delays", 7)


def test_metrics_that_are_no_json_are_refused_and_take_no_number(state: State) -> None:
    with pytest.raises(ValueError, match="JSON"):
        versions.register(state, training("a", metrics={"roc_auc": float("nan")}))
    assert versions.register(state, training("b")).version == 1


def _register(settings: Settings, own: str) -> list[int]:
    state = State(settings)
    try:
        return [versions.register(state, training(key)).version for key in ("shared", own, "shared too")]
    finally:
        state.close()


def test_processes_at_once_get_distinct_numbers_and_one_for_the_same_key(settings: Settings, state: State) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        given = pool.starmap(_register, [(settings, f"own {n}") for n in range(3)], chunksize=1)
    shared, own, shared_too = ({numbers[i] for numbers in given} for i in range(3))
    assert len(shared) == len(shared_too) == 1 and len(own) == 3
    assert sorted(shared | own | shared_too) == [1, 2, 3, 4, 5]
    assert [v.version for v in versions.versions(state, "delays")] == [1, 2, 3, 4, 5]
