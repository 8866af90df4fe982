"""A backup holds one moment of the platform, adds only what is new, and says what was lost already."""

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ml_platform.errors import BackupError, LakeError, PlatformError
from ml_platform.lake.backup_store import BackupStore
from ml_platform.lake.blobs import file_hash
from ml_platform.lake.maintenance import maintain
from ml_platform.runtime.backup import backup
from ml_platform.runtime.restore import check, restore
from ml_platform.runtime.retention import maintain as tidy
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform_tests.runtime.platforms import note, numbers, opened, put


@pytest.fixture
def settings(tmp_path: Path, empty_lake: Path) -> Settings:
    made = Settings(data=tmp_path / "data", lock_timeout=20, threads=1)
    shutil.copytree(empty_lake, made.lake)
    return made


@pytest.fixture
def platform(settings: Settings) -> Iterator[Workspace]:
    """An open platform with two numbers."""
    with closing(opened(settings)) as workspace:
        put(workspace, 1)
        put(workspace, 2)
        yield workspace


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backups"


def test_a_second_backup_adds_only_what_is_new(platform: Workspace, folder: Path) -> None:
    first = backup(platform.settings, folder)
    assert first.new_files == first.files == 2 + 2 * 3, "two databases; a data file, a blob and a page for each number"
    assert backup(platform.settings, folder).new_bytes == 0
    put(platform, 3)
    third = backup(platform.settings, folder)
    assert third.files == first.files + 3
    assert third.new_files == 2 + 3
    assert check(folder).damaged == ()


def test_a_backup_shares_no_bytes_with_the_lake(platform: Workspace, folder: Path) -> None:
    backup(platform.settings, folder)
    mine = {path.stat().st_ino for path in platform.settings.data.rglob("*") if path.is_file()}
    assert mine.isdisjoint(path.stat().st_ino for path in folder.rglob("*") if path.is_file())


def test_backups_beside_a_writer_each_hold_one_moment(platform: Workspace, folder: Path, tmp_path: Path) -> None:
    halfway = threading.Event()

    def many() -> None:
        for number in range(3, 15):
            put(platform, number)
            if number == 5:
                halfway.set()

    writer = threading.Thread(target=many)
    writer.start()
    halfway.wait(20)
    names = [backup(platform.settings, folder).backup for _ in range(4)]
    writer.join()
    sizes = []
    for number, name in enumerate(names):
        other = Settings(data=tmp_path / f"restored{number}", threads=1)
        restore(other, folder, name)
        there = numbers(other)
        assert list(there) == list(range(1, len(there) + 1)), "what is on record is there, and nothing else"
        sizes.append(len(there))
    assert sizes == sorted(sizes)
    assert sizes[0] >= 5


def test_maintenance_removes_nothing_while_a_backup_copies(
    platform: Workspace, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurried = platform.settings.model_copy(update={"lock_timeout": 0.1})
    original, tried = BackupStore.put, []

    def put_slowly(store: BackupStore, source: Path, **expected: Any) -> tuple[str, int, bool] | None:
        if not tried:
            tried.append(True)
            with closing(opened(hurried)) as other:
                refused = threading.Thread(target=lambda: tried.append(_refused(other)))
                refused.start()
                refused.join()
        return original(store, source, **expected)

    monkeypatch.setattr(BackupStore, "put", put_slowly)
    backup(platform.settings, folder)
    assert tried == [True, True]


def _refused(other: Workspace) -> bool:
    with pytest.raises(LakeError, match="a backup, has held"):
        maintain(other.lake, keep_days=0)
    return True


def test_what_is_lost_already_is_named_and_everything_else_is_backed_up(platform: Workspace, folder: Path) -> None:
    (damaged,) = (platform.lake.tables / "raw" / "numbers" / "_partition=1").iterdir()
    damaged.write_bytes(damaged.read_bytes()[:-1])
    (blob,) = (path for path in platform.settings.artifacts.glob("??/*") if path.read_bytes() == b"blob 2")
    blob.write_bytes(b"blob 3")
    report = backup(platform.settings, folder)
    assert [Path(name).name for name in report.lost] == [damaged.name, blob.name]
    assert report.files == 2 + 4
    assert check(folder).damaged == ()


@pytest.mark.parametrize("backed_up_before", [True, False])
def test_a_table_file_with_other_bytes_of_the_same_number_is_lost_and_takes_nothing_from_an_earlier_backup(
    platform: Workspace, folder: Path, backed_up_before: bool
) -> None:
    earlier = [backup(platform.settings, folder).backup] if backed_up_before else []
    (file,) = (platform.lake.tables / "raw" / "numbers" / "_partition=1").iterdir()
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 255
    file.write_bytes(content)
    report = backup(platform.settings, folder)
    assert [Path(name).name for name in report.lost] == [file.name]
    assert report.files == 2 + 5
    assert not BackupStore(folder).path(file_hash(file)).exists(), "nobody may take them for what was committed"
    assert all(check(folder, name).damaged == () for name in [*earlier, report.backup])


def test_the_next_backup_stores_again_what_was_damaged_in_the_folder(
    platform: Workspace, folder: Path, tmp_path: Path
) -> None:
    first = backup(platform.settings, folder)
    for path in BackupStore(folder).objects():
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 255
        path.write_bytes(content)
    assert len(check(folder).damaged) == first.files
    second = backup(platform.settings, folder)
    assert second.new_files == first.files
    assert check(folder).damaged == ()
    other = Settings(data=tmp_path / "restored", threads=1)
    restore(other, folder)
    assert numbers(other) == numbers(platform.settings)


@pytest.mark.parametrize("name", ["catalog.sqlite", "state.sqlite"])
def test_a_damaged_database_is_neither_backed_up_nor_maintained(settings: Settings, folder: Path, name: str) -> None:
    with closing(opened(settings)) as workspace:
        put(workspace, 1)
    file = settings.lake / name
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page, size) = database.execute(
            "SELECT rootpage, (SELECT * FROM pragma_page_size) FROM sqlite_master WHERE name LIKE '%verdicts%' "
            "OR name = 'ducklake_name_mapping' ORDER BY rootpage DESC"
        ).fetchone()
    with file.open("r+b") as stream:
        stream.seek((page - 1) * size)
        stream.write(b"\xff" * 64)
    with pytest.raises(PlatformError, match=rf"(damaged|copied: {name}): [^*]*ml-platform restore"):
        backup(settings, folder)
    assert not (folder / "backups").exists()
    said = rf"{name} is damaged: .* Nothing was removed.*ml-platform restore"
    with closing(opened(settings)) as workspace, pytest.raises(LakeError, match=said):
        tidy(workspace, keep_days=0)


def test_an_unsuitable_folder_is_refused(platform: Workspace, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="lies in the data folder"):
        backup(platform.settings, platform.settings.data / "backups")
    full = tmp_path / "full"
    full.mkdir()
    (full / "thesis.tex").touch()
    with pytest.raises(BackupError, match=r"holds thesis\.tex and is no folder of backups"):
        backup(platform.settings, full)
    assert [path.name for path in full.iterdir()] == ["thesis.tex"]
    nowhere = Settings(data=tmp_path / "nowhere")
    with pytest.raises(BackupError, match="There is no lake in"):
        backup(nowhere, tmp_path / "backups")
    assert not nowhere.data.exists()


def test_a_folder_takes_backups_of_one_lake_only(platform: Workspace, folder: Path, tmp_path: Path) -> None:
    backup(platform.settings, folder)
    other = Settings(data=tmp_path / "other", threads=1)
    opened(other).close()
    with pytest.raises(BackupError, match="holds backups of another lake"):
        backup(other, folder)
    assert len(BackupStore(folder).names()) == 1


def _objects(folder: Path) -> set[str]:
    return {path.name for path in BackupStore(folder).objects()}


def test_the_newest_backups_are_kept_with_everything_that_they_name(
    platform: Workspace, folder: Path, tmp_path: Path
) -> None:
    names = [backup(platform.settings, folder).backup]
    for number in (3, 4):
        put(platform, number)
        names.append(backup(platform.settings, folder, keep=3).backup)
    before = _objects(folder)
    put(platform, 5)
    report = backup(platform.settings, folder, keep=2)
    assert report.removed == (names[1], names[0])
    store = BackupStore(folder)
    assert store.names() == [report.backup, names[2]]
    named = {file.sha256 for one in store.readable() for file in one.files}
    assert _objects(folder) == named
    assert report.removed_files == len(before - named) == 2 * 2, "the databases of both, and nothing else"
    assert report.removed_bytes > 0
    for name, there in ((names[2], [1, 2, 3, 4]), (report.backup, [1, 2, 3, 4, 5])):
        assert check(folder, name).damaged == ()
        other = Settings(data=tmp_path / name, threads=1)
        restore(other, folder, name)
        assert numbers(other) == there


def test_what_a_killed_backup_left_is_removed_with_older_ones(platform: Workspace, folder: Path) -> None:
    backup(platform.settings, folder)
    left = folder / "objects" / "ab" / ("ab" * 32)
    left.parent.mkdir(exist_ok=True)
    left.write_bytes(b"of a backup that was killed")
    (left.parent / "notes.txt").touch()
    assert backup(platform.settings, folder).removed_files == 0
    assert backup(platform.settings, folder, keep=5).removed_files == 1
    assert not left.exists()
    assert (left.parent / "notes.txt").exists(), "it is not ours"


def test_a_backup_that_lost_files_removes_nothing(platform: Workspace, folder: Path) -> None:
    backup(platform.settings, folder)
    (file,) = (platform.lake.tables / "raw" / "numbers" / "_partition=1").iterdir()
    file.unlink()
    before = _objects(folder)
    report = backup(platform.settings, folder, keep=1)
    assert report.lost
    assert report.removed == ()
    assert before <= _objects(folder)
    assert len(BackupStore(folder).names()) == 2


def test_nothing_is_removed_that_a_list_which_cannot_be_read_may_name(platform: Workspace, folder: Path) -> None:
    names = [backup(platform.settings, folder).backup]
    for number in (3, 4):
        put(platform, number)
        names.append(backup(platform.settings, folder).backup)
    note(BackupStore(folder).list_path(names[2]), made_by="somebody else")
    before = _objects(folder)
    report = backup(platform.settings, folder, keep=2)
    assert report.removed == (names[0],), "the damaged list is no backup, so the one before it is the second"
    assert report.removed_files == 0
    assert before <= _objects(folder)
    report = backup(platform.settings, folder, keep=2)
    assert report.removed == (names[2], names[1])
    assert report.removed_files > 0


def test_no_backup_is_not_kept(platform: Workspace, folder: Path) -> None:
    with pytest.raises(BackupError, match="0 backups cannot be kept"):
        backup(platform.settings, folder, keep=0)
    assert not folder.exists()
