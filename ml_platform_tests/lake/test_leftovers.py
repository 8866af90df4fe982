"""Maintenance removes what this lake has made or recorded, and nothing else."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ml_platform.lake import leftovers, lifetime, maintenance
from ml_platform.lake.blobs import Blobs
from ml_platform.lake.connection import Lake
from ml_platform.lake.maintenance import MaintenanceReport, maintain
from ml_platform.lake.transaction import Author, stage, write
from ml_platform.settings import Settings

NOW = timedelta(0)


@pytest.fixture
def settings(tmp_path: Path, empty_lake: Path) -> Settings:
    """Those of a lake that is closed, with two commits in one table."""
    made = Settings(data=tmp_path / "data", lock_timeout=20, threads=1)
    shutil.copytree(empty_lake, made.lake)
    with Lake(made) as lake:
        put(lake, 1)
        put(lake, 2)
    return made


@pytest.fixture
def lake(settings: Settings) -> Iterator[Lake]:
    with closing(Lake(settings)) as opened:
        yield opened


def put(lake: Lake, value: int) -> None:
    with write(lake, Author("s/t", str(value))) as tx:
        tx.append("s", "t", stage(lake, f"SELECT {value} AS v FROM range(100)"), partition=str(value))


def tidy(lake: Lake) -> MaintenanceReport:
    return maintain(lake, keep_days=0, grace=NOW, referenced=[])


def values(lake: Lake) -> list[int]:
    return [value for (value,) in lake.rows("SELECT DISTINCT v FROM s.t ORDER BY v")]


def test_files_of_other_people_stay_wherever_they_lie(lake: Lake) -> None:
    folder = lake.tables / "s" / "t"
    foreign = [
        lake.tables / "notes.parquet",
        folder / "ducklake-copy.parquet",
        folder / f"data-{uuid.uuid4()}.parquet",
        folder / f"{leftovers.new_file_name()}.bak",
        lake.folder / "staging" / "mine.parquet",
        lake.settings.artifacts / "ab" / "model.pkl",
        lake.settings.artifacts / "incoming" / "download.part",
        lake.settings.artifacts / "readme.md",
    ]
    for path in foreign:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"of somebody")
    report = tidy(lake)
    assert (report.orphans_removed, report.leftovers_removed, report.blobs_removed) == (0, 0, 0)
    assert all(path.exists() for path in foreign)


def test_what_killed_writers_of_this_lake_left_goes(lake: Lake) -> None:
    folder = lake.tables / "s" / "t" / "_partition=1"
    own = [
        folder / leftovers.new_file_name(),
        folder / f"ducklake-{uuid.uuid4()}.parquet",
        folder / leftovers.new_file_name().replace(".parquet", "-delete.parquet"),
        lake.folder / "staging" / f"{uuid.uuid4().hex}.parquet",
        lake.folder / "staging" / f"spill-{uuid.uuid4().hex}",
        lake.settings.artifacts / "incoming" / uuid.uuid4().hex,
    ]
    for path in own:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half of it")
    Blobs(lake.settings).put_bytes(b"that nobody recorded")
    report = tidy(lake)
    assert (report.orphans_removed, report.leftovers_removed, report.blobs_removed) == (3, 3, 1)
    assert not any(path.exists() for path in own)
    assert values(lake) == [1, 2]


def test_files_of_an_earlier_lake_stay_when_they_are_copied_in(settings: Settings, tmp_path: Path) -> None:
    with Lake(settings) as earlier:
        put(earlier, 3)
    aside = shutil.move(settings.lake, tmp_path / "aside")
    with Lake(settings) as lake:
        put(lake, 7)
        shutil.copytree(Path(aside) / "tables", lake.tables, dirs_exist_ok=True, copy_function=shutil.copyfile)
        assert tidy(lake).orphans_removed == 0
        assert values(lake) == [7]
    for name in ("catalog.sqlite", "lake.json"):
        shutil.copy2(Path(aside) / name, settings.lake / name)
    with Lake(settings) as lake:
        assert values(lake) == [1, 2, 3], "the catalog that is put back finds all its files"


def test_files_of_a_later_catalog_stay_when_an_older_copy_is_put_in_its_place(settings: Settings) -> None:
    catalog, older, newer = settings.lake / "catalog.sqlite", settings.data / "older", settings.data / "newer"
    shutil.copyfile(catalog, older)
    with Lake(settings) as lake:
        put(lake, 3)
        digest = Blobs(settings).put_bytes(b"recorded by the later one")
    shutil.copyfile(catalog, newer)
    shutil.copyfile(older, catalog)
    with Lake(settings) as lake:
        put(lake, 4)
        report = tidy(lake)
        assert (report.orphans_removed, report.blobs_removed) == (0, 0)
        assert values(lake) == [1, 2, 4]
    shutil.copyfile(newer, catalog)
    with Lake(settings) as lake:
        assert values(lake) == [1, 2, 3]
        assert Blobs(settings).whole(digest)


def test_a_lake_from_before_the_note_was_kept_removes_only_what_it_makes_from_now_on(settings: Settings) -> None:
    (settings.lake / "lake.json").unlink()
    before = settings.lake / "tables" / "s" / "t" / leftovers.new_file_name()
    before.write_bytes(b"of nobody knows whom")
    with Lake(settings) as lake:
        after = before.with_name(leftovers.new_file_name())
        after.write_bytes(b"of a killed writer")
        assert tidy(lake).orphans_removed == 1
        assert (before.exists(), after.exists()) == (True, False)


@pytest.mark.parametrize("text", ["", "{}", "no JSON", '{"lake": "another", "snapshot": 1, "since": "2024-01-01"}'])
def test_a_note_that_says_nothing_about_this_lake_begins_anew(settings: Settings, text: str) -> None:
    (settings.lake / "lake.json").write_text(text)
    began = datetime.now(UTC)
    with Lake(settings) as lake:
        noted = lifetime.read(lake.folder)
        assert noted is not None
        assert noted.lake == lake.identity
        assert noted.since >= began


def test_the_name_of_a_file_tells_when_it_was_made(tmp_path: Path) -> None:
    path = tmp_path / leftovers.new_file_name()
    began = datetime.now(UTC)
    path.write_bytes(b"")
    os.utime(path, (0, began.timestamp() + 86_400))  # a copy of tomorrow
    made = leftovers._made_at(path, path.stem.removeprefix("ducklake-"))
    assert abs(made - began) < timedelta(seconds=5)


def test_a_spill_folder_stays_while_its_process_is_alive_however_old_it_is(lake: Lake) -> None:
    own = Path(str(lake.value("SELECT current_setting('temp_directory')")))
    dead = own.with_name(f"spill-{uuid.uuid4().hex}")
    for folder in (own, dead):
        (folder / "block.tmp").parent.mkdir()
        (folder / "block.tmp").write_bytes(b"spilled")
        for path in (folder / "block.tmp", folder):
            os.utime(path, (0, 0))
    locks = lake.folder / "locks" / "spills"
    (locks / dead.name).touch()
    assert tidy(lake).leftovers_removed == 1
    assert (own.exists(), dead.exists()) == (True, False)
    assert [path.name for path in locks.iterdir()] == [own.name]
    lake.close()
    assert list(locks.iterdir()) == []
    remaining = int(own.exists())
    assert maintenance.sweep(lake.settings, grace=NOW) == remaining
    assert not own.exists()
