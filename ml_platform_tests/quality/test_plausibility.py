"""Plausibility on a first load: values that cannot be are noticed without any history, by bounds that are declared."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import dataframely as dy
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.errors import DeclarationError
from ml_platform.pipelines.flight_delay import flights
from ml_platform.quality.plausibility import judged, run_checks
from ml_platform.sources.raw_columns import ROW
from ml_platform.spec.partitions import Monthly
from ml_platform.spec.plausibility import Plausible
from ml_platform.spec.sources import Files
from ml_platform.spec.tables import Table
from ml_platform.validation.judging import RULE_HOLDS
from ml_platform.validation.screening import screen
from ml_platform_tests.examples import tries
from ml_platform_tests.ingestion_sandbox import IngestionSandbox, readings
from ml_platform_tests.quality import flight_profiles
from ml_platform_tests.quality.injected_faults import number, text
from ml_platform_tests.quality.test_checks import checked
from ml_platform_tests.validation.test_versions import HEAD, reading

VALUES = st.one_of(st.none(), st.just(math.nan), st.floats(-20, 20))


class Trip(dy.Schema):
    """One trip."""

    trip = dy.Int64(primary_key=True)
    km = dy.Float64(nullable=True)
    began = dy.Datetime(time_zone="UTC")
    ended = dy.Datetime(time_zone="UTC", nullable=True)


@settings(deadline=None, max_examples=tries(80))
@given(
    st.lists(VALUES, max_size=30),
    st.one_of(st.none(), st.integers(-10, 0)),
    st.integers(0, 10),
    st.sampled_from([0.0, 0.1, 0.5]),
)
def test_the_share_outside_is_that_of_a_count_by_hand(
    values: list[float | None], low: int | None, high: int, at_most: float
) -> None:
    rule = Plausible("size", pl.col("value"), low=low, high=high, at_most=at_most)
    result = judged(rule, pl.DataFrame({"value": values}, schema={"value": pl.Float64}))
    there = [value for value in values if value is not None and not math.isnan(value)]
    outside = [value for value in there if (low is not None and value < low) or value > high]
    share = len(outside) / len(there) if there else 0.0
    assert (result.value, result.passed, result.threshold) == (share, share <= at_most, at_most)
    assert result.metadata["rows without a value"] == len(values) - len(there)


def test_a_first_partition_fails_by_its_rule_with_value_threshold_and_examples(sandbox: IngestionSandbox) -> None:
    hour = Plausible("hour", pl.col("at").dt.convert_time_zone("Asia/Tokyo").dt.hour(), low=8, high=18, severity="warn")
    value = Plausible("celsius", pl.col("value"), high=40, at_most=0.25)
    table = readings(plausible=[value, hour])
    sandbox.put("readings/a.csv", HEAD + "".join(reading(d, 90 if d <= 7 else 20) for d in range(1, 21)))
    sandbox.run(table)
    results = checked(sandbox, table, "2013-01")
    failed = results["plausible_celsius"]
    assert (failed.passed, failed.severity, failed.value, failed.threshold) == (False, "error", 0.35, 0.25)
    assert "7 of 20 rows (35.00%) have celsius outside up to 40" in failed.description
    assert failed.metadata["examples"][0]["value"] == "90.0" and "sensor" in failed.metadata["examples"][0]
    assert results["plausible_hour"].severity == "warn"


def test_rows_that_come_in_batches_are_judged_as_those_that_come_at_once(sandbox: IngestionSandbox) -> None:
    rule = Plausible("celsius", pl.col("value"), low=-10, high=20, at_most=0.25)
    table = readings(plausible=[rule])
    sandbox.put("readings/a.csv", HEAD + "".join(reading(d, (d * 37) % 101 - 40) for d in range(1, 29)))
    sandbox.run(table)
    lake = sandbox.stores.lake
    names = ", ".join(f'"{name}"' for name in dict.fromkeys([*table.key, "value"]))
    at_once = judged(rule, lake.frame(f"SELECT {names} FROM validated.readings ORDER BY _row DESC"), table.key)
    assert at_once.metadata["rows judged"] == 28 and len(at_once.metadata["examples"]) == 10
    rows_of = lake.stream

    def by_fives(sql: str, parameters: Sequence[str] | None = None) -> pa.RecordBatchReader:
        stored = rows_of(sql, parameters).read_all()
        return pa.RecordBatchReader.from_batches(stored.schema, stored.to_batches(5))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(lake, "stream", by_fives)
        assert run_checks(lake, table, "2013-01") == [at_once]
    assert run_checks(lake, table, "2013-01") == [at_once]
    (empty,) = run_checks(lake, table, "2013-02")
    assert empty.passed and empty.description == "No row has a value of celsius."


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (lambda: Plausible("speed", pl.col("km")), "low= and high= are missing"),
        (lambda: Plausible("speed", pl.col("km"), low=2, high=1), "low=2 is above high=1"),
        (lambda: Plausible("Speed", pl.col("km"), low=2), "not a valid name"),
        (lambda: Plausible("speed", pl.col("km").mean(), low=2), "looks at other rows"),
        (lambda: Plausible("speed", pl.col("km"), low=2, at_most=1), "at_most"),
        (lambda: _trips(Plausible("speed", pl.col("miles"), low=2)), "reads miles"),
        (lambda: _trips(Plausible("span", pl.col("ended") - pl.col("began"), low=2)), "Duration"),
        (lambda: _trips(*[Plausible("speed", pl.col("km"), low=2)] * 2), "two rules are called 'speed'"),
        (lambda: replace(_trips(), identifiers=("car",)), "identifiers= names car"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_checked_is_refused_at_load(rule: Callable[[], object], said: str) -> None:
    with pytest.raises(DeclarationError, match=said):
        rule()


def _trips(*rules: Plausible) -> Table:
    return Table("trips", Files("trips/*.csv"), Trip, event_time="began", plausible=rules)


FAULTS: dict[str, tuple[str, Callable[[pl.DataFrame], pl.DataFrame]]] = {
    "local hours taken for UTC": (
        "plausible_departure_hour",
        lambda rows: rows.with_columns(
            time_hour=(pl.col("time_hour").str.to_datetime(time_zone="UTC") - pl.duration(hours=5)).dt.strftime(
                "%Y-%m-%dT%H:%M:%SZ"
            )
        ),
    ),
    "kilometres": (
        "plausible_planned_mph",
        lambda rows: rows.with_columns(distance=text(number("distance") * 1.609344)),
    ),
    "arrival in minutes of the day": (
        "plausible_planned_minutes",
        lambda rows: rows.with_columns(sched_arr_time=text((number("sched_arr_time") * 0.6).cast(pl.Int64))),
    ),
}


def _failed(rows: pl.DataFrame) -> list[str]:
    numbered = rows.with_row_index(ROW, 1).cast({ROW: pl.Int64})
    screened = screen(flights, numbered, "file", flight_profiles.needed(), Monthly("2013-01", "2014-01"))
    valid = screened.frame.filter(RULE_HOLDS)
    assert valid.height > 0.9 * rows.height, "the contract alone lets them through"
    results = [judged(rule, valid, flights.key) for rule in flights.plausible]
    return [result.name for result in results if not result.passed]


@pytest.mark.parametrize("month", ["2013-01", "2013-07", "2013-11"])
def test_real_flights_are_plausible(month: str) -> None:
    assert _failed(flight_profiles.file(month)) == []


@pytest.mark.parametrize(("check", "fault"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_in_the_first_month_of_flights_is_noticed(
    check: str, fault: Callable[[pl.DataFrame], pl.DataFrame]
) -> None:
    assert check in _failed(fault(flight_profiles.file("2013-01")))


@pytest.mark.parametrize("identifiers", [(), ("value",)])
def test_the_spread_of_an_identifier_is_not_judged(sandbox: IngestionSandbox, identifiers: tuple[str, ...]) -> None:
    table = readings(identifiers=identifiers)
    for month, factor in ((1, 0.01), (2, 1.0)):
        rows = [f"s{n % 3},2013-{month:02}-{n // 3 + 1:02}T10:00:00Z,{n * factor}\n" for n in range(84)]
        sandbox.put(f"readings/{month}.csv", HEAD + "".join(rows))
    sandbox.run(table)
    assert checked(sandbox, table, "2013-02")["units"].passed == bool(identifiers)


def test_flight_numbers_are_identifiers() -> None:
    assert flights.identifiers == ("flight",)
