"""A tick at rest compares a fingerprint and opens nothing; whatever changes, and the clock, make it look again."""

import json
import os
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.discovery import find
from ml_platform.lake.connection import Lake
from ml_platform.lake.transaction import Author, write
from ml_platform.orchestration import quiet, ticking, workspaces
from ml_platform.orchestration.quiet import Quiet, fingerprint
from ml_platform.orchestration.ticking import answered
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state.database import State
from ml_platform.state.stores import Stores


def _looked_twice(fingerprint: str, *, until: float) -> Quiet:
    return Quiet().after(fingerprint, "why", 100.0, until).after(fingerprint, "why", 105.0, until)


def test_a_reason_stands_from_the_second_look_at_the_same_fingerprint_on() -> None:
    first = Quiet().after("a", "why", 100.0, 900.0)
    assert not first.stands("a", 105.0), "a change in the same tick of the clock for files may have left it as it is"
    assert not first.after("a", "why", 100.0 + quiet.SETTLED / 2, 900.0).stands("a", 105.0)
    second = first.after("a", "why", 105.0, 900.0)
    assert second.stands("a", 105.0) and second.stands("a", 899.0)
    assert not second.stands("b", 106.0)
    assert not second.after("b", "why", 107.0, 900.0).stands("b", 108.0)


def test_a_reason_ends_with_its_time_and_with_a_clock_that_is_set_back() -> None:
    kept = _looked_twice("a", until=900.0)
    assert not kept.stands("a", 900.0)
    assert not kept.stands("a", 104.9)
    assert not kept.after("a", "why", 50.0, 900.0).stands("a", 51.0), "it is first seen then"


_CHANGES = st.lists(st.tuples(st.integers(0, 60), st.just(0) | st.just(1)), max_size=8)  # time in 0.1 s, file
_GRAIN = 5  # the clock for files ticks every 0.5 s


@given(_CHANGES, st.lists(st.integers(1, 30), min_size=2, max_size=10))
def test_no_change_is_missed_whatever_the_grain_of_the_clock_for_files(
    changes: list[tuple[int, int]], waits: list[int]
) -> None:
    """Naive: after each tick, what the last look saw is what there is then."""
    cursor, moment, seen = Quiet(), 0, set[tuple[int, int]]()
    for wait in waits:
        moment += wait
        there = {change for change in changes if change[0] <= moment}
        times = {file: max(at // _GRAIN for at, one in there if one == file) for file in {one for _, one in there}}
        fingerprint = json.dumps(sorted(times.items()))
        if not cursor.stands(fingerprint, moment / 10):
            cursor, seen = cursor.after(fingerprint, "", moment / 10, 1e9), there
        elif seen != there:
            # What was missed came in the same tick of the clock as something seen, after the look: never if it stands.
            raise AssertionError((moment, sorted(there - seen)))


def test_a_cursor_survives_being_stored_and_one_of_another_origin_is_warned_of() -> None:
    kept, warned = _looked_twice("a", until=900.0), list[str]()
    assert quiet.stored(kept.text(), warned.append) == kept
    assert quiet.stored('{"quiet": "a", "reason": "of an older version"}', warned.append).until == 0
    assert quiet.stored(None, warned.append) == quiet.stored("", warned.append) == Quiet()
    assert warned == []
    for corrupt in ("{", "[1]", "17", '{"quiet": 3}', '{"seen": "x"}', '{"quiet": "a", "until": "soon"}'):
        assert quiet.stored(corrupt, warned.append) == Quiet()
    assert len(warned) == 6 and all("not written by this sensor" in text for text in warned)


@pytest.fixture
def pipeline(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> ModelPipeline:
    """Trips over an empty lake: a file of no table has landed."""
    monkeypatch.setenv("ML_PLATFORM_PIPELINES", '["ml_platform_tests.declarations.trips_monthly"]')
    monkeypatch.setattr(workspaces, "_workspaces", {})
    stores.settings.landing.mkdir(parents=True)
    return find("trip_delay")


@dataclass
class Ticks:
    """Ticks of a landing sensor at times of its own. `openings`: how often Dagster's instance was opened."""

    pipeline: ModelPipeline
    cursor: str | None = None
    now: float = 1_000_000.0
    openings: int = 0

    def tick(self, seconds: float = 5.0) -> str:
        """Let it tick so many seconds after the tick before; the reason why no run was requested."""
        self.now += seconds
        with ExitStack() as opened:

            def opened_instance() -> dg.DagsterInstance:
                self.openings += 1
                return opened.enter_context(dg.DagsterInstance.ephemeral())

            tick = answered(opened_instance, self.pipeline, "data", "trip_delay_landing", self.cursor, print)
        assert tick.request is None
        self.cursor = tick.cursor
        return tick.reason


@pytest.fixture
def ticks(pipeline: ModelPipeline, monkeypatch: pytest.MonkeyPatch) -> Ticks:
    ticks = Ticks(pipeline)
    monkeypatch.setattr(ticking, "time", lambda: ticks.now)
    return ticks


def test_ticks_at_rest_open_neither_dagsters_instance_nor_a_store(
    ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    reasons = {ticks.tick(), ticks.tick()}
    assert ticks.openings == 2
    with monkeypatch.context() as patch:
        patch.setattr(ticking, "due", lambda *_: pytest.fail("looked"))
        patch.setattr(Lake, "connection", property(lambda _: pytest.fail("opened")))
        patch.setattr(State, "connection", lambda *_: pytest.fail("asked"))
        reasons |= {ticks.tick() for _ in range(100)}
    assert ticks.openings == 2
    assert len(reasons) == 1 and "No run of trip_delay yet" in reasons.pop()


def test_a_tick_looks_again_after_a_quarter_of_an_hour_though_nothing_changed(ticks: Ticks) -> None:
    ticks.tick(), ticks.tick()
    ticks.tick(14 * 60)
    assert ticks.openings == 2
    ticks.tick(60)
    assert ticks.openings == 3
    ticks.tick()
    assert ticks.openings == 3


def test_a_tick_that_fails_is_followed_by_a_look(ticks: Ticks, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks.tick(), ticks.tick()
    with monkeypatch.context() as patch:
        patch.setattr(quiet, "source_marks", lambda *_: 1 / 0)
        assert "This tick failed" in ticks.tick()
    ticks.tick()
    assert ticks.openings == 3


Change = Callable[[Stores], object]


def _land(stores: Stores) -> None:
    folder = stores.settings.landing / "trips"
    folder.mkdir(exist_ok=True)
    (folder / "trips_2024-01.csv").write_text("trip,driver")


def _correct(stores: Stores) -> None:
    """In place, with the size and the time of modification kept."""
    file = stores.settings.landing / "trips" / "trips_2024-01.csv"
    status = file.stat()
    file.write_text("trip,DRIVER")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def _replace(stores: Stores) -> None:
    """By another file of the same size."""
    file = stores.settings.landing / "trips" / "trips_2024-01.csv"
    file.with_suffix(".part").write_text("trip,Driver")
    file.with_suffix(".part").replace(file)


def _remove(stores: Stores) -> None:
    (stores.settings.landing / "trips" / "trips_2024-01.csv").unlink()


def _commit_to_state(stores: Stores) -> None:
    with stores.state.writing():
        stores.state.stamp()


def _commit_to_lake(stores: Stores) -> None:
    with write(stores.lake, Author("a", "b", "c", "d")) as tx:
        tx.append("raw", "things", pl.DataFrame({"a": [1]}))


def _put_catalog_back(stores: Stores) -> None:
    """As a restore does: a file with the same content, in the place of the one that was there."""
    catalog = stores.settings.lake / "catalog.sqlite"
    shutil.copy2(catalog, catalog.with_suffix(".copy"))
    catalog.with_suffix(".copy").replace(catalog)


def _let_the_clock_for_files_tick(folder: Path) -> None:
    """Until a file that changes now gets another time than one that changed before."""
    scratch = folder / "scratch"
    scratch.touch()
    before = scratch.stat().st_ctime_ns
    while scratch.stat().st_ctime_ns == before:
        scratch.touch()


def _begin_a_run(stores: Stores) -> None:
    """Whose process is killed later: the lock file stays."""
    folder = stores.settings.lake / "locks" / "alive"
    folder.mkdir(parents=True)
    (folder / "a run").touch()


CHANGES: list[Change] = [_land, _correct, _replace, _remove, _commit_to_state, _commit_to_lake, _begin_a_run]
CHANGES.append(_put_catalog_back)  # the last, under an open lake


def test_each_change_of_what_may_make_something_due_changes_the_fingerprint(
    stores: Stores, pipeline: ModelPipeline, tmp_path: Path
) -> None:
    before = fingerprint(stores.settings, pipeline)
    for change in CHANGES:
        _let_the_clock_for_files_tick(tmp_path)
        assert fingerprint(stores.settings, pipeline) == before
        change(stores)
        after = fingerprint(stores.settings, pipeline)
        assert after != before, change.__name__
        before = after


def test_a_partition_that_ends_has_a_fingerprint_of_its_own(
    stores: Stores, pipeline: ModelPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Now(datetime):
        @classmethod
        def now(cls, tz: object = None) -> "Now":
            return cls(2024, 1, 31, 23, 59, tzinfo=UTC) if early else cls(2024, 2, 1, tzinfo=UTC)

    early = True
    monkeypatch.setattr(quiet, "datetime", Now)
    before = fingerprint(stores.settings, pipeline)
    early = False
    assert fingerprint(stores.settings, pipeline) != before
