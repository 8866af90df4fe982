"""Small pipelines with their data, made to meet the edges of S1 to S13: ties, nulls, late knowledge, corrections.

Times are whole hours, seldom a microsecond beside them, so that event == at, known == at, known == at - over
and age == max_age happen often. Versions of a row are consistent: at no moment are two of them usable.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random
from typing import Any

import dataframely as dy
import polars as pl
from hypothesis import strategies as st

from ml_platform import (
    Derived,
    Examples,
    Files,
    Latest,
    LightGBM,
    Lookup,
    ModelPipeline,
    Since,
    Table,
    TimeSince,
    Window,
)
from ml_platform.spec.durations import microseconds
from ml_platform.spec.features import Feature, On

Row = dict[str, Any]
START = datetime(2024, 3, 31, tzinfo=UTC)


class Orders(dy.Schema):
    id = dy.Int64(primary_key=True)
    placed_at = dy.Datetime(time_zone="UTC")
    done_at = dy.Datetime(time_zone="UTC", nullable=True)
    shop = dy.String(nullable=True)
    area = dy.String(nullable=True)
    amount = dy.Float64(nullable=True)
    outcome = dy.Float64(nullable=True)


class Events(dy.Schema):
    store = dy.String(primary_key=True)
    number = dy.Int64(primary_key=True)
    happened_at = dy.Datetime(time_zone="UTC")
    told_at = dy.Datetime(time_zone="UTC", nullable=True)
    place = dy.String(nullable=True)
    value = dy.Float64(nullable=True)
    whole = dy.Int64(nullable=True)
    flag = dy.Bool(nullable=True)


class Shops(dy.Schema):
    shop = dy.String(primary_key=True)
    size = dy.Int64(nullable=True)
    style = dy.String(nullable=True)


class Rates(dy.Schema):
    code = dy.String(primary_key=True)
    zone = dy.String(primary_key=True)
    rate = dy.Float64(nullable=True)


@dataclass(frozen=True)
class Case:
    """A pipeline, its examples (columns of row_schema) and the validated rows of each table."""

    pipeline: ModelPipeline
    examples: list[Row]
    tables: dict[str, list[Row]]


@cache
def base(refresh: str | None, events_known: str | None, orders_refresh: str | None) -> dict[str, Any]:
    """What the pipelines have in common; the features come on top."""
    files = Files("*.parquet")
    tables = (
        Table("orders", files, Orders, event_time="placed_at", known_at="done_at", refresh=orders_refresh),
        Table("events", files, Events, event_time="happened_at", known_at=events_known, refresh=refresh),
        Table("shops", files, Shops),
        Table("rates", files, Rates),
    )
    examples = Examples("orders", "id", ("shop", "area", "amount"), label=pl.col("outcome") > 0, at="placed_at")
    return {"name": "case", "tables": tables, "examples": examples, "trainer": LightGBM()}


TEXTS = st.sampled_from(["a", "a", "a", "a", "a", "b", "b", "é", None])
NUMBERS = st.sampled_from(
    [
        1.0,
        -1.0,
        0.1,
        -0.3,
        7.25,
        None,
        0.0,
        1e9,
        -1e9,
        123456.789,  # also large against the resolution
        4e-7,
        -4e-7,
        1e-9,  # below the usual resolution
        5e-7,
        1.5e-6,
        -2.5e-6,
        0.5,
        1.5,
        2.5,
        -0.5,
        0.125,
        500.0,
        1500.0,  # halves of one
    ]
)
WHOLES = st.sampled_from([1, 2, 3, -1, 0, None, 1_000_000_000, -1_000_000_000])
FLAGS = st.sampled_from([True, True, False, None])


def _times(*hours: int) -> st.SearchStrategy[datetime]:
    beside = [timedelta(microseconds=count) for count in (0, 0, 0, 0, -1, 1)]
    return st.sampled_from([START + timedelta(hours=hour) + little for little in beside for hour in hours])


# When a row is told: at once, soon, long after (longer than spans), ahead (a forecast), never.
DELAYS = st.sampled_from([*[timedelta(hours=hours) for hours in (0, 0, 0, 1, 1, 1, 2, 3, 6, 8, 30, -1, -2, -4)], None])
SPANS = st.sampled_from(["6h", "1d", "3h", "2h", "1h", "2d"])
RESOLUTIONS = st.sampled_from([1e-6, 1e-6, 1.0, 0.25, 0.01, 1e3, 1e-9])
AGES = st.sampled_from([None, None, "1h", "2h", "3h", "6h", "1d"])
OFFSETS = st.sampled_from([None, None, None, "1h", "2h", "3h", "1d"])


def _events(happened: st.SearchStrategy[datetime], told: st.SearchStrategy[Any]) -> st.SearchStrategy[Row]:
    return st.fixed_dictionaries(
        {"happened_at": happened, "told_at": told, "place": TEXTS, "value": NUMBERS, "whole": WHOLES, "flag": FLAGS}
    )


# Contents of rows by table; the later kinds of events tie, down to the arrival and the key (S10).
CONTENTS: dict[str, list[st.SearchStrategy[Row]]] = {
    "orders": [
        st.fixed_dictionaries(
            {
                "placed_at": _times(*range(4, 13), 5, 5, 7, 7, 24, 30),
                "done_at": DELAYS,
                "shop": TEXTS,
                "area": TEXTS,
                "amount": NUMBERS,
                "outcome": NUMBERS,
            }
        )
    ],
    "events": [
        _events(_times(*range(9)), DELAYS),
        _events(_times(2, 2, 5), DELAYS),
        _events(st.just(START + timedelta(hours=2)), st.sampled_from([timedelta(), timedelta(hours=1)])),
    ],
    "shops": [st.fixed_dictionaries({"size": WHOLES, "style": TEXTS})],
    "rates": [st.fixed_dictionaries({"rate": NUMBERS})],
}
EVENT_ON: st.SearchStrategy[On | None] = st.sampled_from(
    [
        {"shop": "store"},
        {"shop": "place"},
        {"shop": "store", "area": "place"},
        {"tag": "place"},
        {"big": "flag"},
        {"id": "number"},
        None,
        None,
    ]
)
ORDER_ON: st.SearchStrategy[On | None] = st.sampled_from(["shop", ("shop", "area"), {"shop": "area"}, "id", None])
EVENT_WHERE = [
    None,
    None,
    None,
    None,
    pl.col("flag"),
    pl.col("value") > 0,
    pl.col("told_at") >= pl.col("happened_at"),
    pl.col("whole").is_null() | (pl.col("place") != "b"),
]
ORDER_WHERE = [None, None, pl.col("outcome").is_not_null(), pl.col("amount") > 0.5]
WINDOWED = [
    ("events", EVENT_ON, [None, "value", "value", "whole", "flag", "place", "told_at"], EVENT_WHERE),
    ("orders", ORDER_ON, [None, "outcome", "amount", "id"], ORDER_WHERE),
]
AGGREGATES = st.lists(
    st.sampled_from(["sum", "mean", "std", "min", "max", "count", "n_unique"]), min_size=1, unique=True
)
COUNTS_ALONE = st.lists(st.sampled_from(["count", "n_unique"]), min_size=1, unique=True)
SEVERAL_SPANS = st.lists(SPANS, min_size=1, max_size=3, unique=True)
CLOCK = st.sampled_from(["known_at", "known_at", "event_time"])
EARLY = Derived(tag=pl.col("shop").fill_null("b"), big=pl.col("amount") > 1, hour=pl.col("placed_at").dt.hour())


@st.composite
def windows(draw: st.DrawFn, name: str | None) -> Feature:
    """Over the events, or the outcomes of other examples."""
    table, by, columns, filters = draw(st.sampled_from(WINDOWED))
    of = draw(st.sampled_from(columns))
    agg = ["count"] if of is None else draw(COUNTS_ALONE if of in ("place", "told_at") else AGGREGATES)
    return Window(
        table,
        by=draw(by),
        of=of,
        agg=tuple(agg),
        over=tuple(draw(SEVERAL_SPANS)),
        clock=draw(CLOCK),
        where=draw(st.sampled_from(filters)),
        resolution=draw(RESOLUTIONS),
        as_=name,
    )


def others(name: str | None) -> st.SearchStrategy[Feature]:
    """Latest with and without age and offset, Since, TimeSince, and Lookup by the same name, another and several."""
    events, orders, named = st.just("events"), st.just("orders"), st.just(name)
    of_events, of_orders = (
        st.sampled_from([where for where in conditions if where is not None])
        for conditions in (EVENT_WHERE, ORDER_WHERE)
    )
    rest = {"max_age": AGES, "offset": OFFSETS, "as_": named}
    shops = [Lookup("shops", on=on, take=("size", "style"), as_=name) for on in ("shop", {"area": "shop"})]
    rates = [Lookup("rates", on={first: "code", "area": "zone"}, take=("rate",), as_=name) for first in ("shop", "tag")]
    return st.one_of(
        st.builds(Latest, events, EVENT_ON, st.just(("value", "number", "told_at")), **rest),
        st.builds(Latest, orders, ORDER_ON, st.just(("outcome", "shop")), **rest),
        st.builds(Since, events, EVENT_ON, named) | st.builds(Since, orders, ORDER_ON, named),
        st.builds(TimeSince, events, EVENT_ON, of_events, named)
        | st.builds(TimeSince, orders, ORDER_ON, of_orders, named),
        st.sampled_from(shops),
        st.sampled_from(rates),
    )


# The events' refresh and known_at, the orders' refresh.
CLOCKS = st.tuples(
    st.sampled_from([None, None, None, "2h", "1d"]),
    st.sampled_from(["told_at", "told_at", None]),
    st.sampled_from([None, None, "3h"]),
)
# The first has its own name and the others one that is given: what is drawn cannot clash.
FEATURES = [st.sampled_from([windows(name), others(name)]) for name in (None, "f1", "f2")]


@st.composite
def pipelines(draw: st.DrawFn) -> ModelPipeline:
    """One to three joined features, derivations that may be keys and one that reads the others."""
    shared = base(*draw(CLOCKS))
    joined = [draw(draw(kind)) for kind in FEATURES[: draw(st.integers(1, 3))]]
    read = [
        pl.col(output) for made in joined if isinstance(made, Window | Since | TimeSince) for output in made.outputs
    ]
    late = [
        Derived(ratio=(read[0] + 1) / pl.col("amount"), late=pl.coalesce("ratio", read[-1]) - pl.col("hour"))
        for _ in range(bool(read) and draw(st.integers(0, 1)))
    ]
    return ModelPipeline(**shared, features=(*late, EARLY, *joined))


# What happens after a row first arrives, in hours from then: a correction, or a file that leaves the row out.
STORIES: list[list[tuple[int, str]]] = [
    [],
    [],
    [],
    [],
    [],
    [(1, "new")],
    [(3, "new")],
    [(6, "new")],
    [(1, "new"), (2, "new")],
    [(2, "new"), (3, "new"), (7, "new")],
    [(8, "drop")],
    [(1, "new"), (7, "drop")],
    [(2, "drop"), (4, "new")],
    [(1, "drop"), (2, "new"), (9, "drop")],
]
LIVES = st.sampled_from([(hour, story) for hour in (0, 0, 0, 0, *range(-4, 7)) for story in STORIES])


def versions(draw: st.DrawFn, table: Table, key: Row, contents: st.SearchStrategy[Row]) -> list[Row]:
    """One row through its life; corrections change everything but the key: columns that are joined on, and times too.

    S6: the first version is known as declared, a later one from its arrival at the earliest.
    """
    hour, story = draw(LIVES)
    # Tables without time arrive later, so that examples come before them, too.
    first = START + timedelta(hours=hour if table.event_time else hour + 5)
    rows: list[Row] = []
    ends: list[datetime] = []  # when each step ends the validity of what came before
    for arrived, kind in [(first, "new"), *((first + timedelta(hours=after), kind) for after, kind in story)]:
        if kind == "drop":
            ends, rows = [*ends, arrived], [*rows, {}]
            continue
        row = {**key, **draw(contents)}
        for told, happened in (("done_at", "placed_at"), ("told_at", "happened_at")):
            row.update({told: row[happened] + row[told]} if row.get(told) is not None else {})  # a delay was drawn
        if rows and table.known_at and row[table.known_at] is None:
            # A correction that is never known would leave its predecessor without an end: none are made.
            row[table.known_at] = arrived
        known = row[table.known_column] if table.known_column else arrived
        known = max(known, arrived) if rows else known
        usable = None if known is None else _refreshed(known, table.refresh)
        ends.append(usable or arrived)
        rows.append({**row, "_arrival": arrived, "_known_at": known, "_usable_at": usable})
    # The earliest of all that follow: a correction may itself be known later than the next one.
    ended = [{**row, "_superseded_at": min(ends[place + 1 :], default=None)} for place, row in enumerate(rows)]
    return [row for row in ended if "_arrival" in row]


def _refreshed(moment: datetime, refresh: str | None) -> datetime:
    """S5: the first multiple of `refresh` since 1970 at or after `moment`."""
    epoch, step = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=microseconds(refresh) if refresh else 1)
    return epoch - (epoch - moment) // step * step


IDENTITIES: dict[str, list[Row]] = {
    "orders": [{"id": number} for number in range(6)],
    "events": [{"store": store, "number": number} for number in range(4) for store in ("a", "b")],
    "shops": [{"shop": name} for name in ("a", "b", "y")],
    "rates": [{"code": "a", "zone": "a"}, {"code": "a", "zone": "b"}, {"code": "b", "zone": "a"}],
}
COUNTS = {name: st.sampled_from([*range(len(keys)), *[len(keys)] * 3]) for name, keys in IDENTITIES.items()}


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A pipeline with up to eight rows, in some versions each, in every table that it reads; the others are empty."""
    pipeline = draw(pipelines())
    read = {"orders", *(feature.table for feature in pipeline.features if not isinstance(feature, Derived))}
    stored: dict[str, list[Row]] = {table.name: [] for table in pipeline.tables}
    examples, order = [], Random(draw(st.integers(0, 9)))
    for name in sorted(read):
        contents = draw(st.sampled_from(CONTENTS[name]))
        for key in IDENTITIES[name][: draw(COUNTS[name])]:
            life = versions(draw, pipeline.table(name), key, contents)
            stored[name] += life
            if name == pipeline.examples.table:
                # Which version's inputs count (S6) is not the features' business: the first one's here.
                examples.append({column: life[0][column] for column in pipeline.row_schema})
        for place, row in enumerate(stored[name]):
            row["_path"], row["_row"] = f"{name} {row['_arrival']:%d %H}", len(stored[name]) - place
            row["_file"] = hashlib.sha256(row["_path"].encode()).hexdigest()[:16]  # no order depends on it
        order.shuffle(stored[name])  # no rule depends on the order of rows
    return Case(pipeline, examples, stored)
