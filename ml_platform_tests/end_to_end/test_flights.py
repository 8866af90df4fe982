"""From landed files to predictions on real data; the counts are those of the package's own files."""

import json

import polars as pl
import pytest

from ml_platform.discovery import find
from ml_platform.state import ledger, verdicts, versions
from ml_platform.state.results import ChampionResult
from ml_platform.training.reproduction import reproduce
from ml_platform.views.status import months
from ml_platform_tests.orchestration.dagster_platform import Platform

RAW_FLIGHTS = {"2013-01": 27_004, "2013-02": 24_951}
VALID_FLIGHTS = {"2013-01": 26_865, "2013-02": 24_936}  # by scheduled departure in UTC, not in New York


def test_every_landed_row_is_taken_in(flights: Platform) -> None:
    lake = flights.ws.lake
    rows = dict(lake.rows('SELECT "table", sum(rows) FROM lineage.files GROUP BY ALL'))
    assert rows["flights"] == sum(RAW_FLIGHTS.values())
    assert (rows["planes"], rows["airports"]) == (3_322, 1_458)
    files = lake.rows("SELECT path, rows FROM lineage.files WHERE \"table\" = 'flights' ORDER BY path")
    assert files == [(f"flights/flights_{month}.csv", count) for month, count in RAW_FLIGHTS.items()]


def test_months_are_cut_in_utc_and_no_flight_is_lost(flights: Platform) -> None:
    landed = pl.concat(
        [
            pl.read_csv(file, columns=["time_hour", "minute"], infer_schema=False)
            for file in sorted((flights.settings.landing / "flights").glob("*.csv"))
        ]
    )
    minutes = pl.duration(minutes=pl.col("minute").cast(pl.Int64))
    departs = pl.col("time_hour").str.to_datetime(time_zone="UTC") + minutes
    expected = dict(landed.group_by(departs.dt.strftime("%Y-%m")).len().rows())
    counted = dict(flights.ws.lake.rows("SELECT _partition, count(*) FROM validated.flights GROUP BY ALL"))
    assert counted == VALID_FLIGHTS
    assert {month: expected[month] for month in VALID_FLIGHTS} == VALID_FLIGHTS
    assert sum(expected.values()) == sum(RAW_FLIGHTS.values()), "the rest departs in March, in UTC"


def test_the_one_impossible_wind_is_in_quarantine_with_its_reason(flights: Platform) -> None:
    refused = flights.ws.lake.rows("SELECT rule, reason, row, _partition FROM quarantine.weather")
    assert len(refused) == 1
    rule, reason, row, month = refused[0]
    assert "wind_speed" in rule and "wind_speed" in reason
    assert 1_048 < float(json.loads(row)["wind_speed"]) < 1_049
    assert month == "2013-02"
    for table in ("flights", "planes", "airports"):
        assert flights.ws.lake.value(f"SELECT count(*) FROM quarantine.{table}") == 0, table


def test_each_month_ends_with_a_champion_or_the_reasons_why_not(flights: Platform) -> None:
    declared = find("flight_delay")
    for row in months(flights.ws, declared):
        record = ledger.latest(flights.ws.state, "flight_delay/champion")["flight_delay/champion", row["partition"]]
        result, shown = record.result_as(ChampionResult), ledger.details(flights.ws.state, record.id).display
        assert result.candidate is not None
        assert shown["candidate"] == f"flight_delay@{result.candidate}"
        judged = verdicts.of(flights.ws.state, "flight_delay", result.candidate)
        failed = {v.gate for v in judged if v.outcome == "failed" and not v.slice}
        if row["outcome"] == "promoted":
            assert failed == set() and result.champion == result.candidate
            assert shown["champion"] == shown["candidate"]
        else:
            assert failed and all(gate in shown["reason"] for gate in failed)
    assert [row["partition"] for row in months(flights.ws, declared)] == list(VALID_FLIGHTS)
    assert [row["rows"] for row in months(flights.ws, declared)] == list(VALID_FLIGHTS.values())
    assert row["champion"] == "flight_delay@2", "two months are enough for every gate"


def test_the_model_is_as_good_as_it_can_be_and_not_better(flights: Platform) -> None:
    scores = [v.metrics["holdout"]["roc_auc"] for v in versions.versions(flights.ws.state, "flight_delay")]
    assert all(0.68 < score < 0.80 for score in scores), scores


@pytest.mark.parametrize("number", [1, 2])
def test_what_serving_would_see_has_the_same_bits_S13(flights: Platform, number: int) -> None:
    found = {v.metric: v for v in verdicts.of(flights.ws.state, "flight_delay", number)}
    assert (found["differing"].value, found["differing"].rows) == (0.0, 2_000)
    assert found["identical"].passed


def test_a_version_is_made_again_to_the_byte(flights: Platform) -> None:
    version = versions.version(flights.ws.state, "flight_delay", 2)
    made = reproduce(flights.ws.blobs, version.training_set, version.bundle)
    assert made.identical and made.expected == made.actual, made.detail


def test_a_second_run_launches_nothing_S32(flights: Platform) -> None:
    assert flights.run("flight_delay", "2013-02") == []
