"""Twelve ways to leak the answer into a model of late flights, and what becomes of each (S3, S41).

The flights are generated; a flight that is cancelled has no delay. Each way changes the declaration or `clean`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import dataframely as dy
import numpy as np
import polars as pl
import pytest

from ml_platform import Derived, Examples, Files, LightGBM, Lookup, ModelPipeline, Monthly, Provenance, Table, Window
from ml_platform.errors import DeclarationError
from ml_platform.evaluation.candidate import ColumnOrigins
from ml_platform.evaluation.gates.measuring import judge
from ml_platform.state.verdicts import Verdict
from ml_platform.steps.provenance import origins_of
from ml_platform.validation.provenance import movements
from ml_platform_tests.evaluation.candidates import candidate

ROWS = 900
Clean = Callable[[pl.DataFrame], pl.DataFrame]
_RANDOM = np.random.default_rng(11)


def _raw() -> pl.DataFrame:
    dep, planned = _RANDOM.integers(0, 40_000, ROWS), _RANDOM.integers(60, 400, ROWS)
    late_out = _RANDOM.gamma(1.2, 12, ROWS).round()
    late_in = (late_out + _RANDOM.normal(-5, 12, ROWS)).round()
    frame = pl.DataFrame(
        {
            "_row": np.arange(ROWS),
            "flight": [f"F{n}" for n in range(ROWS)],
            "carrier": _RANDOM.choice(["AA", "B6", "DL"], ROWS),
            "tail": _RANDOM.choice(["N1", "N2", "N3", None], ROWS, p=[0.4, 0.3, 0.28, 0.02]),
            "dep": dep,
            "planned": planned,
            "dep_delay": late_out,
            "arr_delay": late_in,
            "arr": dep + planned + late_in,
            "air": planned - 30 + _RANDOM.normal(0, 8, ROWS).round(),
            "desk": np.where(late_in > 15, "delayed", "landed"),
        }
    )
    flown = pl.lit(pl.Series(_RANDOM.random(ROWS) > 0.06))
    outcomes = ("dep_delay", "arr_delay", "arr", "air", "desk")
    return frame.with_columns(pl.when(flown).then(pl.col(name)) for name in outcomes)


RAW = _raw()


class Flight(dy.Schema):
    """`extra` is what a way puts there: a number, or a text in `note`."""

    flight = dy.String(primary_key=True)
    sched_dep = dy.Datetime(time_zone="UTC")
    sched_arr = dy.Datetime(time_zone="UTC")
    carrier = dy.String()
    tail = dy.String(nullable=True)
    dep_delay = dy.Float64(nullable=True)
    arr_delay = dy.Float64(nullable=True)
    landed_at = dy.Datetime(time_zone="UTC", nullable=True)
    extra = dy.Float64(nullable=True)
    note = dy.String(nullable=True)


class Means(dy.Schema):
    carrier = dy.String(primary_key=True)
    mean = dy.Float64()


def honest(flights: pl.DataFrame) -> pl.DataFrame:
    start = pl.lit("2013-01-01").str.to_datetime(time_zone="UTC") + pl.duration(minutes=pl.col("dep"))
    arrives = start + pl.duration(minutes=pl.col("planned"))
    return flights.with_columns(
        sched_dep=start,
        sched_arr=arrives,
        landed_at=arrives + pl.duration(minutes=pl.col("arr_delay")),
        extra=pl.col("planned").cast(pl.Float64),
        note=pl.lit("none"),
    )


def with_(**columns: pl.Expr) -> Clean:
    """The honest `clean`, and these columns besides."""
    return lambda flights: honest(flights).with_columns(**columns)


INPUTS = ("carrier", "tail", "sched_arr", "extra", "note")


def pipeline(
    clean: Clean = honest, inputs: tuple[str, ...] = INPUTS, known_at: str | None = "landed_at", features: Any = ()
) -> ModelPipeline:
    flights = Table("flights", Files("flights/*.csv"), Flight, clean=clean, event_time="sched_dep", known_at=known_at)
    return ModelPipeline(
        "flight_delay",
        tables=(flights, Table("means", Files("means.csv"), Means)),
        examples=Examples("flights", key="flight", at="sched_dep", inputs=inputs, label=pl.col("arr_delay") > 15),
        features=features,
        trainer=LightGBM(),
        partitions=Monthly("2013-01", "2014-01"),
    )


def judged(declared: ModelPipeline, assumed: Mapping[str, float] | None = None, **acknowledged: str) -> list[Verdict]:
    table = declared.table("flights")

    def provenance() -> ColumnOrigins:
        return origins_of(declared, movements(table, [("flights/a.csv", RAW)], {}), assumed or {})

    return judge(Provenance(acknowledged=acknowledged), candidate(provenance=provenance))


def test_an_honest_declaration_raises_no_flag() -> None:
    [whole] = judged(pipeline(), {"means": 0.2})
    assert (whole.passed, whole.value) == (True, 0.0)
    assert whole.passed is True and f"{ROWS:,} raw rows" in whole.detail


# -- 1 to 4: refused when the declaration loads -----------------------------------------------------


@pytest.mark.parametrize("outcome", ["arr_delay", "landed_at"])
def test_1_2_an_outcome_and_its_clock_as_inputs_are_refused_at_load(outcome: str) -> None:
    with pytest.raises(DeclarationError, match=f"inputs contain the outcome: {outcome}"):
        pipeline(inputs=(*INPUTS, outcome))


def test_3_a_feature_of_an_outcome_is_refused_at_load() -> None:
    with pytest.raises(DeclarationError, match="reads dep_delay, which does not exist or is not allowed here"):
        pipeline(features=(Derived(late=pl.col("dep_delay") > 10),))


@pytest.mark.parametrize("known_at", [None, "sched_dep"])
def test_4_a_window_that_counts_by_departure_is_refused_at_load(known_at: str | None) -> None:
    with pytest.raises(DeclarationError, match="no known_at of its own"):
        pipeline(known_at=known_at, features=(Window("flights", by="carrier", of="arr_delay", over=("3h",)),))


# -- 5 to 9: made in `clean` of what the label is made of -------------------------------------------

GROUND = pl.col("planned") + pl.col("arr_delay") - pl.col("dep_delay") - pl.col("air")
MEAN = pl.col("arr_delay").mean()


@dataclass(frozen=True)
class Way:
    name: str
    made: pl.Expr


WAYS = [
    Way("extra", pl.col("arr_delay") * 1.5 + 3),
    Way("extra", GROUND),
    Way("note", pl.when(pl.col("arr_delay") > 30).then(pl.lit("late")).otherwise(pl.lit("as planned"))),
    Way("extra", pl.col("arr_delay").is_null().cast(pl.Float64)),
    Way("extra", MEAN.over("carrier")),
    Way("extra", MEAN.over(pl.col("sched_dep").dt.date())),
    Way("extra", MEAN),
]
IDS = ["copy", "minutes on the ground", "status", "cancelled", "carrier's month", "mean of the day", "mean of all"]


@pytest.mark.parametrize("way", WAYS, ids=IDS)
def test_5_to_9_an_input_that_is_made_of_the_label_is_named_and_blocks(way: Way) -> None:
    whole, flagged = judged(pipeline(with_(**{way.name: way.made})))
    assert (whole.passed, whole.value, flagged.slice, flagged.passed) == (False, 1.0, way.name, False)
    assert f"{way.name} moves with the raw column arr_delay, which the label is made of." in whole.detail
    assert "Provenance(acknowledged={" in whole.detail


def test_an_acknowledged_input_passes_and_the_reason_is_kept() -> None:
    leak = pipeline(with_(extra=GROUND))
    whole, flagged = judged(leak, extra="The tower tells it before the flight leaves.")
    assert (whole.passed, flagged.passed) == (True, True)
    assert "Acknowledged: The tower tells it before the flight leaves." in whole.detail
    assert judged(leak, note="Another column.")[0].passed is False


# -- 10: the clock ------------------------------------------------------------------------------------


def test_10_a_known_at_that_no_outcome_moves_is_named_and_blocks() -> None:
    declared = pipeline(with_(landed_at=pl.col("sched_dep") + pl.duration(minutes=1)))
    whole, flagged = judged(declared)
    assert (whole.passed, flagged.slice) == (False, "landed_at")
    assert "landed_at is declared as known_at, and it is made of dep" in whole.detail
    assert judged(declared, landed_at="Tracked live.")[0].passed is True


def test_a_prediction_time_that_is_made_of_the_outcome_alone_is_named_and_blocks() -> None:
    start = pl.lit("2013-01-01").str.to_datetime(time_zone="UTC")
    moved = start + pl.duration(minutes=pl.col("arr_delay").fill_null(0))
    whole, *_ = judged(pipeline(with_(sched_dep=moved)))
    assert whole.passed is False and "sched_dep moves with the raw column arr_delay" in whole.detail


def test_a_duration_is_made_of_its_start_and_that_is_no_leak() -> None:
    def clean(flights: pl.DataFrame) -> pl.DataFrame:
        took = pl.col("arr") - pl.col("dep") - pl.col("planned")
        start = pl.lit("2013-01-01").str.to_datetime(time_zone="UTC")
        landed = start + pl.duration(minutes=pl.col("arr"))
        hour = (pl.col("dep") // 60 % 24).cast(pl.Float64)
        return honest(flights).with_columns(arr_delay=took, landed_at=landed, extra=hour)

    whole, *others = judged(pipeline(clean, inputs=("carrier", "tail", "extra")))
    assert (whole.passed, others) == (True, [])


# -- 11, 12: seen in the values only: a warning ------------------------------------------------------


@pytest.mark.parametrize(
    ("inputs", "extra"),
    [(("carrier", "dep_delay"), pl.lit(0.0)), (("carrier", "extra"), pl.col("arr") - pl.col("dep") - pl.col("air"))],
    ids=["delay at departure", "minutes on the ground from the clock"],
)
def test_11_an_input_that_is_null_where_the_outcome_is_gives_a_warning(inputs: tuple[str, ...], extra: pl.Expr) -> None:
    whole, warned = judged(pipeline(with_(extra=extra), inputs))
    assert (whole.passed, warned.passed, warned.slice) == (True, True, inputs[-1])
    assert f"Warning: {inputs[-1]} is null where the outcome is (100% of its nulls)" in whole.detail


def test_12_means_of_the_year_that_landed_after_the_flights_give_a_warning() -> None:
    declared = pipeline(features=(Lookup("means", on="carrier", take=("mean",)),))
    whole, warned = judged(declared, {"means": 1.0})
    assert (whole.passed, warned.slice) == (True, "means")
    assert "100% of the examples are older than the first file of means" in whole.detail
    assert judged(declared, {"means": 1.0}, means="It has not changed since 1990.")[1].detail.startswith("Acknowledged")


def test_a_clock_that_is_always_as_far_from_the_prediction_gives_a_warning() -> None:
    after = RAW.with_columns(told=pl.col("dep") + 1)

    def clean(flights: pl.DataFrame) -> pl.DataFrame:
        start = pl.lit("2013-01-01").str.to_datetime(time_zone="UTC")
        return honest(flights).with_columns(landed_at=start + pl.duration(minutes=pl.col("told")))

    declared = pipeline(clean)
    seen = movements(declared.table("flights"), [("flights/a.csv", after)], {})
    [whole, _] = judge(Provenance(), candidate(provenance=lambda: origins_of(declared, seen, {})))
    assert whole.passed is True and "landed_at is always 0:01:00 after sched_dep" in whole.detail


# -- what no test of columns can see -----------------------------------------------------------------


def test_means_that_are_written_into_the_code_are_not_seen() -> None:
    means = dict(RAW.group_by("carrier").agg(MEAN).iter_rows())
    [whole] = judged(pipeline(with_(extra=pl.col("carrier").replace_strict(means))))
    assert whole.passed is True  # docs/use-cases.md says so


def test_without_raw_rows_nothing_is_judged_and_without_evidence_it_fails() -> None:
    declared = pipeline()
    none = movements(declared.table("flights"), [], {})
    assert judge(Provenance(), candidate(provenance=lambda: origins_of(declared, none, {})))[0].passed is None
    missing = judge(Provenance(), candidate())[0]
    assert (missing.passed, missing.measured) == (False, False)


def test_an_acknowledgement_has_a_reason_and_names_a_column() -> None:
    with pytest.raises(DeclarationError, match=r"acknowledged=\{'extra': …\} has no reason"):
        Provenance(acknowledged={"extra": " "})
    with pytest.raises(DeclarationError, match="names exrta, which is no column of the examples' table"):
        ModelPipeline(
            "flight_delay",
            tables=pipeline().tables,
            examples=pipeline().examples,
            features=(),
            trainer=LightGBM(),
            gates=(Provenance(acknowledged={"exrta": "It is known."}),),
        )
