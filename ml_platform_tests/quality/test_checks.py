"""Checks, profile and quarantine of a validated table."""

import json

import dataframely as dy
import polars as pl

from ml_platform.quality.checks import CheckResult, Reference, check_names, run_checks
from ml_platform.spec.tables import Table
from ml_platform.validation import quarantine
from ml_platform_tests.ingestion_sandbox import MONTHS, IngestionSandbox, customers, readings
from ml_platform_tests.validation.test_versions import HEAD, reading


def checked(sandbox: IngestionSandbox, table: Table, partition: str, *references: Reference) -> dict[str, CheckResult]:
    result = run_checks(sandbox.stores, table, partition, references, MONTHS if table.event_time else None)
    assert [check.name for check in result] == [name for name, _ in check_names(table)]
    return {check.name: check for check in result}


def test_a_good_partition_passes_every_check(sandbox: IngestionSandbox) -> None:
    table = readings()
    sandbox.put("readings/a.csv", HEAD + "".join(reading(d, d) for d in range(1, 29)))
    sandbox.run(table)
    assert all(check.passed for check in checked(sandbox, table, "2013-01").values())


def test_refused_files_fail_the_schema_check_and_extra_columns_warn(sandbox: IngestionSandbox) -> None:
    table = customers()
    sandbox.put("customers/a.csv", "id,name,note\n1,Ada,x\n")
    sandbox.run(table)
    result = checked(sandbox, table, "all")["schema"]
    assert (result.passed, result.severity) == (False, "warn") and "customers/a.csv: note" in result.description
    sandbox.put("customers/b.csv", "id\n1\n")
    sandbox.run(table)
    result = checked(sandbox, table, "all")["schema"]
    assert (result.passed, result.severity, result.value) == (False, "error", 1)
    assert "customers/b.csv (the header): contracted columns are missing: name" in result.description


def test_a_file_that_clean_refuses_fails_the_schema_check_until_it_is_mended(sandbox: IngestionSandbox) -> None:
    def clean(raw: pl.DataFrame) -> pl.DataFrame:
        return raw.with_columns(pl.col("value").cast(pl.Float64))

    table = readings(clean=clean)
    sandbox.put("readings/a.csv", HEAD + reading(1, "one"))
    sandbox.put("readings/b.csv", HEAD + reading(2, 2))
    sandbox.run(table)
    result = checked(sandbox, table, "2013-01")["schema"]
    assert not result.passed and "readings/a.csv" in result.description and "clean raised" in result.description
    sandbox.put("readings/a.csv", HEAD + reading(1, 1))
    sandbox.run(table)
    assert checked(sandbox, table, "2013-01")["schema"].passed


def test_too_much_quarantine_and_too_few_rows_are_told_with_their_shares(sandbox: IngestionSandbox) -> None:
    table = readings()
    sandbox.put("readings/1.csv", HEAD + "".join(reading(d, d) for d in range(1, 21)))
    sandbox.put("readings/2.csv", HEAD + "".join(reading(d, d if d > 1 else 900, month=2) for d in range(1, 11)))
    sandbox.put("readings/3.csv", HEAD + reading(1, 1, month=3))
    sandbox.run(table)
    share = checked(sandbox, table, "2013-02")["quarantine_share"]
    assert (share.passed, share.value, share.threshold) == (False, 0.1, 0.05)
    assert "1 of 10 rows" in share.description and "at most 5% are allowed" in share.description
    assert "The rule broken most often is value|max, by 1 of them." in share.description
    volume = checked(sandbox, table, "2013-03")["volume"]
    assert (volume.passed, volume.severity) == (False, "warn")
    assert volume.description == "0.03226 rows a day (1 in all); 0.4833 are usual, 0.3792 to 0.616 are allowed."
    sandbox.build(table, "2013-05")
    empty = checked(sandbox, table, "2013-05")["volume"]
    assert (empty.passed, empty.severity) == (False, "error") and "no rows in 2013-05" in empty.description


def test_a_key_in_two_partitions_fails_the_keys_check_in_both(sandbox: IngestionSandbox) -> None:
    class Seen(dy.Schema):
        sensor = dy.String(primary_key=True)
        at = dy.Datetime(time_zone="UTC")

    table = readings(contract=Seen)
    sandbox.put("readings/1.csv", "sensor,at\na,2013-01-01T00:00:00Z\nb,2013-01-01T00:00:00Z\n")
    sandbox.put("readings/2.csv", "sensor,at\na,2013-02-01T00:00:00Z\nc,2013-03-01T00:00:00Z\n")
    sandbox.run(table)
    for partition, passed in (("2013-01", False), ("2013-02", False), ("2013-03", True)):
        result = checked(sandbox, table, partition)["keys"]
        assert result.passed is passed
    assert "2013-01, 2013-02" in checked(sandbox, table, "2013-01")["keys"].description


def test_references_count_rows_whose_key_is_unknown(sandbox: IngestionSandbox) -> None:
    people, table = customers(), readings()
    points = Reference("customers", {"sensor": "name"})
    sandbox.put("readings/a.csv", HEAD + reading(1, 1, "Ada") + reading(1, 2, "Grace"))
    sandbox.run(table)
    assert checked(sandbox, table, "2013-01", points)["references"].passed  # not there yet: nothing to judge
    sandbox.put("customers/c.csv", "id,name\n1,Ada\n")
    sandbox.run(people)
    result = checked(sandbox, table, "2013-01", points)["references"]
    assert (result.passed, result.severity, result.value) == (False, "warn", 0.5)
    assert "sensor → customers: 1 of 2 rows" in result.description and "25% are allowed" in result.description


def test_the_profile_describes_every_column_of_the_current_rows(sandbox: IngestionSandbox) -> None:
    table = readings()
    sandbox.put("readings/a.csv", HEAD + "".join(reading(d, d, "ab"[d % 2]) for d in range(1, 6)) + reading(6, "NA"))
    for _ in range(2):
        sandbox.run(table)
        result = sandbox.lake.frame("SELECT * FROM platform.profiles ORDER BY column_name")
        assert result["column_name"].to_list() == ["at", "sensor", "value"]
        sandbox.put("readings/b.csv", HEAD + reading(2, 2, "a"))  # a duplicate: a new key, the same rows
    at, sensor, value = result.to_dicts()
    assert (value["rows"], value["nulls"], value["distinct"], value["min"], value["max"]) == (6, 1, 5, "1.0", "5.0")
    assert (value["mean"], value["q50"], value["q25"]) == (3.0, 3.0, 2.0)
    assert json.loads(sensor["levels"]) == {"a": 3, "b": 3}
    assert (at["type"], at["min"][:10]) == ("Datetime(time_unit='us', time_zone='UTC')", "2013-01-01")


def test_a_mended_rule_lets_quarantined_rows_in(sandbox: IngestionSandbox) -> None:
    class Wider(dy.Schema):
        sensor = dy.String(primary_key=True)
        at = dy.Datetime(primary_key=True, time_zone="UTC")
        value = dy.Float64(nullable=True, min=-50, max=1000)

    table, mended = readings(), readings(contract=Wider)
    sandbox.put("readings/1.csv", HEAD + reading(1, 1) + reading(2, 900) + reading(3, 5000))
    sandbox.put("readings/2.csv", HEAD + reading(1, 1, month=2) + reading(2, "x", month=2))
    sandbox.run(table)
    rejected = [(c.partition, c.rule, c.rows) for c in quarantine.counts(sandbox.lake, table)]
    assert rejected == [("2013-01", "value|max", 2), ("2013-02", "value|dtype", 1)]
    [row] = quarantine.rows(sandbox.stores, table, rule="value|dtype")
    assert (row["file"], row["row"], json.loads(row["raw"])["value"]) == ("readings/2.csv", 1, "x")
    assert quarantine.replay(sandbox.stores, table, MONTHS).stale == []
    replay = quarantine.replay(sandbox.stores, mended, MONTHS)
    assert (replay.stale, replay.passing, replay.still) == (["2013-01", "2013-02"], 1, 2)
    before = sandbox.quarantine(table)["rule_version"].unique()
    sandbox.check_nothing_lost(mended, sandbox.run(mended))
    assert [c.rows for c in quarantine.counts(sandbox.lake, mended)] == [1, 1]
    assert sandbox.validated(mended)["value"].to_list() == [1.0, 900.0, 1.0]
    assert set(before).isdisjoint(sandbox.quarantine(mended)["rule_version"])


def test_nothing_in_quarantine_is_no_error(sandbox: IngestionSandbox) -> None:
    table = customers()
    assert quarantine.counts(sandbox.lake, table) == [] and quarantine.rows(sandbox.stores, table) == []
    assert quarantine.replay(sandbox.stores, table, None).passing == 0
