"""The database of the operational state: made by migrations, opened by several processes, refused when newer."""

from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import insert, select, text, update

from ml_platform.errors import PlatformError, StateError
from ml_platform.lake.connection import Lake
from ml_platform.lake.transaction import Author
from ml_platform.settings import Settings
from ml_platform.state import database, ledger, migrate, schema
from ml_platform.state.database import State
from ml_platform.state.results import KINDS, Result, from_json, to_json
from ml_platform_tests.state.programs import start_recording
from ml_platform_tests.state.registry_rows import training


def test_the_migrations_make_what_the_schema_declares(state: State) -> None:
    with state.connection() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []


def test_the_revision_in_the_code_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).with_name("migrations")))
    assert ScriptDirectory.from_config(config).get_current_head() == schema.REVISION


def test_a_state_of_newer_code_is_refused_by_name(state: State, settings: Settings) -> None:
    with state.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StateError, match=r"state\.sqlite\) has revision 9999; this version knows up to"):
        State(settings)


def test_a_server_that_does_not_answer_is_told_to_be_checked_and_nothing_is_to_be_restored(tmp_path: Path) -> None:
    address = "postgresql://ml:sesame@127.0.0.1:1/lake"
    settings = Settings.model_validate({"data": tmp_path / "data", "catalog": address})
    openings: tuple[Callable[[], object], ...] = (
        lambda: database.lake_exists(settings),
        lambda: Lake(settings, read_only=True),
    )
    for opening in openings:
        with pytest.raises(PlatformError, match="Check that the PostgreSQL server runs") as refused:
            opening()
        assert "estore" not in str(refused.value) and "sesame" not in str(refused.value)


def test_a_read_only_state_is_never_written_and_one_that_is_missing_is_named(state: State, settings: Settings) -> None:
    reader = State(settings, read_only=True)
    with pytest.raises(StateError, match="opened read-only"), reader.writing():
        pass
    with reader.connection() as connection, pytest.raises(StateError, match="readonly"):
        connection.execute(insert(schema.imports).values(source="x", progress="done"))
    reader.close()
    with pytest.raises(StateError, match="no operational state in"):
        State(settings.model_copy(update={"data": settings.data / "elsewhere"}), read_only=True)


@pytest.mark.parametrize("value", ["\udcff", 10**30], ids=["bytes of another encoding", "a large number"])
def test_a_value_that_no_database_holds_is_named_and_no_space_is_asked_for(state: State, value: object) -> None:
    with pytest.raises(StateError, match="The database cannot hold a value") as refused, state.writing() as connection:
        connection.execute(insert(schema.imports).values(source=value, progress=value))
    assert "space" not in str(refused.value)


def test_the_database_enforces_what_must_never_be_doubled(state: State) -> None:
    from ml_platform.state.versions import register, stored

    version = register(state, training("a"))
    for changes in ({"content_key": "b"}, {"version": 2}):
        with pytest.raises(StateError, match="refused a row"), state.writing() as connection:
            connection.execute(insert(schema.versions).values(stored(version) | changes))
    with pytest.raises(StateError, match="FOREIGN KEY"), state.writing() as connection:
        connection.execute(
            insert(schema.promotions).values(
                pipeline="delays", version=7, action="promoted", partition="", effective_at=version.created_at,
                reason="", actor="", run_id="", recorded_at=version.created_at,
            )
        )  # fmt: skip
    with pytest.raises(StateError, match="CHECK"), state.writing() as connection:
        connection.execute(
            insert(schema.decisions).values(
                pipeline="delays", partition="", outcome="perhaps", reason="", policy="{}", evidence="{}", run_id="",
                recorded_at=version.created_at,
            )
        )  # fmt: skip


def test_a_state_of_an_unknown_older_revision_is_refused_by_name(state: State, settings: Settings) -> None:
    with state.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0000-a-branch'"))
    with pytest.raises(StateError, match=r"cannot be migrated: .*0000-a-branch"):
        State(settings)


def test_a_database_whose_tables_are_gone_is_a_fault_of_the_state(state: State) -> None:
    with state.writing() as connection:
        connection.execute(text("DROP TABLE decisions"))
    with pytest.raises(StateError, match=r"state\.sqlite\) .*no such table: decisions"):
        state.rows(select(schema.decisions))


def test_every_result_comes_back_from_its_stored_form() -> None:
    for kind in KINDS.values():
        assert from_json(to_json(kind())) == kind()


def test_a_result_of_newer_code_is_refused_by_name() -> None:
    for stored in ('{"kind": "oracle", "version": 1}', '{"kind": "predictions", "version": 99}'):
        with pytest.raises(StateError, match="which this version does not know"):
            from_json(stored)


def test_four_processes_that_find_nothing_make_one_database_and_lose_nothing(settings: Settings) -> None:
    writers = [start_recording(settings.data, str(number)) for number in range(4)]
    assert [writer.wait(timeout=120) for writer in writers] == [0] * 4
    state = State(settings)
    assert len(ledger.history(state, "a")) == 4 * 25
    state.close()


def test_a_record_can_be_changed_by_nobody_who_only_reads(state: State) -> None:
    ledger.record(state, Author("a", "1", "k"), rows=1, result=Result())
    with state.connection() as connection:
        connection.execute(update(schema.records).values(rows=2))
    assert ledger.latest(state, "a")["a", "1"].rows == 1, "without `writing` nothing is committed"
    assert database.exists(state.settings)
