"""After any events the online store answers as the batch does after they were ingested (S36)."""

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ml_platform.serving.events.taking import EventsRefused
from ml_platform_tests.examples import tries
from ml_platform_tests.serving.event_world import BASE, Row, copied, reading, visits
from ml_platform_tests.serving.test_events import same

EXAMPLES = 12
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
        st.sampled_from([("validate", "", []), ("validate some", "", [])]),
    ),
    min_size=1,
    max_size=7,
)


CORRECTED = [  # and only the correction is whole
    ("events", "readings", [reading(1, "s1", 2, 20.0)]),
    ("events", "readings", [reading(1, "s1", 2, 0.1)]),
    ("validate some", "", []),
]


@hypothesis_settings(max_examples=tries(EXAMPLES))
@given(
    steps=STEPS,
    on_conflict=st.sampled_from(["latest", "latest", "quarantine"]),
    span=st.sampled_from([None, timedelta(days=1), timedelta(hours=4)]),
)
@example(steps=CORRECTED, on_conflict="latest", span=None)
def test_after_any_events_the_store_answers_as_the_batch_does_once_they_are_ingested(
    events_lake: Path, steps: list[Any], on_conflict: str, span: timedelta | None
) -> None:
    with copied(events_lake, on_conflict, span=span) as world:
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
                world.validate(all_of_them=kind == "validate")
                if kind == "validate":  # else the store answers from what it knew before the run
                    world.fill()
            moments.append(datetime.now(UTC))
        examples = visits(*moments, BASE + timedelta(hours=2), BASE + timedelta(hours=30))
        seen = world.online(examples)
        world.land_events()
        world.fill()  # over validated rows that lack them
        same(world.online(examples), seen)
        world.validate()
        same(seen, world.batch(examples))
        world.fill()
        same(world.online(examples), world.batch(examples))
