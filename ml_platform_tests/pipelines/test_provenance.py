"""The shipped pipelines are honest: on their real rows nothing is flagged but what is acknowledged (S41)."""

from collections.abc import Mapping
from datetime import UTC, datetime

import polars as pl
import pytest

from ml_platform import ModelPipeline
from ml_platform.demo import card_payments, nyc_flights, telco_churn
from ml_platform.evaluation.gates.measuring import judge
from ml_platform.pipelines.bike_rentals import bike_rentals
from ml_platform.pipelines.card_fraud import card_fraud
from ml_platform.pipelines.churn import churn
from ml_platform.pipelines.churn_snapshot import churn_snapshot
from ml_platform.pipelines.flight_delay import airports, clean_flights, flight_delay
from ml_platform.pipelines.storm_status import storm_status
from ml_platform.spec.leak_gates import Provenance
from ml_platform.state.verdicts import Verdict
from ml_platform.steps.provenance import ROWS, origins_of
from ml_platform.validation.provenance import movements
from ml_platform_tests.evaluation.candidates import candidate

NO_TABLES: Mapping[str, pl.DataFrame] = {}


def flagged(
    pipeline: ModelPipeline, rows: pl.DataFrame, needs: Mapping[str, pl.DataFrame] = NO_TABLES
) -> list[Verdict]:
    """The verdicts of the gate as it is declared, on some of the rows as they land: text."""
    some = rows.gather_every(max(1, rows.height // ROWS)).head(ROWS).cast(pl.String)
    raw = some.select(pl.int_range(pl.len(), dtype=pl.Int64).alias("_row"), pl.all())
    seen = movements(pipeline.table(pipeline.examples.table), [("a.csv", raw)], needs)
    assert seen.sample.height > 200 and not seen.unjudged
    [gate] = [gate for gate in pipeline.all_gates if isinstance(gate, Provenance)]
    return judge(gate, candidate(provenance=lambda: origins_of(pipeline, seen, {})))


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> tuple[pl.DataFrame, dict[str, pl.DataFrame]]:
    """January's flights as text, and the airports that `clean` needs."""
    folder = nyc_flights._package_data()
    rows = nyc_flights._flights(folder, tmp_path_factory.mktemp("flights"))
    known = airports.source.with_nulls(nyc_flights._text(folder / "airports.csv")).select("faa", "tzone")
    return rows.filter(pl.col("month") == "1"), {"airports": known}


def test_flight_delay(flights: tuple[pl.DataFrame, dict[str, pl.DataFrame]]) -> None:
    rows, needs = flights
    [whole] = flagged(flight_delay, rows, needs)
    assert (whole.passed, whole.value) == (True, 0.0)


def test_flight_delay_with_minutes_on_the_ground_is_flagged(
    flights: tuple[pl.DataFrame, dict[str, pl.DataFrame]],
) -> None:
    from dataclasses import replace

    def leaking(flights: pl.DataFrame, airports: pl.DataFrame) -> pl.DataFrame:
        made = clean_flights(flights, airports)
        delays = pl.col("arr_delay").cast(pl.Float64) - pl.col("dep_delay").cast(pl.Float64)
        planned = (pl.col("sched_arr") - pl.col("sched_dep")).dt.total_minutes()
        return made.with_columns(distance=planned + delays - pl.col("air_time").cast(pl.Float64))

    rows, needs = flights
    table = replace(flight_delay.tables[0], clean=leaking)
    whole, verdict = flagged(replace(flight_delay, tables=(table, *flight_delay.tables[1:])), rows, needs)
    assert (whole.passed, verdict.slice) == (False, "distance")
    assert "distance moves with the raw column arr_delay" in whole.detail


def test_bike_rentals_acknowledge_when_an_hour_is_counted(hours: pl.DataFrame) -> None:
    whole, clock = flagged(bike_rentals, hours)
    assert (whole.passed, clock.slice) == (True, "counted_at")
    assert "Acknowledged: The rentals of an hour are counted when the hour is over." in whole.detail


def test_storm_status(storms: pl.DataFrame) -> None:
    assert [verdict.passed for verdict in flagged(storm_status, storms)] == [True]


def test_churn_from_one_snapshot(customers: pl.DataFrame) -> None:
    assert [verdict.passed for verdict in flagged(churn_snapshot, customers)] == [True]


def test_churn_week_by_week_acknowledges_when_a_customer_is_settled(customers: pl.DataFrame) -> None:
    whole, clock = flagged(churn, telco_churn.looked_at(customers))
    assert (whole.passed, clock.slice) == (True, "settled_at")
    assert clock.detail.startswith("Acknowledged: ") and "always 14 days, 0:00:00 after taken_at" in clock.detail


def test_card_fraud() -> None:
    _, payments, _ = card_payments.generated(datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 3, tzinfo=UTC))
    assert [verdict.passed for verdict in flagged(card_fraud, payments)] == [True]
