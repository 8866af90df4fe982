"""The doctor finds what is wrong, says how to mend it, and fails when something is bad."""

import json
from pathlib import Path

import pytest

from ml_platform.lake.connection import Lake
from ml_platform.lake.transaction import Author, write
from ml_platform.settings import Settings
from ml_platform_tests.cli.terminal import invoke, invoke_json


def finding(name: str) -> dict[str, str]:
    """The first finding of that name, whatever the exit code."""
    return next(found for found in json.loads(invoke("doctor", "--json").stdout) if found["name"] == name)


def test_a_sound_platform_has_nothing_bad(shared_platform: Path) -> None:
    states = {found["name"]: found["state"] for found in invoke_json("doctor")}
    assert states["lake"] == states["data files"] == states["champion"] == states["versions"] == "ok"
    assert "bad" not in states.values()


def test_a_lost_data_file_is_named(platform: Path) -> None:
    victim = next((platform / "lake" / "tables" / "trip_delay" / "features").rglob("*.parquet"))
    victim.unlink()
    assert invoke("doctor").exit_code == 1
    found = finding("data files")
    assert found["state"] == "bad" and "trip_delay.features" in found["detail"] and "run" in found["remedy"]


def test_a_champion_whose_bundle_is_damaged_is_named(platform: Path) -> None:
    champion = next(row for row in invoke_json("models", "trip_delay") if row["serves"])
    (platform / "artifacts" / champion["bundle"][:2] / champion["bundle"]).write_bytes(b"rust")
    assert finding("champion")["state"] == "bad" and champion["version"] in finding("champion")["detail"]


def test_libraries_that_changed_since_the_last_training_are_named(platform: Path) -> None:
    with Lake(Settings(data=platform)) as lake, write(lake, Author("test")) as tx:
        tx.execute("""UPDATE registry.versions SET environment = replace(environment, '"polars": "', '"polars": "0')""")
    assert finding("versions")["state"] == "warn" and "polars was 0" in finding("versions")["detail"]


def test_a_catalog_that_is_no_database_is_bad_and_only_that(data_folder: Path) -> None:
    (data_folder / "lake").mkdir(parents=True)
    (data_folder / "lake" / "catalog.sqlite").write_bytes(b"rust" * 2000)
    assert finding("lake")["state"] == "bad" and "catalog.sqlite" in finding("lake")["remedy"]
    assert finding("declarations")["state"] == "ok"


def test_a_folder_that_cannot_be_written_is_bad(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data_folder.write_text("a file where a folder should be")
    assert finding("landing folder")["state"] == "bad" and "ML_PLATFORM_DATA" in finding("landing folder")["remedy"]


@pytest.mark.parametrize(("home", "state"), [("", "warn"), ("/nowhere/at/all", "bad"), ("relative", "bad")])
def test_a_home_of_dagster_that_does_not_serve_is_named(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch, home: str, state: str
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", home)
    assert finding("DAGSTER_HOME")["state"] == state


def test_the_kind_of_catalog_is_told_without_its_secret(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_PLATFORM_CATALOG", "postgresql://me:hunter2@127.0.0.1:1/lake")
    shown = invoke("doctor").output
    assert "PostgreSQL" in shown and "hunter2" not in shown
