"""The commands backup and restore: figures, exit codes, and a platform that goes on afterwards."""

import json
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from ml_platform.lake.backup_store import BackupStore
from ml_platform.settings import Settings
from ml_platform_tests.cli.terminal import invoke, invoke_json
from ml_platform_tests.runtime.platforms import numbers, opened, put


@pytest.fixture
def small(data_folder: Path, empty_lake: Path) -> Settings:
    """A closed platform with two numbers, which the environment names."""
    shutil.copytree(empty_lake, data_folder / "lake")
    settings = Settings(data=data_folder, threads=1)
    with closing(opened(settings)) as workspace:
        put(workspace, 1)
        put(workspace, 2)
    return settings


def test_backup_wipe_restore(small: Settings, tmp_path: Path) -> None:
    folder = str(tmp_path / "backups")
    made = invoke_json("backup", folder)
    assert (made["files"], made["new_files"], made["lost"]) == (8, 8, [])
    (listed,) = invoke_json("restore", folder, "--list")
    assert (listed["backup"], listed["files"], listed["lost"]) == (made["backup"], 8, 0)
    checked = invoke_json("restore", folder, "--check")
    assert (checked["backup"], checked["damaged"]) == (made["backup"], [])
    shutil.rmtree(small.data)
    restored = invoke_json("restore", folder)
    assert (restored["backup"], restored["copied"], restored["set_aside"]) == (made["backup"], 8, "")
    assert numbers(small) == [1, 2]


def test_older_backups_are_removed_when_that_is_asked_for(small: Settings, tmp_path: Path) -> None:
    folder = str(tmp_path / "backups")
    first = invoke_json("backup", folder)
    assert first["removed"] == []
    with closing(opened(small)) as workspace:
        put(workspace, 3)
    second = invoke_json("backup", folder, "--keep", "1")
    assert (second["removed"], second["removed_files"]) == ([first["backup"]], 2)
    assert [one["backup"] for one in invoke_json("restore", folder, "--list")] == [second["backup"]]
    assert invoke("backup", folder, "--keep", "0").exit_code == 2


def test_people_get_lines_and_a_lake_that_stands_is_refused(small: Settings, tmp_path: Path) -> None:
    folder = str(tmp_path / "backups")
    said = invoke("backup", folder)
    assert said.exit_code == 0
    assert "new files      8" in said.stdout
    refused = invoke("restore", folder)
    assert refused.exit_code == 1
    assert "A lake stands in" in refused.stderr
    assert "--replace" in refused.stderr
    with closing(opened(small)) as workspace:
        put(workspace, 3)
    assert "before-restore-" in invoke("restore", folder, "--replace").stdout


def test_what_is_lost_or_damaged_is_named_and_the_command_fails(small: Settings, tmp_path: Path) -> None:
    (file,) = (small.lake / "tables" / "raw" / "numbers" / "_partition=2").iterdir()
    file.unlink()
    said = invoke("backup", str(tmp_path / "backups"), "--json")
    assert said.exit_code == 1
    (lost,) = json.loads(said.stdout)["lost"]
    assert lost.endswith(file.name)
    assert "Missing or damaged already: 1 file." in said.stderr
    blob = next((tmp_path / "backups" / "objects").glob("??/*"))
    blob.write_bytes(b"")
    checked = invoke("restore", str(tmp_path / "backups"), "--check")
    assert checked.exit_code == 1
    assert str(blob) in checked.stderr.replace("\n", "")


def test_a_damaged_object_is_named_with_the_backups_that_do_not_hold_it(small: Settings, tmp_path: Path) -> None:
    folder = str(tmp_path / "backups")
    first = invoke_json("backup", folder)["backup"]
    with closing(opened(small)) as workspace:
        put(workspace, 3)
    second = invoke_json("backup", folder)["backup"]
    store = BackupStore(tmp_path / "backups")
    in_first, in_second = ({file.sha256 for file in store.find(name).files} for name in (first, second))
    shutil.rmtree(small.data)
    store.path(sorted(in_second - in_first)[0]).unlink()
    assert f"--backup: {first}." in " ".join(invoke("restore", folder).stderr.split())
    checked = invoke("restore", folder, "--check", "--json")
    assert checked.exit_code == 1 and json.loads(checked.stdout)["unaffected"] == [first]
    store.path(sorted(in_second & in_first)[0]).unlink()
    checked = invoke("restore", folder, "--check")
    assert "Every other backup of this folder holds it too" in " ".join(checked.stderr.split())


def test_the_list_names_a_backup_whose_list_is_damaged_and_a_folder_without_backups(
    small: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "backups"
    first = invoke_json("backup", str(folder))["backup"]
    second = invoke_json("backup", str(folder))["backup"]
    with (folder / "backups" / f"{first}.json").open("a") as text:
        text.write(" ")
    listed = invoke("restore", str(folder), "--list", "--json")
    assert listed.exit_code == 1
    assert [(one["backup"], one["files"]) for one in json.loads(listed.stdout)] == [(second, 8), (first, None)]
    shown = invoke("restore", str(folder), "--list")
    assert f"The list of backup {first} is damaged." in shown.stderr and "made at (UTC)" in shown.stdout
    shutil.rmtree(folder / "backups")
    none = invoke("restore", str(folder), "--list")
    assert none.exit_code == 1 and "There is no finished backup in" in none.stderr


@pytest.mark.parametrize("flags", [["--check", "--list"], ["--check", "--replace"], ["--list", "--backup", "0"]])
def test_options_that_exclude_one_another_are_refused(small: Settings, tmp_path: Path, flags: list[str]) -> None:
    assert invoke("restore", str(tmp_path / "backups"), *flags).exit_code == 2


def test_a_lost_catalog_stops_every_command_that_needs_it_with_what_to_restore(small: Settings) -> None:
    (small.lake / "catalog.sqlite").unlink()
    before = sorted(path for path in small.data.rglob("*") if path.is_file())
    for words in (["status"], ["maintain"], ["sql", "SELECT 1"], ["models", "trip_delay"], ["doctor"]):
        said = invoke(*words)
        assert said.exit_code == 1, words
        assert "ml-platform restore FOLDER" in said.output.replace("\n", " "), words
    after = {path for path in small.data.rglob("*") if path.is_file()}
    passing = {"write.lock", "write.holder", "state.sqlite-shm", "state.sqlite-wal"}  # of who looks
    assert after - {small.lake / name for name in passing} <= set(before)
