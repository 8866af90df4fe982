"""A fresh DAGSTER_HOME that several processes open at once works; a broken one is recognised, and the mend mends."""

import os
import re
import shlex
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    SensorInstigatorData,
    TickData,
    TickStatus,
)

from ml_platform.orchestration.instances import opened_instance
from ml_platform.orchestration.storage_faults import (
    EVENTS,
    FILES,
    RUNS,
    SCHEDULES,
    HomeBroken,
    SqliteFile,
    broken_files,
)
from ml_platform.orchestration.storages import GuardedSqliteScheduleStorage
from ml_platform_tests.orchestration.dagster_dev import CONFIG
from ml_platform_tests.orchestration.home_openers import nothing, opened_at_once, started_openers

PROCESSES = int(os.environ.get("ML_PLATFORM_TEST_PROCESSES", "5"))
ROUNDS = int(os.environ.get("ML_PLATFORM_TEST_ROUNDS", "20"))
HOMES = {"bare": "telemetry: {enabled: false}\n", "ours": CONFIG.read_text()}


def _fresh(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "dagster.yaml").write_text(text)
    return folder


def _assert_whole(home: Path, answers: list[str]) -> None:
    assert answers == ["opened"] * len(answers)
    assert list(broken_files(home, deep=True)) == []
    for file in FILES:
        with closing(sqlite3.connect(home / file.path)) as connection:
            assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,), file.path
    with closing(sqlite3.connect(home / RUNS.path)) as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (len(answers),)


def test_processes_that_open_a_fresh_home_at_once_all_work(tmp_path: Path) -> None:
    with started_openers(2, "ours") as processes:
        for name, text in HOMES.items():
            home = _fresh(tmp_path / name, text)
            _assert_whole(home, opened_at_once(processes, home))


@pytest.mark.slow
@pytest.mark.parametrize("how", ["ours", "dagster"])
def test_no_round_of_many_processes_breaks_a_fresh_home(tmp_path: Path, how: str) -> None:
    """Also when Dagster's own commands open it: then the storages of dagster.yaml take turns."""
    with started_openers(PROCESSES, how) as processes:
        for number in range(ROUNDS):
            bare = how == "ours" and number % 2
            home = _fresh(tmp_path / str(number), HOMES["bare" if bare else "ours"])
            _assert_whole(home, opened_at_once(processes, home))


def test_the_files_of_a_fresh_home_are_for_their_owner_only_before_dagster_opens_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    before = os.umask(0o022)
    request.addfinalizer(lambda: os.umask(before))
    home, modes = _fresh(tmp_path / "home", HOMES["ours"]), dict[str, int]()
    monkeypatch.setenv("DAGSTER_HOME", str(home))

    def look(database: str, *rest: object, **options: object) -> sqlite3.Connection:
        path = Path(database.removeprefix("file:").partition("?")[0])
        if path.exists() and path.is_relative_to(home):
            modes.setdefault(str(path.relative_to(home)), path.stat().st_mode & 0o777)
        elif path.is_absolute():
            modes[str(path)] = 0
        return connect(database, *rest, **options)  # type: ignore[call-overload,no-any-return]  # as it was called

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3.dbapi2, "connect", look)
    with dg.DagsterInstance.get() as instance:
        first, second = (instance.create_run_for_job(nothing) for _ in range(2))
        for run in (first, second):
            instance.report_run_canceled(run)
    assert home.stat().st_mode & 0o777 == 0o700
    assert modes.keys() >= {file.path for file in FILES} and set(modes.values()) == {0o600}
    databases = [path for path in home.rglob("*.db*") if path.is_file()]
    assert len(databases) >= len(FILES) + 2
    assert {path.stat().st_mode & 0o777 for path in databases} == {0o600}


@pytest.fixture(scope="module")
def made_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one run."""
    home = _fresh(tmp_path_factory.mktemp("made") / "home", HOMES["bare"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(home))
        with opened_instance() as instance:
            instance.create_run_for_job(nothing)
    return home


@pytest.fixture
def home(made_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy = tmp_path / "home of a person"
    shutil.copytree(made_home, copy)
    monkeypatch.setenv("DAGSTER_HOME", str(copy))
    return copy


def _fault() -> HomeBroken:
    with pytest.raises(HomeBroken) as raised, opened_instance():
        pass
    return raised.value


@pytest.mark.parametrize("config", HOMES.values(), ids=HOMES)
@pytest.mark.parametrize("file", FILES, ids=lambda file: Path(file.path).stem)
def test_a_home_with_two_revisions_is_named_and_the_mend_keeps_its_runs(
    home: Path, file: SqliteFile, config: str
) -> None:
    (home / "dagster.yaml").write_text(config)
    with closing(sqlite3.connect(home / file.path, isolation_level=None)) as connection:
        connection.execute("INSERT INTO alembic_version VALUES ('5771160a95ad')")
    fault = _fault()
    assert f"{home / file.path} has 2 revisions" in fault.what
    if config == HOMES["ours"]:
        with pytest.raises(HomeBroken, match="has 2 revisions"):  # as `dagster dev` opens it
            dg.DagsterInstance.get()
    command, path, statement = shlex.split(re.search(r"(sqlite3 .*)\. It keeps", fault.remedy)[1])  # type: ignore[index]  # it is there
    assert (command, path) == ("sqlite3", str(home / file.path))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement)
    with opened_instance() as instance:
        assert instance.get_runs_count() == 1


@pytest.mark.parametrize("file", FILES, ids=lambda file: Path(file.path).stem)
@pytest.mark.parametrize("damage", ["no database", "a table is gone"])
def test_a_damaged_home_is_named_and_the_mend_makes_it_anew(home: Path, file: SqliteFile, damage: str) -> None:
    gone = {RUNS: "run_tags", EVENTS: "asset_keys", SCHEDULES: "jobs"}[file]
    if damage == "no database":
        (home / file.path).write_bytes(b"what is this?" * 500)
        for beside in (home / file.path).parent.glob(f"{Path(file.path).name}-*"):
            beside.unlink()
    else:
        with closing(sqlite3.connect(home / file.path, isolation_level=None)) as connection:
            connection.execute(f"DROP TABLE {gone}")
    fault = _fault()
    expected = "is damaged: file is not a database" if damage == "no database" else f"lacks the tables {gone}"
    assert f"{home / file.path} {expected}" in fault.what
    command, what, where = shlex.split(re.search(r"(mv .*)\. The next start", fault.remedy)[1])  # type: ignore[index]  # it is there
    assert command == "mv"
    Path(what).rename(where)
    with opened_instance() as instance:
        assert instance.get_runs_count() == (1 if file == SCHEDULES else 0)


def test_damage_that_only_a_query_meets_is_named_when_it_is_met(home: Path) -> None:
    path = home / RUNS.path
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")  # all of it is in the one file then
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'runs'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    content = bytearray(path.read_bytes())
    content[(page - 1) * size : page * size] = b"\xff" * size
    path.write_bytes(content)
    assert [fault.what for fault in broken_files(home)] == [], "a quick look does not read every page"
    with pytest.raises(HomeBroken, match=r"runs\.db is damaged"), opened_instance() as instance:
        instance.get_runs()
    assert len(list(broken_files(home, deep=True))) == 1, "`doctor` does"


def test_a_home_without_files_has_no_fault(tmp_path: Path) -> None:
    assert list(broken_files(tmp_path, deep=True)) == []


SENSOR = RemoteInstigatorOrigin(
    RemoteRepositoryOrigin(GrpcServerCodeLocationOrigin(host="town", port=1, location_name="trips"), "__repository__"),
    "landing",
)


def _ticked(instance: dg.DagsterInstance, reason: str, at: float) -> None:
    """What the daemon stores for a tick that skips."""
    selector = SENSOR.get_selector().get_id()
    state = instance.get_instigator_state(SENSOR.get_id(), selector)
    data = SensorInstigatorData(cursor=reason)
    if state is None:
        instance.add_instigator_state(InstigatorState(SENSOR, InstigatorType.SENSOR, InstigatorStatus.RUNNING, data))
    else:
        instance.update_instigator_state(state.with_data(data))
    began = TickData(SENSOR.get_id(), "landing", InstigatorType.SENSOR, TickStatus.STARTED, at, selector_id=selector)
    tick = instance.create_tick(began)
    instance.update_tick(tick.with_status(TickStatus.SKIPPED).with_reason(reason))


def test_storages_with_open_connections_hold_what_dagsters_own_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, reasons = _fresh(tmp_path / "home", ""), list[str]()
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    for name in ("ours", "bare", "ours"):
        (home / "dagster.yaml").write_text(HOMES[name])
        with dg.DagsterInstance.get() as instance:
            reasons.append(f"{name} {len(reasons)}")
            _ticked(instance, reasons[-1], float(len(reasons)))
            instance.create_run_for_job(nothing, tags={"by": reasons[-1]})
            selector = SENSOR.get_selector().get_id()
            ticks = instance.get_ticks(SENSOR.get_id(), selector)
            (state,) = instance.all_instigator_state()
            assert [tick.skip_reason for tick in reversed(ticks)] == reasons
            assert isinstance(state.instigator_data, SensorInstigatorData)
            assert state.instigator_data.cursor == reasons[-1]
            assert sorted(run.tags["by"] for run in instance.get_runs()) == sorted(reasons)
    instance.purge_ticks(SENSOR.get_id(), selector, before=10.0)  # a storage that was closed opens again
    assert instance.get_ticks(SENSOR.get_id(), selector) == []


def test_a_data_migration_that_was_not_done_is_looked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = _fresh(tmp_path / "home", HOMES["ours"])
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    with dg.DagsterInstance.get():
        pass
    storage = GuardedSqliteScheduleStorage.from_local(str(home / "schedules"))
    assert not storage.has_built_index("another")
    storage.mark_index_built("another")
    assert storage.has_built_index("another") and storage.has_instigators_table()
