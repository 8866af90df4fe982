"""An old lake is carried over once: with a copy of its catalog, and to its end after an interruption."""

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import func, select

from ml_platform.discovery import slices_of
from ml_platform.errors import StateError
from ml_platform.lake.connection import Lake
from ml_platform.runtime.questions import answer
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.state import old_lakes, schema
from ml_platform.state.database import State
from ml_platform.state.publishing import publish
from ml_platform_tests.state.old_lake import expected, unpack
from ml_platform_tests.state.old_lake.declared import PIPELINES
from ml_platform_tests.state.old_lake.digest import digest

SLICES = slices_of(PIPELINES)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Those of an old lake that no newer code has opened yet."""
    return unpack(tmp_path / "data")


@pytest.fixture(scope="module")
def carried_over(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Those of a lake that was carried over without a disturbance; whoever writes to it copies it."""
    settings = unpack(tmp_path_factory.mktemp("carried_over") / "data")
    Workspace.open(settings, SLICES).close()
    return settings


def _counts(settings: Settings) -> dict[str, int]:
    with closing(State(settings)) as state:
        return {
            name: state.value(select(func.count()).select_from(table))
            for name, table in schema.metadata.tables.items()
            if name != "imports"
        }


def _tables(settings: Settings) -> set[str]:
    with Lake(settings, read_only=True) as lake:
        rows = lake.rows("SELECT schema_name || '.' || table_name FROM duckdb_tables() WHERE database_name = 'lake'")
        return {name for (name,) in rows}


def test_everything_is_carried_over_once_and_its_tables_leave_the_lake(settings: Settings) -> None:
    Workspace.open(settings, SLICES).close()
    counts = _counts(settings)
    assert counts["records"] == counts["record_details"] >= len(expected()["materializations"])
    assert counts["versions"] == sum(len(one["versions"]) for one in expected()["pipelines"].values())
    assert counts["promotions"] == sum(len(one["promotions"]) for one in expected()["pipelines"].values())
    assert counts["decisions"] == sum(len(one["decisions"]) for one in expected()["pipelines"].values())
    assert counts["alerts"] == len(expected()["alerts"])
    left = _tables(settings)
    assert left.isdisjoint(old_lakes._DROPPED) and "trip_delay.decisions" not in left
    Workspace.open(settings, SLICES).close()
    assert _counts(settings) == counts


def test_the_catalog_as_it_was_stands_beside_the_new_one(settings: Settings) -> None:
    Workspace.open(settings, SLICES).close()
    backup = settings.lake / "catalog.before-state.sqlite"
    with closing(sqlite3.connect(backup)) as copy:
        (there,) = copy.execute(
            "SELECT count(*) FROM ducklake_table WHERE table_name = 'materializations' AND end_snapshot IS NULL"
        ).fetchone()
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert there == 1


def test_a_read_only_command_carries_an_old_lake_over_first(settings: Settings) -> None:
    with closing(Workspace.open_for_reading(settings, SLICES)) as workspace:
        assert workspace.state.value(select(func.count()).select_from(schema.records)) > 0


def test_sql_as_the_first_command_carries_an_old_lake_over(settings: Settings) -> None:
    counted = answer(settings, "SELECT count(*) FROM state.records", limit=None)
    assert counted.frame.item() >= len(expected()["materializations"])


def test_two_processes_that_open_an_old_lake_at_once_carry_it_over_once(
    settings: Settings, carried_over: Settings
) -> None:
    opens = (
        "import sys; from pathlib import Path; from ml_platform.runtime.workspace import Workspace;"
        "from ml_platform_tests.state.test_carrying_over import SLICES; from ml_platform.settings import Settings;"
        "Workspace.open(Settings(data=Path(sys.argv[1]), lock_timeout=120), SLICES).close()"
    )
    program = [sys.executable, "-c", opens, str(settings.data)]
    opening = [subprocess.Popen(program, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    ended = [(process.communicate()[1], process.returncode) for process in opening]
    assert [code for _, code in ended] == [0, 0], ended
    assert _counts(settings) == _counts(carried_over)


def test_a_new_lake_needs_no_carrying_over(tmp_path: Path) -> None:
    new = Settings(data=tmp_path)
    Workspace.open(new, {}).close()
    assert old_lakes.carried_over(new)


@pytest.mark.parametrize("lost", ["deleted", "emptied", "older"])
def test_a_lake_refuses_a_state_that_is_lost_or_older_and_changes_nothing(
    carried_over: Settings, lost: str, tmp_path: Path
) -> None:
    settings = carried_over.model_copy(update={"data": Path(shutil.copytree(carried_over.data, tmp_path / "data"))})
    with closing(Workspace.open(settings, SLICES)) as workspace:
        publish(workspace)
    file = settings.lake / "state.sqlite"
    kept, tables = file.read_bytes(), _tables(settings)
    if lost == "older":
        with closing(sqlite3.connect(file)) as copy, copy:
            copy.execute("DELETE FROM records WHERE id > (SELECT min(id) FROM records)")
    else:
        file.unlink()
    if lost == "emptied":
        file.touch()
    for open_it in (Workspace.open, Workspace.open_for_reading) * 2:
        with pytest.raises(StateError, match=r"missing or empty|older than the lake"):
            open_it(settings, SLICES)
    assert _tables(settings) == tables
    file.write_bytes(kept)
    Workspace.open(settings, SLICES).close()


@pytest.mark.parametrize("killed_in", ["_back_up", "_copy", "_drop"])
def test_what_was_interrupted_is_carried_over_by_the_next_opening(
    settings: Settings, carried_over: Settings, killed_in: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = getattr(old_lakes, killed_in)

    def killed(*arguments: object) -> None:
        original(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(old_lakes, killed_in, killed)
        Workspace.open(settings, SLICES)
    Workspace.open(settings, SLICES).close()
    assert _counts(settings) == _counts(carried_over)
    assert _tables(settings) == _tables(carried_over)


def test_the_story_of_an_old_lake_is_told_in_the_lake_again(settings: Settings) -> None:
    with closing(Workspace.open(settings, SLICES)) as workspace:
        publish(workspace)
        columns = {
            "nodes": "kind, asset, partition, content_key, output, rows, stands, reads",
            "edges": "*",
            "files": '"table", path, version, sha256, status, error',
        }
        for view, listed in columns.items():
            rows = workspace.lake.frame(f"SELECT {listed} FROM lineage.{view}")
            assert digest(rows) == expected()["lineage"][view], view
