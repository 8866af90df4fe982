"""After any events the online store answers as the batch does after they were ingested (S36)."""

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ml_platform.runtime.workspace import Workspace
from ml_platform.serving.events.taking import EventsRefused
from ml_platform.settings import Settings
from ml_platform_tests.examples import threads, tries
from ml_platform_tests.serving.event_world import BASE, EventWorld, Row, pipeline, reading, visits
from ml_platform_tests.serving.test_events import same

HOURS = st.sampled_from([0.5, 1, 1, 2, 3, 5, 30, 49, 1000])
SEEN = st.sampled_from(["at", "later", "future", "never"])
VALUES = st.sampled_from([None, 1.0, 20.0, 0.0, -0.0, 0.1])
PRICES = st.sampled_from([None, Decimal("1.10"), Decimal("-3.00")])


@st.composite
def readings(draw: st.DrawFn) -> Row:
    row = reading(draw(st.integers(0, 4)), draw(st.sampled_from(["s0", "s1"])), draw(HOURS), draw(VALUES))
    seen = {
        "at": row["at"],
        "later": row["at"] + timedelta(minutes=90),
        "future": BASE + timedelta(hours=20),
        "never": None,
    }
    return {**row, "seen": seen[draw(SEEN)], "price": draw(PRICES)}


@st.composite
def clicks(draw: st.DrawFn) -> Row:
    at = BASE - timedelta(hours=draw(HOURS))
    return {"person": draw(st.integers(0, 1)), "at": at, "page": draw(st.sampled_from("abc"))}


@st.composite
def people(draw: st.DrawFn) -> Row:
    born = draw(st.sampled_from([None, date(1990, 2, 3)]))
    return {"person": draw(st.integers(0, 2)), "name": draw(st.sampled_from([None, "Ada", "Bob"])), "born": born}


def several(table: str, row: st.SearchStrategy[Row], key: str | None) -> st.SearchStrategy[Any]:
    unique: Any = (lambda one: one[key]) if key else (lambda one: tuple(one.values()))
    rows = st.lists(row, min_size=1, max_size=4, unique_by=unique)
    return st.tuples(st.sampled_from(["events", "events", "events", "file"]), st.just(table), rows)


STEPS = st.lists(
    st.one_of(
        several("readings", readings(), "id"),
        several("clicks", clicks(), None),
        several("people", people(), "person"),
        st.just(("validate", "", [])),
    ),
    min_size=1,
    max_size=7,
)


@contextmanager
def copied(folder: Path, on_conflict: str, span: timedelta | None) -> Iterator[EventWorld]:
    declared = pipeline(on_conflict)
    with TemporaryDirectory() as own:
        shutil.copytree(folder, Path(own) / "data")
        settings = Settings(data=Path(own) / "data", threads=threads(), lock_timeout=20)
        with closing(Workspace.open(settings, declared.slices)) as stores, EventWorld(stores, declared, span) as world:
            yield world


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory, empty_lake: Path) -> Path:
    """A lake with one row of each table, long ago."""
    folder = tmp_path_factory.mktemp("events") / "data"
    shutil.copytree(empty_lake, folder / "lake")
    settings = Settings(data=folder, threads=1, lock_timeout=20)
    with closing(Workspace.open(settings, pipeline().slices)) as stores, EventWorld(stores, pipeline()) as world:
        world.ready()
    return folder


@hypothesis_settings(max_examples=tries(12))
@given(
    steps=STEPS,
    on_conflict=st.sampled_from(["latest", "latest", "quarantine"]),
    span=st.sampled_from([None, timedelta(days=1), timedelta(hours=4)]),
)
def test_after_any_events_the_store_answers_as_the_batch_does_once_they_are_ingested(
    ready: Path, steps: list[Any], on_conflict: str, span: timedelta | None
) -> None:
    with copied(ready, on_conflict, span) as world:
        world.fill()
        moments = [BASE - timedelta(hours=4), BASE - timedelta(hours=1)]
        for kind, table, rows in steps:
            if kind == "events":
                with suppress(EventsRefused):
                    world.take(table, rows)
            elif kind == "file":
                world.validate()  # what arrived before the file is in the lake before it
                world.land(table, rows)
                world.validate()
                world.fill()
            else:
                world.validate()
                world.fill()
            moments.append(datetime.now(UTC))
        examples = visits(*moments, BASE + timedelta(hours=2), BASE + timedelta(hours=30))
        seen = world.online(examples)
        world.keeper.land(world.stores.state, all_of_them=True)
        world.fill()  # over validated rows that lack them
        same(world.online(examples), seen)
        world.validate()
        same(seen, world.batch(examples))
        world.fill()
        same(world.online(examples), world.batch(examples))
