"""Checks against history in a real lake: what is compared with what, and what becomes of older profiles."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from ml_platform import Hourly
from ml_platform.lake.blobs import Blobs
from ml_platform.lake.transaction import Author, write
from ml_platform.quality.checks import run_checks
from ml_platform.quality.history import history
from ml_platform.quality.profile import PROFILE_VERSION
from ml_platform.spec.tables import Table
from ml_platform.validation.validated import build_validated
from ml_platform_tests.ingestion_sandbox import MONTHS, IngestionSandbox, customers, readings, utc
from ml_platform_tests.quality.test_checks import checked
from ml_platform_tests.validation.test_versions import HEAD

NEW = (
    "version",
    "nans",
    "most_common",
    "forms",
    "hours",
    "days",
)  # columns that a lake of 0.1.0's first profiles lacks


def month(number: int, value: float = 0.0, hours: int = 60) -> list[str]:
    """Readings of a sensor every 10 hours; the values wave about `value`."""
    start = datetime(2013, number, 1, tzinfo=UTC)
    return [f"a,{start + timedelta(hours=10 * n):%Y-%m-%dT%H:%M:%SZ},{value + n % 7}\n" for n in range(hours)]


def fill(sandbox: IngestionSandbox, table: Table, *months: int) -> None:
    for number in months:
        sandbox.land(
            table, f"readings/{number}.csv", HEAD + "".join(month(number)), utc(f"2013-{number + 1:02}-01T06:00")
        )
    sandbox.run(table)


def profiles(sandbox: IngestionSandbox) -> pl.DataFrame:
    result = sandbox.lake.frame("SELECT * FROM platform.profiles ORDER BY table_name, partition, column_name")
    return result.select(sorted(result.columns))


def test_the_first_partition_has_nothing_to_be_compared_with(sandbox: IngestionSandbox) -> None:
    table = readings()
    fill(sandbox, table, 1)
    result = checked(sandbox, table, "2013-01")
    assert result["units"].passed and result["units"].description == "There is no history yet to compare with."


def test_a_fault_is_told_with_its_table_and_its_picture(sandbox: IngestionSandbox) -> None:
    table = readings()
    fill(sandbox, table, 1, 2)
    sandbox.put("readings/3.csv", HEAD + "".join(month(3, value=60)))
    sandbox.run(table)
    result = checked(sandbox, table, "2013-03")["shift"]
    assert (result.passed, result.severity) == (False, "warn")
    assert result.description.startswith("value: mean 62.9 and quartiles 61, 63, 65 of ")
    assert result.metadata["history"] == "2 earlier partitions, 2013-01 to 2013-02"
    [row] = result.metadata["columns"]
    assert (row["column"], row["before"], row["passed"]) == ("value", "2.9 (1, 3, 5)", False)
    assert row["moved"] == result.value and row["may"] == result.threshold
    picture = Blobs(sandbox.stores.settings).get(result.metadata["picture"]["picture"]).read_bytes()
    assert picture.startswith(b"<svg") and b"value: mean" in picture


def test_checking_again_finds_the_same_and_writes_nothing(sandbox: IngestionSandbox) -> None:
    table = readings()
    fill(sandbox, table, 1, 2, 3)
    first = checked(sandbox, table, "2013-03")
    snapshot = sandbox.lake.value("SELECT max(snapshot_id) FROM ducklake_snapshots('lake')")
    assert checked(sandbox, table, "2013-03") == first
    assert sandbox.lake.value("SELECT max(snapshot_id) FROM ducklake_snapshots('lake')") == snapshot


def test_later_partitions_are_no_history(sandbox: IngestionSandbox) -> None:
    table = readings()
    fill(sandbox, table, 1, 2, 3)
    assert [p.partition for p in history(sandbox.stores, table, MONTHS, "2013-02").earlier] == ["2013-01"]


def test_a_corrected_partition_is_history_as_it_stands_now(sandbox: IngestionSandbox) -> None:
    table = readings()
    fill(sandbox, table, 1, 2)
    sandbox.put("readings/1.csv", HEAD + "".join(month(1, value=50)))
    sandbox.run(table)
    [january] = history(sandbox.stores, table, MONTHS, "2013-02").earlier
    assert january.columns["value"].quantiles[2] == 53
    assert january.arrived == utc("2013-02-01T06:00"), "a correction does not make its partition late"


def test_the_history_of_a_table_without_partitions_are_its_earlier_contents(sandbox: IngestionSandbox) -> None:
    table = customers()
    names = [f"{'ABC'[number % 3]}da" for number in range(90)]

    def put(names: list[str]) -> None:
        sandbox.put("customers/c.csv", "id,name\n" + "".join(f"{i},{name}\n" for i, name in enumerate(names)))
        sandbox.run(table)

    put(names)
    assert checked(sandbox, table, "all")["levels"].description == "There is no history yet to compare with."
    put([name.lower() for name in names])
    result = checked(sandbox, table, "all")["levels"]
    assert (result.passed, result.severity) == (False, "error")
    assert result.metadata["history"] == "1 earlier version of the table"
    put(names)
    assert checked(sandbox, table, "all")["levels"].passed, "what stood before is no news"


def test_rows_that_came_before_are_counted_however_they_were_refused(sandbox: IngestionSandbox) -> None:
    table = readings()
    fill(sandbox, table, 1, 2)
    march = month(3)
    sandbox.put("readings/3.csv", HEAD + "".join(march) + "".join(march[:5]))
    sandbox.put("readings/3_again.csv", HEAD + "".join(line.replace("\n", "5\n") for line in march[10:15]))
    sandbox.run(table)
    result = checked(sandbox, table, "2013-03")["repeats"]
    assert (result.passed, result.severity, result.threshold) == (False, "warn", 0.01)
    assert result.description.startswith("10 of 70 rows (14.29%) repeat earlier ones; 0.00% are usual, ")


@pytest.mark.parametrize(
    ("arrived", "hours", "passed"),
    [("2013-04-01T06:00", 60, True), ("2013-04-03T06:00", 60, True), ("2013-04-20T06:00", 60, False)],
    ids=["on time", "two days late", "much too late"],
)
def test_freshness_is_judged_by_arrival_and_newest_row_never_by_the_clock(
    sandbox: IngestionSandbox, arrived: str, hours: int, passed: bool
) -> None:
    table = readings()
    fill(sandbox, table, 1, 2)
    sandbox.land(table, "readings/3.csv", HEAD + "".join(month(3, hours=hours)), utc(arrived))
    sandbox.run(table)
    result = checked(sandbox, table, "2013-03")["freshness"]
    assert result.passed is passed and "The newest row was" in result.description


def test_a_lake_of_older_code_is_profiled_again_once(sandbox: IngestionSandbox) -> None:
    table = readings()
    fill(sandbox, table, 1, 2, 3)
    expected, result = profiles(sandbox), checked(sandbox, table, "2013-03")
    with write(sandbox.lake, Author("test")) as tx:
        for name in NEW:
            tx.execute(f"ALTER TABLE platform.profiles DROP COLUMN {name}")
    assert set(profiles(sandbox).columns).isdisjoint(NEW)
    assert checked(sandbox, table, "2013-03") == result
    assert profiles(sandbox).equals(expected)
    assert set(expected["version"]) == {PROFILE_VERSION}
    snapshot = sandbox.lake.value("SELECT max(snapshot_id) FROM ducklake_snapshots('lake')")
    assert checked(sandbox, table, "2013-03") == result
    assert sandbox.lake.value("SELECT max(snapshot_id) FROM ducklake_snapshots('lake')") == snapshot


def test_a_partition_without_rows_fails_its_volume_alone(sandbox: IngestionSandbox) -> None:
    table = readings()
    fill(sandbox, table, 1)
    sandbox.build(table, "2013-02")
    result = checked(sandbox, table, "2013-02")
    assert (result["volume"].passed, result["volume"].severity) == (False, "error")
    assert all(check.passed for name, check in result.items() if name != "volume")


def test_an_hour_is_compared_with_the_same_hour_of_earlier_days(sandbox: IngestionSandbox) -> None:
    table, slices = readings(), Hourly("2013-01-01T00", until="2013-02-01T00")
    rows = [  # busy by day, quiet at night, and nothing at 3 o'clock
        f"a,{datetime(2013, 1, day, hour, minute, tzinfo=UTC):%Y-%m-%dT%H:%M:%SZ},{(minute + hour) % 7}\n"
        for day in range(1, 6)
        for hour in range(24)
        for minute in range(60 if 8 <= hour < 20 else 6 if hour != 3 else 0)
    ]
    sandbox.put("readings/days.csv", HEAD + "".join(rows))
    sandbox.ingest(table)
    for key in slices.keys("2013-01-05T12"):
        if key[-2:] not in ("12", "06", "03"):
            continue
        build_validated(sandbox.stores, table, slices, key, Author("validated/readings", key))
    seen = history(sandbox.stores, table, slices, "2013-01-05T12")
    assert [p.partition for p in seen.earlier] == [f"2013-01-0{day}T12" for day in range(1, 5)]
    for hour in ("12", "06", "03"):
        result = run_checks(sandbox.stores, table, f"2013-01-05T{hour}", (), slices)
        assert [check.description for check in result if not check.passed] == []
    assert "which is usual" in next(c.description for c in result if c.name == "volume")
    assert "rows_by_day" not in {c.name for c in result}
