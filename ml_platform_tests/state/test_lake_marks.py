"""Lake and operational state that do not belong together are refused by name, and neither is replaced."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select

from ml_platform.errors import LakeError, PlatformError, StateError
from ml_platform.lake.connection import Lake
from ml_platform.lake.transaction import Author, stage, write
from ml_platform.runtime.questions import answer
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.sources.landing import land
from ml_platform.state import database, ledger, schema
from ml_platform.state.database import State
from ml_platform.state.publishing import publish
from ml_platform.state.results import Result
from ml_platform.state.stores import Stores, after
from ml_platform_tests import scenario

Opening = Callable[[Settings], object]


def _open(settings: Settings) -> None:
    Workspace.open(settings, {}).close()


def _read(settings: Settings) -> None:
    Workspace.open_for_reading(settings, {}).close()


def _ask(settings: Settings) -> None:
    answer(settings, "SELECT 1", limit=1)


BOTH = pytest.mark.parametrize("opening", [_open, _read, _ask], ids=["writing", "reading", "asking in SQL"])


@pytest.fixture
def settings(tmp_path: Path, empty_lake: Path) -> Settings:
    """Those of a lake that is closed: one file was read into raw, and nothing is published yet."""
    made = Settings(data=tmp_path / "data", lock_timeout=20, threads=1)
    shutil.copytree(empty_lake, made.lake)
    with closing(Workspace.open(made, {})) as workspace:
        put(workspace, 1)
    return made


def put(stores: Stores, value: int) -> None:
    lake, state, author = stores.lake, stores.state, Author("raw/t", "all", str(value), "run")
    with write(lake, author) as tx:
        tx.append("raw", "t", stage(lake, f"SELECT {value} AS v FROM range(50)"))
        after(tx, state, partial(ledger.record, state, author, rows=50, result=Result()))


def _kept(settings: Settings) -> dict[str, bytes]:
    """The bytes of everything that a refusal must not touch."""
    passing = ("write.lock", "write.holder", "lake.json", "-shm", "-wal")
    files = (path for path in settings.lake.rglob("*") if path.is_file() and not path.name.endswith(passing))
    return {str(path): path.read_bytes() for path in files}


@BOTH
def test_a_first_run_that_was_stopped_before_it_made_anything_leaves_a_lake_that_opens(
    tmp_path: Path, empty_lake: Path, opening: Opening
) -> None:
    made = Settings(data=tmp_path / "data", lock_timeout=20, threads=1)
    shutil.copytree(empty_lake, made.lake)
    with closing(Workspace.open(made, {})) as workspace:
        publish(workspace)  # as every run does at its end
    opening(made)


def _refused(settings: Settings, opening: Opening, error: type[PlatformError], words: str) -> None:
    before = _kept(settings)
    for _ in range(2):
        with pytest.raises(error, match=words):
            opening(settings)
    assert _kept(settings) == before


@BOTH
@pytest.mark.parametrize("emptied", [False, True], ids=["deleted", "emptied"])
def test_a_state_that_is_lost_before_anything_was_published_is_not_made_anew(
    settings: Settings, opening: Opening, emptied: bool
) -> None:
    (settings.lake / "state.sqlite").unlink()
    if emptied:
        (settings.lake / "state.sqlite").touch()
    _refused(settings, opening, StateError, r"state.sqlite\) is missing or empty.*ml-platform restore")


@BOTH
def test_a_state_whose_rows_are_gone_is_not_taken_for_a_new_one(settings: Settings, opening: Opening) -> None:
    (settings.lake / "state.sqlite").unlink()
    elsewhere = settings.model_copy(update={"data": settings.data / "elsewhere"})
    State(elsewhere).close()
    shutil.copy(elsewhere.lake / "state.sqlite", settings.lake)
    shutil.rmtree(elsewhere.data)
    with closing(sqlite3.connect(settings.lake / "state.sqlite")) as state, state:
        state.execute("INSERT INTO imports VALUES ('lake', 'done')")
    _refused(settings, opening, StateError, r"is missing or empty, and the lake in .* has tables.*ml-platform restore")


@BOTH
def test_a_state_of_garbage_is_named(settings: Settings, opening: Opening) -> None:
    (settings.lake / "state.sqlite").write_bytes(b"These are not the bytes of a database. " * 500)
    _refused(settings, opening, StateError, r"state.sqlite\) cannot be opened: .*not a database")


def test_nobody_makes_a_state_beside_a_lake_but_the_first_run(settings: Settings) -> None:
    (settings.lake / "state.sqlite").unlink()
    file = settings.data / "trips_2024-01.csv"
    file.write_text(scenario.csv(scenario.trip_rows("2024-01")))
    with pytest.raises(StateError, match=r"is missing or empty, and the lake in .* has tables"):
        land(settings, scenario.trips_, [file], arrived=datetime(2024, 2, 1, tzinfo=UTC))
    assert not database.exists(settings)


@BOTH
def test_a_catalog_that_is_older_than_its_state_is_refused(settings: Settings, opening: Opening) -> None:
    older = shutil.copyfile(settings.lake / "catalog.sqlite", settings.data / "older")
    with closing(Workspace.open(settings, {})) as workspace:
        put(workspace, 2)
    newer = shutil.copyfile(settings.lake / "catalog.sqlite", settings.data / "newer")
    shutil.copyfile(older, settings.lake / "catalog.sqlite")
    _refused(
        settings,
        opening,
        StateError,
        r"is older than its operational state: its last snapshot is \d.*ml-platform restore",
    )
    shutil.copyfile(newer, settings.lake / "catalog.sqlite")
    opening(settings)


@BOTH
def test_a_new_catalog_in_the_place_of_the_old_one_is_refused(
    settings: Settings, opening: Opening, tmp_path: Path
) -> None:
    other = Settings(data=tmp_path / "other", threads=1)
    Lake(other).close()
    shutil.copyfile(other.lake / "catalog.sqlite", settings.lake / "catalog.sqlite")
    _refused(settings, opening, StateError, r"is of another lake than the one in .*ml-platform restore")


@BOTH
def test_a_state_of_another_lake_is_refused_though_it_has_no_mark(
    opening: Opening, january: Path, tmp_path: Path
) -> None:
    ours, other = Settings(data=tmp_path / "data", threads=1), tmp_path / "other.sqlite"
    shutil.copytree(january, ours.data)
    with closing(Workspace.open(ours, {})) as workspace:
        publish(workspace)
    shutil.copyfile(ours.lake / "state.sqlite", other)
    with closing(sqlite3.connect(other)) as state, state:
        state.execute("DELETE FROM lake_marks")
        state.execute("UPDATE records SET content_key = 'of another table'")
    shutil.copyfile(other, ours.lake / "state.sqlite")
    _refused(ours, opening, StateError, "is of another lake than the one in")


def test_a_state_without_a_mark_is_marked_by_who_opens_it_for_writing(settings: Settings) -> None:
    with closing(sqlite3.connect(settings.lake / "state.sqlite")) as state, state:
        state.execute("DELETE FROM lake_marks")
    _read(settings)
    _open(settings)
    with closing(Workspace.open(settings, {})) as workspace:
        assert [mark.lake for mark in workspace.state.rows(select(schema.lake_marks))] == [workspace.lake.identity]


@BOTH
def test_a_catalog_that_is_missing_is_not_made_anew_where_the_state_knows_records(
    settings: Settings, opening: Opening
) -> None:
    (settings.lake / "catalog.sqlite").unlink()
    shutil.rmtree(settings.lake / "tables")
    _refused(
        settings, opening, LakeError, r"missing or empty, and the operational state has 1 record .*ml-platform rest"
    )


@BOTH
def test_a_catalog_that_names_no_file_is_damaged(settings: Settings, opening: Opening) -> None:
    with closing(sqlite3.connect(settings.lake / "state.sqlite")) as state, state:
        state.execute(
            "INSERT INTO files VALUES (1, 't', 'a', 'a.csv', 1, '', 1, 1, 50, '{}', '2024-01-01 00:00:00.000000', 0, "
            "'ingested', NULL, NULL, NULL, '', '', '2024-01-01 00:00:00.000000', NULL)"
        )
    with closing(sqlite3.connect(settings.lake / "catalog.sqlite")) as catalog, catalog:
        catalog.execute("DELETE FROM ducklake_data_file")
    _refused(settings, opening, LakeError, r"damaged: it names none of the files of its tables.*ml-platform restore")


def test_an_arrival_that_was_declared_before_the_first_run_hinders_no_new_lake(tmp_path: Path) -> None:
    new = Settings(data=tmp_path / "new", threads=1)
    file = tmp_path / "trips_2024-01.csv"
    file.write_text(scenario.csv(scenario.trip_rows("2024-01")))
    land(new, scenario.trips_, [file], arrived=datetime(2024, 2, 1, tzinfo=UTC))
    assert database.exists(new)
    _open(new)
    _read(new)


def test_tables_of_others_in_a_lake_that_no_run_has_written_to_hinder_no_new_state(tmp_path: Path) -> None:
    new = Settings(data=tmp_path / "new", threads=1)
    with Lake(new) as lake, write(lake, Author("mine")) as tx:
        tx.append("mine", "t", stage(lake, "SELECT 1 AS v FROM range(20)"))
    _open(new)
