"""A restore brings a platform back as it was, replaces nothing that is whole unasked, and deletes nothing."""

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from ml_platform.errors import BackupError, LakeError, PlatformError
from ml_platform.lake import lifetime, work_marks
from ml_platform.lake.backup_store import BackupStore
from ml_platform.lake.blobs import file_hash
from ml_platform.lake.maintenance import maintain
from ml_platform.runtime.backup import backup
from ml_platform.runtime.restore import check, restore
from ml_platform.runtime.restored_files import RestoredFiles
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.state.schema import records
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.runtime.platforms import content, note, numbers, opened, put
from ml_platform_tests.world import World


@pytest.fixture(scope="module")
def backed_up(tmp_path_factory: pytest.TempPathFactory, empty_lake: Path) -> Path:
    """The data folder of a closed platform with two numbers, its backup beside it, and a third number since."""
    root = tmp_path_factory.mktemp("backed_up")
    made = Settings(data=root / "data", lock_timeout=20, threads=1)
    shutil.copytree(empty_lake, made.lake)
    with closing(opened(made)) as workspace:
        put(workspace, 1)
        put(workspace, 2)
        backup(made, root / "backups")
        put(workspace, 3)
    return root


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backups"


@pytest.fixture
def settings(tmp_path: Path, backed_up: Path, folder: Path) -> Settings:
    """Those of a copy of that platform, whose backup is in `folder`."""
    shutil.copytree(backed_up / "backups", folder)
    return Settings(data=shutil.copytree(backed_up / "data", tmp_path / "data"), lock_timeout=20, threads=1)


@pytest.mark.parametrize("landing", [True, False], ids=["landing is there", "everything is gone"])
def test_after_a_wipe_and_a_restore_nothing_is_launched_and_all_keys_are_the_same(
    open_world: OpenWorld, january: Path, folder: Path, landing: bool
) -> None:
    world = open_world(january)
    keys, settings, pipelines = world.keys(), world.settings, world.pipelines
    assert world.planned("2024-01") == []
    assert backup(settings, folder).lost == ()
    world.close()
    for path in settings.data.iterdir():
        if not (landing and path == settings.landing):
            shutil.rmtree(path)
    report = restore(settings, folder)
    assert report.copied == report.files
    with closing(World(settings, pipelines)) as restored:
        assert restored.keys() == keys
        assert restored.planned("2024-01") == []


def test_a_platform_is_restored_under_another_path(settings: Settings, folder: Path, tmp_path: Path) -> None:
    elsewhere = Settings(data=tmp_path / "else" / "where", threads=1)
    report = restore(elsewhere, folder)
    assert report.copied == report.files
    assert numbers(elsewhere) == [1, 2]


def _delete(path: Path) -> None:
    path.unlink()


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _spoil(path: Path) -> None:
    path.write_bytes(b"These are not the bytes of a database. " * 500)


@pytest.mark.parametrize("name", ["catalog.sqlite", "state.sqlite"])
@pytest.mark.parametrize("lose", [_delete, _empty, _spoil])
def test_a_lost_database_is_restored_with_its_other_half(
    settings: Settings, folder: Path, name: str, lose: Callable[[Path], None]
) -> None:
    lose(settings.lake / name)
    with pytest.raises(PlatformError, match="ml-platform restore"):
        opened(settings)
    report = restore(settings, folder)
    assert report.copied == 2, "the files of tables and the blobs are there"
    assert numbers(settings) == [1, 2]
    if report.set_aside:
        assert any(Path(report.set_aside).iterdir())


def test_a_lake_that_is_whole_is_set_aside_only_when_asked_and_can_be_put_back(
    settings: Settings, folder: Path
) -> None:
    before = content(settings.data)
    with pytest.raises(BackupError, match=r"A lake stands in .* Nothing was changed.*--replace"):
        restore(settings, folder)
    assert content(settings.data) == before
    aside = Path(restore(settings, folder, replace=True).set_aside)
    assert numbers(settings) == [1, 2]
    with closing(opened(settings)) as workspace:
        put(workspace, 4)
    for file in aside.iterdir():
        shutil.copy(file, settings.lake)
    assert numbers(settings) == [1, 2, 3], "no file of the later lake was lost"


def test_maintenance_after_a_restore_keeps_what_a_later_catalog_needs(settings: Settings, folder: Path) -> None:
    aside = Path(restore(settings, folder, replace=True).set_aside)
    with closing(opened(settings)) as workspace:
        put(workspace, 4)
        report = maintain(workspace.lake, keep_days=0, grace=timedelta(0), referenced=[])
        assert report.orphans_removed == 0
        noted = lifetime.read(workspace.lake.folder)
        assert noted is not None
        assert noted.lake == workspace.lake.identity
    for file in aside.iterdir():
        shutil.copy(file, settings.lake)
    with closing(opened(settings)) as workspace:
        assert workspace.lake.rows("SELECT DISTINCT v FROM raw.numbers ORDER BY v") == [(1,), (2,), (3,)]


def test_only_what_is_missing_or_damaged_is_copied(settings: Settings, folder: Path) -> None:
    (file,) = (settings.lake / "tables" / "raw" / "numbers" / "_partition=1").iterdir()
    bytes_before = file.read_bytes()
    file.write_bytes(bytes_before[:-1] + b"?")
    blob = next(settings.artifacts.glob("??/*"))
    blob.unlink()
    assert restore(settings, folder, replace=True).copied >= 2 + 1
    assert file.read_bytes() == bytes_before
    assert numbers(settings) == [1, 2]


def test_a_log_beside_a_lost_catalog_is_not_played_into_the_restored_one(settings: Settings, folder: Path) -> None:
    catalog = settings.lake / "catalog.sqlite"
    with closing(sqlite3.connect(catalog)) as writing:
        writing.execute("PRAGMA journal_mode = WAL")
        writing.execute("PRAGMA wal_autocheckpoint = 0")
        writing.execute("UPDATE ducklake_data_file SET path = 'elsewhere.parquet'")
        writing.commit()
        log = shutil.copy(f"{catalog}-wal", settings.data / "log")
    catalog.unlink()
    shutil.move(log, f"{catalog}-wal")
    report = restore(settings, folder)
    assert (Path(report.set_aside) / "catalog.sqlite-wal").exists()
    assert numbers(settings) == [1, 2]


def test_an_earlier_backup_is_restored_by_the_beginning_of_its_name(
    settings: Settings, folder: Path, tmp_path: Path
) -> None:
    backup(settings, folder)
    for name, there in (("000001", [1, 2]), ("000002", [1, 2, 3]), ("", [1, 2, 3])):
        other = Settings(data=tmp_path / f"of{name}", threads=1)
        restore(other, folder, name)
        assert numbers(other) == there
    with pytest.raises(BackupError, match="There is no backup '9'"):
        restore(tmp_settings(tmp_path), folder, "9")
    with pytest.raises(BackupError, match="Several backups begin with '0000'"):
        restore(tmp_settings(tmp_path), folder, "0000")


def tmp_settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path / "fresh", threads=1)


@pytest.mark.parametrize("lose", [_delete, _empty, _spoil])
def test_a_damaged_object_is_named_by_a_check_and_by_a_restore_which_goes_on_once_it_is_whole(
    settings: Settings, folder: Path, tmp_path: Path, lose: Callable[[Path], None]
) -> None:
    store = BackupStore(folder)
    (file,) = (one for one in store.find().files if "_partition=2" in one.path)
    original = store.path(file.sha256).read_bytes()
    lose(store.path(file.sha256))
    assert [name.partition(" ")[0] for name in check(folder).damaged] == [file.path]
    fresh = tmp_settings(tmp_path)
    with pytest.raises(BackupError, match=r"which holds .*_partition=2.* is (damaged|missing)"):
        restore(fresh, folder)
    with pytest.raises(LakeError, match=r"The catalog .* is missing or empty, and its files are there"):
        opened(fresh)
    store.path(file.sha256).write_bytes(original)
    restore(fresh, folder)
    assert numbers(fresh) == [1, 2]


@pytest.mark.parametrize("part", ["lake/catalog.sqlite", "lake/state.sqlite", "_partition=2", "artifacts/", "reports/"])
def test_a_damaged_backup_changes_nothing_of_a_lake_and_an_older_one_restores(
    settings: Settings, folder: Path, part: str
) -> None:
    with closing(opened(settings)) as workspace:  # so that everything of the newest backup has to be brought
        lost = [*workspace.lake.tables.glob("raw/numbers/_partition=2/*"), *settings.artifacts.glob("??/*")]
        backup(settings, folder)
        pages = list((settings.reports / "numbers").iterdir())
        put(workspace, 4)
    for path in lost:
        path.unlink()
    for page in pages:
        page.write_text("<p>newer</p>")
    before = {name: digest for name, digest in content(settings.data).items() if not name.startswith("reports/")}
    store = BackupStore(folder)
    older = {file.sha256 for file in store.find("000001").files}
    damaged = {one.sha256 for one in store.find().files if part in one.path}
    originals = {digest: store.path(digest).read_bytes() for digest in damaged}
    for digest in originals:
        _spoil(store.path(digest))
    with pytest.raises(BackupError, match=r"is damaged\. Put the file back from a copy of this folder"):
        restore(settings, folder, replace=True)
    after = content(settings.data)
    assert before.items() <= after.items()
    assert all(page.read_text() == "<p>newer</p>" for page in pages)
    for digest, original in originals.items():
        if digest in older:
            store.path(digest).write_bytes(original)
    restore(settings, folder, "000001", replace=True)
    assert numbers(settings) == [1, 2]


def _begin_to_swap(settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str = "") -> None:
    """A restore that ends after it has put the state into its place."""
    move = RestoredFiles._move_into_place

    def end_at_the_catalog(files: RestoredFiles, passing: Path, target: Path) -> None:
        if target.name == "catalog.sqlite":
            raise KeyboardInterrupt
        move(files, passing, target)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(RestoredFiles, "_move_into_place", end_at_the_catalog)
        restore(settings, folder, name, replace=True)
    with pytest.raises(LakeError, match=r"A restore of the lake in .* is not finished"):
        opened(settings)


def test_another_backup_is_refused_while_one_is_half_restored_and_what_was_set_aside_stays(
    settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup(settings, folder)
    with closing(opened(settings)) as workspace:
        put(workspace, 4)
    mine = {name: file_hash(settings.lake / name) for name in ("catalog.sqlite", "state.sqlite")}
    _begin_to_swap(settings, folder, monkeypatch)
    (aside,) = settings.lake.glob("before-restore-*")
    there = content(settings.data)
    with pytest.raises(BackupError, match=r"The restore of backup 000002-.* is not finished.*--backup 000002-"):
        restore(settings, folder, "000001", replace=True)
    assert content(settings.data) == there
    assert restore(settings, folder).set_aside == str(aside)
    assert numbers(settings) == [1, 2, 3]
    assert {path.name: file_hash(path) for path in aside.iterdir()} == mine
    restore(settings, folder, "000001", replace=True)
    assert numbers(settings) == [1, 2]


def test_a_restore_that_was_begun_goes_on_with_its_backup_and_can_be_given_up(
    settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup(settings, folder)
    _begin_to_swap(settings, folder, monkeypatch, "000001")
    assert restore(settings, folder).backup.startswith("000001"), "without a name it is the one that was begun"
    assert numbers(settings) == [1, 2]
    _begin_to_swap(settings, folder, monkeypatch, "000002")
    (*_, aside) = sorted(settings.lake.glob("before-restore-*"))
    for file in aside.iterdir():
        file.rename(settings.lake / file.name)
    (settings.lake / "restore.json").unlink()
    assert numbers(settings) == [1, 2]


@pytest.mark.parametrize("text", ["", "{}", "[]"])
def test_with_a_damaged_note_a_restore_goes_on_and_replaces_nothing_that_was_set_aside(
    settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    kept = set(content(settings.data).values())
    for _ in range(2):
        _begin_to_swap(settings, folder, monkeypatch)
        (settings.lake / "restore.json").write_text(text)
        restore(settings, folder)
        assert numbers(settings) == [1, 2]
        assert kept <= set(content(settings.data).values())
        with closing(opened(settings)) as workspace:
            put(workspace, 5)
        kept |= set(content(settings.data).values())


def test_a_restored_state_is_for_its_owner_only(settings: Settings, folder: Path) -> None:
    before = os.umask(0o022)
    try:
        restore(settings, folder, replace=True)
    finally:
        os.umask(before)
    assert (settings.lake / "state.sqlite").stat().st_mode & 0o777 == 0o600
    assert not (settings.lake / "restoring").exists()


def test_a_damaged_list_is_named_and_an_older_backup_still_restores(
    settings: Settings, folder: Path, tmp_path: Path
) -> None:
    backup(settings, folder)
    newest = folder / "backups" / f"{BackupStore(folder).names()[0]}.json"
    note(newest, made_by="somebody else")
    with pytest.raises(BackupError, match=r"The list of backup 000002.* is damaged"):
        restore(tmp_settings(tmp_path), folder)
    restore(tmp_settings(tmp_path), folder, "000001")
    assert numbers(tmp_settings(tmp_path)) == [1, 2]
    assert backup(settings, folder).backup.startswith("000003")


HOSTILE = [
    ("path", "/tmp/planted"),
    ("path", "../planted"),
    ("path", "lake/tables/../../landing/planted.csv"),
    ("path", "landing/trips/planted.csv"),
    ("path", "lake/tables/"),
    ("path", "reports//planted"),
    ("path", "reports/a\0b"),
    ("path", 7),
    ("sha256", "../../../etc/passwd"),
    ("sha256", "0" * 63),
    ("size", "many"),
    ("size", -1),
    ("mode", 0o4755),
]


@pytest.mark.parametrize(("field", "value"), HOSTILE)
def test_a_list_that_leads_elsewhere_is_refused_before_anything_is_brought(
    settings: Settings, folder: Path, tmp_path: Path, field: str, value: object
) -> None:
    (name,) = BackupStore(folder).names()
    listed = json.loads((folder / "backups" / f"{name}.json").read_bytes())
    listed["files"][-1][field] = value
    text = json.dumps(listed).encode()
    forged = f"000009-{name.split('-')[1]}-{hashlib.sha256(text).hexdigest()[:16]}"
    (folder / "backups" / f"{forged}.json").write_bytes(text)
    for act in (lambda: restore(tmp_settings(tmp_path), folder), lambda: check(folder)):
        with pytest.raises(BackupError, match="is none that `ml-platform backup` writes"):
            act()
    assert not tmp_settings(tmp_path).lake.exists()


def test_files_of_others_among_the_lists_are_no_backups(settings: Settings, folder: Path, tmp_path: Path) -> None:
    (name,) = BackupStore(folder).names()
    for other in ("notes.json", f"._{name}.json", f"{name} (1).json"):
        (folder / "backups" / other).write_text("{}")
    assert BackupStore(folder).names() == [name]
    assert backup(settings, folder).backup.startswith("000002")
    restore(tmp_settings(tmp_path), folder)


def test_a_restored_lake_can_be_read_before_anything_writes_to_it(folder: Path, settings: Settings) -> None:
    restore(settings, folder, replace=True)
    with closing(Workspace.open_for_reading(settings, {})) as read:
        assert read.lake.identity and read.state.value(select(func.count()).select_from(records)) == 2
    assert not list(settings.lake.glob("*-journal"))


def test_an_object_that_never_ends_is_no_file_of_a_backup(settings: Settings, folder: Path, tmp_path: Path) -> None:
    store = BackupStore(folder)
    file = max(store.find().files, key=lambda one: one.size)
    store.path(file.sha256).unlink()
    store.path(file.sha256).symlink_to("/dev/zero")
    with pytest.raises(BackupError, match="is damaged"):
        restore(tmp_settings(tmp_path), folder)


def test_backups_of_newer_code_are_refused_by_name(settings: Settings, folder: Path, tmp_path: Path) -> None:
    note(folder / "backups.json", format=99)
    for act in (lambda: restore(tmp_settings(tmp_path), folder), lambda: backup(settings, folder)):
        with pytest.raises(BackupError, match=r"have format 99; this version knows up to 1\. Use the version"):
            act()
    with pytest.raises(BackupError, match="is no folder of backups"):
        restore(tmp_settings(tmp_path), tmp_path / "nothing")


def test_a_backup_of_another_kind_of_catalog_is_refused(settings: Settings, folder: Path) -> None:
    elsewhere = Settings.model_validate({"data": settings.data, "catalog": "postgresql://ml:sesame@127.0.0.1:1/x"})
    with pytest.raises(BackupError, match="is of a sqlite catalog, and ML_PLATFORM_CATALOG says postgresql") as refused:
        restore(elsewhere, folder)
    assert "sesame" not in str(refused.value)


def test_a_backup_is_for_its_owner_only(settings: Settings, folder: Path) -> None:
    assert folder.stat().st_mode & 0o077 == 0


def test_nothing_is_restored_while_a_run_or_a_service_is_at_work(settings: Settings, folder: Path) -> None:
    with (
        work_marks.marked(settings.lake, "terminal-trip_delay-1"),
        pytest.raises(LakeError, match="1 run or service is at work on the lake in"),
    ):
        restore(settings, folder, replace=True)
    (work_marks.marks_folder(settings.lake) / "of-a-killed-run").touch()
    assert restore(settings, folder, replace=True).set_aside
