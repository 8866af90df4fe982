import os
import time
from pathlib import Path

import duckdb
import polars as pl
import pytest

from ml_platform.errors import LakeError
from ml_platform.lake import lake_format
from ml_platform.lake.connection import Lake
from ml_platform.lake.extensions import load_extensions
from ml_platform.lake.maintenance import maintain
from ml_platform.lake.transaction import Author, write
from ml_platform.settings import Settings
from ml_platform_tests.lake.programs import both_halves, finish, hear, kill, start

HALVES = "SELECT _partition, v, count(*) FROM s.t GROUP BY ALL ORDER BY ALL"


def test_a_writer_killed_before_its_commit_leaves_nothing_and_frees_the_lock(lake: Lake, settings: Settings) -> None:
    both_halves(lake, 1)
    writer = start("stop_inside", settings.data)
    assert hear(writer) == "inside"
    kill(writer)
    assert lake.rows(HALVES) == [("a", 1, 500), ("b", 1, 500)]
    both_halves(lake, 2)
    assert lake.rows(HALVES) == [("a", 2, 500), ("b", 2, 500)]


def test_a_writer_killed_at_any_moment_leaves_whole_commits_only(lake: Lake, settings: Settings) -> None:
    said = 0
    for wait in (1, 3):
        writer = start("count_up", settings.data, str(said + 1))
        for _ in range(wait):
            said = int(hear(writer))
        kill(writer)
        (a, value, rows), b = lake.rows(HALVES)
        assert (a, rows, b) == ("a", 500, ("b", value, 500))
        assert value >= said  # what was told is there; what landed untold is whole
        said = value


def test_readers_are_not_blocked_while_a_writer_holds_the_lock(lake: Lake, settings: Settings) -> None:
    both_halves(lake, 1)
    writer = start("stop_inside", settings.data)
    assert hear(writer) == "inside"
    started = time.monotonic()
    with Lake(settings, read_only=True) as reader:
        assert reader.rows(HALVES) == [("a", 1, 500), ("b", 1, 500)]
    assert lake.rows(HALVES) == [("a", 1, 500), ("b", 1, 500)]
    assert time.monotonic() - started < 5
    finish(writer)
    assert lake.rows(HALVES) == [("a", 99, 500), ("b", 1, 500)]


def test_a_writer_that_waits_too_long_is_told_who_holds_the_lock(lake: Lake, settings: Settings) -> None:
    both_halves(lake, 1)
    writer = start("stop_inside", settings.data)
    assert hear(writer) == "inside"
    told = rf"for 0 s: s/t, process {writer.pid} on .*ML_PLATFORM_LOCK_TIMEOUT"
    with Lake(settings.model_copy(update={"lock_timeout": 0.1})) as impatient, pytest.raises(LakeError, match=told):
        both_halves(impatient, 2)
    finish(writer)


@pytest.mark.parametrize("times", [5, pytest.param(20, marks=pytest.mark.slow)])
def test_four_processes_that_commit_many_times_each_lose_nothing(settings: Settings, times: int) -> None:
    # All four find no lake, so they also agree on who makes it.
    writers = [start("commit_many", settings.data, str(me), str(times)) for me in range(4)]
    for writer in writers:
        finish(writer)
    with Lake(settings) as lake:
        assert lake.rows("SELECT who, count(DISTINCT number) FROM s.many GROUP BY 1 ORDER BY 1") == [
            (me, times) for me in range(4)
        ]
        assert lake.value("SELECT count(*) FROM s.many") == 4 * times


def test_a_process_that_has_the_lake_open_writes_no_more_once_newer_code_has_raised_its_format(
    settings: Settings, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    both_halves(lake, 1)
    with monkeypatch.context() as newer_code:
        newer_code.setattr(lake_format, "FORMAT", lake_format.FORMAT + 1)
        with Lake(settings) as newer:
            both_halves(newer, 2)
    before = lake.rows(HALVES)
    refused = f"has format {lake_format.FORMAT + 1}; this version knows up to {lake_format.FORMAT}"
    with pytest.raises(LakeError, match=refused):
        both_halves(lake, 3)
    with pytest.raises(LakeError, match=refused):
        maintain(lake)
    assert lake.rows(HALVES) == before == [("a", 2, 500), ("b", 2, 500)], "it can still be read"


def test_a_forked_child_is_told_to_open_a_lake_of_its_own(lake: Lake) -> None:
    read, out = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            lake.rows("SELECT 1")
        except LakeError as error:
            os.write(out, str(error).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert "Open a Lake in the child" in os.read(read, 1000).decode()
    os.close(read)
    os.close(out)


def test_plain_duckdb_reads_the_lake_from_anywhere_while_a_run_writes(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The recipe of docs/sql.md: no data path, no platform.
    with Lake(settings) as lake:
        both_halves(lake, 1)
    writer = start("stop_inside", settings.data)
    assert hear(writer) == "inside"
    monkeypatch.chdir(tmp_path)
    with duckdb.connect(config={"allow_unsigned_extensions": True}) as plain:
        load_extensions(plain, ["ducklake", "sqlite_scanner"])
        plain.execute(f"ATTACH 'ducklake:sqlite:{settings.lake}/catalog.sqlite' AS lake (READ_ONLY)")
        assert plain.execute("SELECT v, count(*) FROM lake.s.t GROUP BY 1").fetchall() == [(1, 1000)]
    finish(writer)


def test_a_lake_opened_by_a_relative_path_is_found_from_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Lake(Settings(data=Path("data"))) as lake:
        both_halves(lake, 1)
    (tmp_path / "data").rename(tmp_path / "moved")
    monkeypatch.chdir("/")
    with Lake(Settings(data=tmp_path / "moved")) as lake, write(lake, Author("s/t")) as tx:
        tx.append("s", "t", pl.DataFrame({"v": [1]}), partition="a")
        assert lake.value("SELECT count(*) FROM s.t") == 1001
