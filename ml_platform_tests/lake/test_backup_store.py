"""A folder of backups is private, and says of which file or disk a fault is."""

import os
from pathlib import Path

import pytest

from ml_platform.errors import BackupError
from ml_platform.lake.backup_lists import StoredFile
from ml_platform.lake.backup_store import BackupStore
from ml_platform.lake.blobs import file_hash
from ml_platform_tests.runtime.platforms import note


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "source"
    file.write_bytes(b"rows")
    return file


def _stored(store: BackupStore, source: Path, **expected: str) -> StoredFile | None:
    with store.locked(1):
        stored = store.put(source, **expected)  # type: ignore[arg-type]  # hashes only
    return stored and StoredFile("a/file", stored[0], stored[1], 0)


@pytest.fixture
def common_umask() -> object:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("common_umask")
def test_all_files_are_for_their_owner_only_also_in_a_folder_that_was_there(tmp_path: Path, source: Path) -> None:
    folder = tmp_path / "mounted"
    folder.mkdir()
    store = BackupStore.make(folder)
    with store.locked(1) as passing:
        assert passing.stat().st_mode & 0o077 == 0
        store.put(source)
    stored = store.path(file_hash(source))
    for path in (folder, folder / "backups.json", folder / "backups.lock", folder / "objects", stored.parent, stored):
        assert path.stat().st_mode & 0o077 == 0, path
    stored.chmod(0o644)  # by an older version
    _stored(store, source, sha256=file_hash(source))
    assert stored.stat().st_mode & 0o077 == 0


@pytest.mark.usefixtures("common_umask")
def test_what_is_taken_is_private_where_that_is_asked_for(tmp_path: Path, source: Path) -> None:
    store = BackupStore.make(tmp_path / "backups")
    file = _stored(store, source)
    assert file is not None
    store.take(file, tmp_path / "state", private=True)
    store.take(file, tmp_path / "table")
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "table").stat().st_mode & 0o777 == 0o644


def test_a_damaged_source_is_not_stored(tmp_path: Path, source: Path) -> None:
    store = BackupStore.make(tmp_path / "backups")
    whole = file_hash(source)
    assert _stored(store, source, sha256=whole) is not None
    source.write_bytes(b"r0ws")
    assert _stored(store, source, sha256=whole) is None
    source.write_bytes(b"columns")
    assert _stored(store, source, sha256=whole) is None
    assert [path.name for path in (store.folder / "objects").glob("??/*")] == [whole]


def test_a_stored_file_that_was_cut_short_is_stored_anew(tmp_path: Path, source: Path) -> None:
    store = BackupStore.make(tmp_path / "backups")
    file = _stored(store, source)
    assert file is not None
    store.path(file.sha256).write_bytes(b"ro")
    _stored(store, source, certain_hash=file.sha256)
    assert store.whole(file)


@pytest.mark.parametrize("how", ["by a write", "on the disk"])
def test_a_stored_file_whose_bytes_flipped_is_stored_anew(tmp_path: Path, source: Path, how: str) -> None:
    store = BackupStore.make(tmp_path / "backups")
    file = _stored(store, source)
    assert file is not None
    stored = store.path(file.sha256)
    moment = stored.stat().st_mtime_ns
    stored.write_bytes(b"r0ws")
    if how == "on the disk":  # nothing tells of it until a check has read the bytes
        os.utime(stored, ns=(moment, moment))
        assert not store.whole(file)
    for expected in ({"certain_hash": file.sha256}, {"sha256": file.sha256}, {}):
        _stored(store, source, **expected)
        assert store.whole(file), expected


def test_a_stored_file_that_is_certain_is_not_read_again(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = BackupStore.make(tmp_path / "backups")
    file = _stored(store, source)
    assert file is not None
    files_read: list[Path] = []

    def noting(path: Path) -> str:
        files_read.append(path)
        return file_hash(path)

    monkeypatch.setattr("ml_platform.lake.backup_store.file_hash", noting)
    _stored(store, source, certain_hash=file.sha256)
    assert files_read == []
    os.utime(store.path(file.sha256))  # as in a copy of the folder, or a folder of an older version
    for _ in range(2):
        _stored(store, source, certain_hash=file.sha256)
    assert files_read == [store.path(file.sha256)], "compared once, and certain from then on"


def test_what_cannot_be_read_is_named_and_not_told_as_a_fault_of_the_target(tmp_path: Path, source: Path) -> None:
    store = BackupStore.make(tmp_path / "backups")
    file = _stored(store, source)
    assert file is not None
    stored = store.path(file.sha256)
    stored.unlink()
    stored.mkdir()  # which no user can read as a file
    for act in (lambda: store.whole(file), lambda: store.take(file, tmp_path / "target")):
        with pytest.raises(BackupError, match=rf"^{stored} cannot be read: "):
            act()
    assert not (tmp_path / "target").exists()
    with pytest.raises(BackupError, match=rf"^{tmp_path / 'backups' / 'objects'} cannot be read: "):
        _stored(store, store.folder / "objects")


def test_a_full_disk_of_the_backups_is_told_as_theirs(tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    (folder / f"backups.json.{os.getpid()}").symlink_to("/dev/full")
    with pytest.raises(BackupError, match=rf"^The disk of {folder} is full: .*--keep N"):
        BackupStore.make(folder)
    assert list(folder.iterdir()) == []


def test_what_the_work_under_the_lock_raises_is_not_told_as_a_fault_of_the_folder(tmp_path: Path) -> None:
    store = BackupStore.make(tmp_path / "backups")
    fault = PermissionError(13, "Permission denied", str(tmp_path / "elsewhere"))
    with pytest.raises(PermissionError), store.locked(1):
        raise fault
    with store.locked(0.1):  # it was given back
        pass


def test_a_damaged_format_is_mended_by_that_of_the_lists(tmp_path: Path) -> None:
    store = BackupStore.make(tmp_path / "backups")
    (store.folder / "backups.json").write_text("")
    with pytest.raises(BackupError, match=r'where N is the "format" of the newest list'):
        BackupStore(store.folder)
    (store.folder / "backups.json").write_text("{}")
    note(store.folder / "backups.json", format=1)
    assert BackupStore(store.folder).names() == []
