"""Each kind of mistake in a declaration is refused when it loads, with the culprit and the remedy."""

from collections.abc import Callable
from typing import Any

import dataframely as dy
import polars as pl
import pytest

from ml_platform import (
    AtLeast,
    AtMost,
    Derived,
    Examples,
    Files,
    Label,
    Latest,
    LightGBM,
    Lookup,
    ModelPipeline,
    Monthly,
    NoWorseThanChampion,
    Since,
    Split,
    Table,
    TimeSince,
    Window,
)
from ml_platform.errors import DeclarationError


class Flights(dy.Schema):
    flight = dy.Int64(primary_key=True)
    departs = dy.Datetime(time_zone="UTC")
    lands = dy.Datetime(time_zone="UTC", nullable=True)
    arr_time = dy.Float64(nullable=True)
    carrier = dy.String()
    seat_rows = dy.Int32(nullable=True)
    delay = dy.Float64(nullable=True)


class Planes(dy.Schema):
    carrier = dy.String(primary_key=True)
    number = dy.Int64(primary_key=True)
    status = dy.String(nullable=True)
    seats = dy.Int64(nullable=True)


class Local(dy.Schema):
    key = dy.Int64(primary_key=True)
    happened = dy.Datetime(nullable=False)


FLIGHTS = Table("flights", Files("f/*.csv"), Flights, event_time="departs", known_at="lands")
PLANES = Table("planes", Files("p.csv"), Planes)
EXAMPLES = Examples("flights", "flight", ("carrier", "seat_rows"), label=pl.col("delay") > 15, at="departs")


def declared(**changes: Any) -> ModelPipeline:
    whole = {"name": "delays", "tables": (FLIGHTS, PLANES), "examples": EXAMPLES, "features": (), "trainer": LightGBM()}
    return ModelPipeline(**{**whole, **changes})


def examples(**changes: Any) -> Examples:
    whole = {
        "table": "flights",
        "key": "flight",
        "inputs": ("carrier",),
        "at": "departs",
        "label": pl.col("delay") > 15,
    }
    return Examples(**{**whole, **changes})


def window(**changes: Any) -> Window:
    return Window(**{"table": "flights", "by": "carrier", "agg": ["count"], "over": ["1d"], **changes})


def featured(*features: Any) -> Callable[[], Any]:
    return lambda: declared(features=features)


def test_the_declaration_that_the_mistakes_are_made_in_is_a_good_one() -> None:
    made = declared(features=(window(), Lookup("planes", on="carrier", take=["seats"]), Derived(x=pl.col("seat_rows"))))
    assert made.task == "binary"
    assert list(made.feature_schema) == ["flights__rows_count_1d_by_carrier", "planes__seats", "x"]


MISTAKES: dict[str, tuple[Callable[[], Any], str]] = {
    # unknown columns and tables
    "a window of an unknown column": (featured(window(of="dely", agg=["mean"])), "no column 'dely'.*delay"),
    "a window by an unknown column": (featured(window(by={"carrier": "karrier"})), "'karrier'.*carrier"),
    "a lookup of an unknown column": (featured(Lookup("planes", on="carrier", take=["wings"])), "no column 'wings'"),
    "an unknown table": (featured(window(table="flughts")), "no table 'flughts'.*flights, planes"),
    "an input that is no column": (lambda: declared(examples=examples(inputs=("carier",))), "inputs names 'carier'"),
    "an event time that is no column": (lambda: Table("t", Files("t.csv"), Flights, event_time="when"), "'when'"),
    "where= over an unknown column": (featured(window(where=pl.col("nope") > 1)), "nope"),
    "a derivation of an unknown column": (featured(Derived(x=pl.col("nope") + 1)), "reads nope"),
    "two columns joined to one": (
        featured(window(by={"carrier": "carrier", "flight": "carrier"})),
        "to the same column",
    ),
    # outcomes (S3)
    "arr_time as a feature": (
        featured(Derived(x=pl.col("arr_time") / 60)),
        "reads arr_time, which does not exist or is not allowed here",
    ),
    "a join on an outcome": (featured(window(by={"arr_time": "arr_time"})), "'arr_time', an outcome"),
    "a label column among inputs": (
        lambda: declared(examples=examples(inputs=("delay",))),
        "contain the outcome: delay",
    ),
    "known_at among inputs": (lambda: declared(examples=examples(inputs=("lands",))), "contain the outcome: lands"),
    "a window over examples whose outcomes have no time": (
        lambda: declared(
            features=(window(),), tables=(Table("flights", Files("f.csv"), Flights, event_time="departs"),)
        ),
        "declares no known_at",
    ),
    # names
    "two features of one name": (featured(window(), window()), "already used by Window"),
    "a feature named as an input": (
        featured(Derived(carrier=pl.col("seat_rows"))),
        "'carrier' is already used by an input",
    ),
    "two derivations of one name": (featured(Derived(x=pl.col("seat_rows")), Derived(x=pl.col("carrier"))), "'x'"),
    "one status for two readings": (
        featured(
            Latest("flights", on="carrier", take=["delay"], as_="last"),
            Latest("flights", on=None, take=["arr_time"], as_="last"),
        ),
        "'last__status' is already taken.*as_",
    ),
    "a column called status": (featured(Lookup("planes", on="carrier", take=["status"])), "'planes__status' is alre"),
    "tables of one name": (lambda: declared(tables=(FLIGHTS, FLIGHTS)), "two tables have the name flights"),
    "a name of the platform's": (lambda: declared(name="registry"), "reserved for the platform"),
    "a name that is none": (lambda: declared(name="Flight Delay"), "lower case"),
    "a column of the platform's": (featured(Derived(_x=pl.col("carrier"))), "begins with _"),
    # cycles
    "derivations in a circle": (featured(Derived(a=pl.col("b") + 1, b=pl.col("a") + 1)), "a cycle: .*→"),
    "tables that need each other": (
        lambda: declared(
            tables=(
                Table(
                    "flights",
                    Files("f.csv"),
                    Flights,
                    clean=len,
                    needs=("planes",),
                    event_time="departs",
                    known_at="lands",
                ),
                Table("planes", Files("p.csv"), Planes, clean=len, needs=("flights",)),
            )
        ),
        "cycle",
    ),
    # types
    "a join of unequal types": (featured(window(by={"seat_rows": "flight"})), r"seat_rows \(Int32\) to flight \(Int64"),
    "the mean of a text": (featured(window(of="carrier", agg=["mean"])), "of='carrier' is String"),
    "where= that is no condition": (featured(window(where=pl.col("delay") + 1)), "not a Boolean"),
    "a derivation of a wrong type": (featured(Derived(x=pl.col("carrier").dt.hour())), "does not fit"),
    "a time without zone": (lambda: Table("t", Files("t.csv"), Local, event_time="happened"), 'time_zone="UTC"'),
    # code
    "a Python callback": (lambda: Derived(x=pl.col("carrier").map_elements(len, pl.Int64)), "Python"),
    "a callback in where=": (lambda: window(where=pl.col("carrier").map_batches(lambda s: s)), "Python"),
    "a look at other rows": (lambda: Derived(x=pl.col("delay").mean()), "other rows"),
    "a shift": (lambda: Derived(x=pl.col("delay").shift(1)), "cannot be used"),
    "no expression at all": (lambda: Derived(x="carrier"), "not a polars expression"),
    # kinds of tables
    "a lookup in a table with time": (featured(Lookup("flights", on="carrier", take=["delay"])), "Use Latest"),
    "the latest of a table without time": (featured(Latest("planes", on="carrier", take=["status"])), "Use Lookup"),
    "a condition over an unknown column": (
        featured(TimeSince("flights", on="carrier", where=pl.col("nope") > 1)),
        r"TimeSince\('flights'\)\.where.*reads nope",
    ),
    "a condition that is no Boolean": (
        featured(TimeSince("flights", on="carrier", where=pl.col("delay") + 1)),
        r"TimeSince\('flights'\)\.where.*not a Boolean expression",
    ),
    "a condition that is no expression": (
        lambda: TimeSince("flights", on="carrier", where="delay > 15"),
        r"TimeSince\('flights'\).*not a polars expression",
    ),
    "no condition": (lambda: TimeSince("flights", on="carrier"), "where is missing"),
    "a condition over a table without time": (
        featured(TimeSince("planes", on="carrier", where=pl.col("seats") > 1)),
        "Use Lookup",
    ),
    "two conditions of one key": (
        featured(*(TimeSince("flights", on="carrier", where=pl.col("delay") > most) for most in (0, 15))),
        r"'flights__time_since_by_carrier' is already used by TimeSince.*as_=",
    ),
    "time since, without time": (featured(Since("planes", on="carrier")), "Use Lookup"),
    # spans and numbers
    "a span that is none": (lambda: window(over=["7 days"]), "'7 days' is not a span"),
    "no span": (lambda: window(over=[]), "over"),
    "an aggregate that is none": (lambda: window(of="delay", agg=["median"]), "count.*sum.*mean"),
    "the mean of rows": (lambda: window(agg=["mean"]), "needs a column"),
    "a resolution of nothing": (lambda: window(of="delay", resolution=0.0), "outside 1e-9 to 1e9"),
    "a word that does not exist": (lambda: window(ovr=["1d"]), "ovr"),
    # gates
    "an unknown metric": (lambda: AtLeast("auc", 0.7), "auc"),
    "a metric of another task": (lambda: declared(gates=(AtMost("rmse", 1.0),)), "'rmse' is no metric of a binary"),
    "a floor that cannot be": (lambda: AtLeast("roc_auc", 1.2), "1.2"),
    "a tolerance that cannot be": (lambda: NoWorseThanChampion("roc_auc", tolerance=-1.0), "-1"),
    "a slice by nothing known": (lambda: declared(gates=(AtLeast("roc_auc", 0.6, by="region"),)), "by='region'"),
    "the same gate twice": (lambda: declared(gates=(AtLeast("roc_auc", 0.6), AtLeast("roc_auc", 0.6))), "twice"),
    # examples, labels, splits
    "a key that is not the table's": (lambda: declared(examples=examples(key="carrier")), "not the primary key"),
    "no time for partitions": (
        lambda: declared(examples=examples(at=None), partitions=Monthly("2013-01")),
        "partitions need a prediction",
    ),
    "no time for a split by time": (lambda: declared(examples=examples(at=None)), "split is by time"),
    "a group that is no input": (
        lambda: declared(split=Split(validation=0.1, holdout=0.2, group="delay")),
        "group='delay' is no input",
    ),
    "an exclusion of what is no input": (lambda: examples(exclude=("delay",)), "no inputs: delay"),
    "a label that is a time": (lambda: declared(examples=examples(label="lands")), "the label is Datetime"),
    "a label on nothing": (
        lambda: declared(examples=examples(label=Label("planes", on={"tail": "number"}))),
        "'tail' to 'number'",
    ),
    "an owner that is nobody": (lambda: declared(owners=("operations",)), "team:name"),
    "a file outside the landing folder": (lambda: Files("../secrets.csv"), "leaves the landing folder"),
    "a file of no known kind": (lambda: Files("flights.xlsx"), "no known format"),
}


@pytest.mark.parametrize(("make", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_refused_with_its_culprit(make: Callable[[], Any], message: str) -> None:
    with pytest.raises((DeclarationError, ValueError), match=rf"(?s){message}"):
        make()
