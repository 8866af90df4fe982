"""A lake is there whole, or not at all."""

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import duckdb
import pytest

from ml_platform.errors import LakeError
from ml_platform.lake import durable, inlining
from ml_platform.lake.connection import Lake
from ml_platform.settings import Settings
from ml_platform_tests.small_disks import in_own_namespace

_READER = """
import sqlite3, sys
reader = sqlite3.connect(sys.argv[1], isolation_level=None)
reader.execute("BEGIN")
print(*reader.execute("SELECT count(*) FROM ducklake_snapshot").fetchone(), flush=True)
sys.stdin.read()
"""


def test_a_catalog_whose_log_holds_more_than_its_file_never_gets_its_name(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that reads keeps the log from being brought into the file, as a full disk does."""
    unfinished, set_up, readers = settings.lake / "catalog.unfinished.sqlite", inlining.set_up, ExitStack()

    def set_up_while_somebody_reads(connection: duckdb.DuckDBPyConnection, name: str) -> None:
        command = [sys.executable, "-S", "-c", _READER, str(unfinished)]
        reader = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        readers.callback(reader.communicate, timeout=20)
        assert reader.stdout is not None
        assert reader.stdout.readline() == "1\n"
        set_up(connection, name)

    with monkeypatch.context() as patch, readers:
        patch.setattr(inlining, "set_up", set_up_while_somebody_reads)
        with pytest.raises(LakeError, match=r"catalog in .* is not whole.*run again"):
            Lake(settings)
    assert not list(settings.lake.glob("catalog*"))
    Lake(settings).close()
    assert (settings.lake / "catalog.sqlite").exists()


def test_a_catalog_is_on_the_disk_before_it_gets_its_name(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    sync_file, sync_folder, rename = durable.sync_file, durable.sync_folder, Path.rename
    monkeypatch.setattr("ml_platform.lake.new_catalog.sync_file", lambda p: (order.append(p.name), sync_file(p)))
    monkeypatch.setattr("ml_platform.lake.new_catalog.sync_folder", lambda p: (order.append(p.name), sync_folder(p)))
    monkeypatch.setattr(Path, "rename", lambda path, to: (order.append(f"to {to.name}"), rename(path, to))[1])
    Lake(settings).close()
    assert order == ["catalog.unfinished.sqlite", "to catalog.sqlite", "lake"]


def test_a_disk_that_fills_while_a_lake_is_made_leaves_nothing_that_stands_in_the_way(tmp_path: Path) -> None:
    in_own_namespace("ml_platform_tests.lake.disk_programs", "make_lakes", str(tmp_path), timeout=60)


def test_maintenance_frees_before_it_writes_so_that_it_works_on_a_full_disk(tmp_path: Path) -> None:
    in_own_namespace("ml_platform_tests.lake.disk_programs", "maintain_a_full_disk", str(tmp_path), timeout=60)
