"""The records of a run are published at its end, and those of several runs of one command together."""

import pytest

from ml_platform.lake.transaction import Author
from ml_platform.orchestration import publication
from ml_platform.orchestration.publication import publish_run, published_together
from ml_platform.state import ledger
from ml_platform.state.results import FeaturesResult
from ml_platform.state.stores import Stores


def run(stores: Stores, key: str) -> None:
    """A run that makes something, to its end."""
    ledger.record(stores.state, Author("trips/features", key, key, "run"), rows=1, result=FeaturesResult(1))
    publish_run(stores)


def published(stores: Stores) -> list[str]:
    if not stores.lake.columns("lineage", "records"):
        return []
    return [key for (key,) in stores.lake.rows("SELECT content_key FROM lineage.records ORDER BY id")]


def test_a_run_alone_is_published_at_its_end(stores: Stores) -> None:
    run(stores, "a")
    assert published(stores) == ["a"]


def test_runs_in_turn_are_published_once_when_the_last_has_ended(stores: Stores) -> None:
    with published_together(stores):
        run(stores, "a")
        run(stores, "b")
        assert published(stores) == []
    assert published(stores) == ["a", "b"]
    run(stores, "c")
    assert published(stores) == ["a", "b", "c"]


def test_runs_before_one_that_fails_are_published(stores: Stores) -> None:
    with pytest.raises(ZeroDivisionError), published_together(stores):
        run(stores, "a")
        raise ZeroDivisionError
    assert published(stores) == ["a"]


def test_the_first_failure_is_told_where_publishing_fails_too(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: Stores) -> int:
        raise OSError("disk full")

    with monkeypatch.context() as patched, pytest.raises(ZeroDivisionError) as failed, published_together(stores):
        run(stores, "a")
        patched.setattr(publication, "publish", refused)
        raise ZeroDivisionError
    assert "disk full" in str(failed.value.__cause__)
    run(stores, "b")
    assert published(stores) == ["a", "b"]


def test_after_an_interrupt_the_next_run_publishes_what_was_left(stores: Stores) -> None:
    with pytest.raises(KeyboardInterrupt), published_together(stores):
        run(stores, "a")
        raise KeyboardInterrupt
    assert published(stores) == []
    run(stores, "b")
    assert published(stores) == ["a", "b"]


def test_a_long_series_of_runs_is_published_meanwhile(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publication, "_MOST_SECONDS_BETWEEN", 0.0)
    with published_together(stores):
        run(stores, "a")
        assert published(stores) == ["a"]
