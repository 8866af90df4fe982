"""Backup, wipe and restore with a PostgreSQL catalog: a server of our own, and its own programs."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from ml_platform.errors import BackupError, LakeError, StateError
from ml_platform.runtime.backup import backup
from ml_platform.runtime.restore import restore
from ml_platform.runtime.restored_files import RestoredFiles
from ml_platform.settings import Settings
from ml_platform_tests.postgres_server import postgres_server
from ml_platform_tests.runtime.platforms import numbers, opened, put

pytestmark = pytest.mark.slow  # needs PostgreSQL's server programs

Database = Callable[[str], Settings]


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    with postgres_server() as port:
        yield port


@pytest.fixture
def database(server: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Settings of a platform in a new database of that name."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    monkeypatch.setenv("PATH", os.pathsep.join([*map(str, programs), os.environ["PATH"]]))

    def make(name: str) -> Settings:
        address = f"host=127.0.0.1 port={server} user=ml password=sesame dbname="
        with psycopg.connect(f"{address}postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]  # a name of ours
        return Settings.model_validate({"data": tmp_path / "data", "catalog": f"{address}{name}", "threads": 1})

    return make


def test_backup_wipe_restore_on_postgresql(database: Database, tmp_path: Path) -> None:
    settings, folder = database("first"), tmp_path / "backups"
    with closing(opened(settings)) as workspace:
        put(workspace, 1)
        put(workspace, 2)
        report = backup(settings, folder)
        assert (report.files, report.lost) == (1 + 6, ())
    with pytest.raises(BackupError, match="holds a lake or an operational state"):
        restore(settings, folder, replace=True)
    shutil.rmtree(settings.data)
    other = database("second")
    restore(other, folder)
    assert numbers(other) == [1, 2]


def test_a_restore_that_was_killed_takes_no_other_lake_in_postgresql_for_its_own(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, folder = database("fifth"), tmp_path / "backups"
    with closing(opened(settings)) as workspace:
        put(workspace, 1)
        backup(settings, folder)
        put(workspace, 2)
        backup(settings, folder)
    shutil.rmtree(settings.data)
    other, foreign = database("sixth"), database("seventh")
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(RestoredFiles, "swap", _interrupted)  # right after the dump was loaded
        restore(other, folder)
    opened(foreign.model_copy(update={"data": tmp_path / "foreign"})).close()
    with pytest.raises(BackupError, match=r"The restore of backup 000002.* is not finished"):
        restore(other, folder, "000001")
    with pytest.raises(BackupError, match=r"holds another lake than backup 000002"):
        restore(foreign, folder)
    restore(other, folder)
    assert numbers(other) == [1, 2]


def _interrupted(_files: RestoredFiles, _aside: Path) -> None:
    raise KeyboardInterrupt


def test_a_dump_that_does_not_load_leaves_no_restore_under_way(database: Database, tmp_path: Path) -> None:
    settings, folder = database("eighth"), tmp_path / "backups"
    with closing(opened(settings)) as workspace:
        put(workspace, 1)
    backup(settings, folder)
    shutil.rmtree(settings.data)
    other = database("ninth")
    with psycopg.connect(other.catalog.get_secret_value(), autocommit=True) as connection:
        connection.execute("CREATE TABLE public.ducklake_table (v int)")
    with pytest.raises(BackupError, match="pg_restore failed"):
        restore(other, folder)
    assert not (other.lake / "restore.json").exists()
    with psycopg.connect(other.catalog.get_secret_value(), autocommit=True) as connection:
        connection.execute("DROP TABLE public.ducklake_table")
    restore(other, folder)
    assert numbers(other) == [1]


def test_a_lost_catalog_is_not_made_anew_on_postgresql(database: Database) -> None:
    settings = database("third")
    with closing(opened(settings)) as workspace:
        put(workspace, 1)
    elsewhere = database("fourth")
    with pytest.raises(LakeError, match=r"The PostgreSQL catalog is missing or empty, and its files are there"):
        opened(elsewhere)
    with psycopg.connect(settings.catalog.get_secret_value(), autocommit=True) as connection:
        connection.execute("DROP SCHEMA ml_platform CASCADE")
    with pytest.raises(StateError, match="is missing or empty"):
        opened(settings)
