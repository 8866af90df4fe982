"""Forgetting a customer: no byte is left, nothing else changes, and a record says so."""

import json
import shutil
import stat
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest
from filelock import FileLock

from ml_platform.erasure import Report, entity_of, forget, forget_again, resume
from ml_platform.erasure.errors import ErasureRefused
from ml_platform.errors import LakeError, TrainingError
from ml_platform.lake import data_files
from ml_platform.lake.work_marks import marked
from ml_platform.serving.opening_store import open_store
from ml_platform.spec.declarations import Broken, Declarations
from ml_platform.state import alerts, erasures, experiments, versions
from ml_platform.state.database import State
from ml_platform.training.reproduction import reproduce
from ml_platform.views.health import examine
from ml_platform.views.version_card import card_of
from ml_platform_tests import scenario
from ml_platform_tests.built_once import built_once
from ml_platform_tests.erasure import churn_world
from ml_platform_tests.erasure.churn_world import MARK, WHO, declared, holding, settings_of
from ml_platform_tests.world import World

CUSTOMERS = scenario.churn().table("customers")


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_once(tmp_path_factory, "forgetting", churn_world.build)


@pytest.fixture(scope="module")
def once(used: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same after the customer was forgotten."""

    def build(data: Path) -> None:
        shutil.copytree(used, data)
        assert forgotten(data, why="a request").done

    return built_once(tmp_path_factory, "forgotten", build)


@pytest.fixture
def after(once: Path, tmp_path: Path) -> Path:
    return shutil.copytree(once, tmp_path / "data")


@pytest.fixture
def data(used: Path, tmp_path: Path) -> Path:
    return shutil.copytree(used, tmp_path / "data")


def opened(data: Path) -> World:
    return World(settings_of(data), [scenario.churn()], pictures=False)


def forgotten(data: Path, who: str = WHO, **options: object) -> Report:
    entity = entity_of(CUSTOMERS, [f"customer={who}"])
    return forget(settings_of(data), declared(), entity, actor="ann", **options)  # type: ignore[arg-type]


def contents(world: World) -> dict[str, list[tuple[object, ...]]]:
    """All rows of others in the tables that have customers, and the keys of everything."""
    tables = ["raw.customers", "validated.customers", "validated.logins", "churn.features", "quarantine.customers"]
    lake = world.ws.lake
    rows = {name: lake.rows(f"FROM {name} ORDER BY ALL") for name in tables}
    return {name: [row for row in of_table if MARK not in repr(row)] for name, of_table in rows.items()}


def test_a_slip_in_the_name_of_a_column_is_refused_and_is_not_nothing_to_forget() -> None:
    with pytest.raises(ErasureRefused, match=r"no column 'custmer'\. Did you mean 'customer'"):
        entity_of(CUSTOMERS, ["custmer=c007"])


def test_no_byte_of_a_customer_is_left_and_all_that_is_of_others_stays(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = churn_world.dagster_history(tmp_path / "home")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    with closing(opened(data)) as world:
        before, keys = contents(world), world.keys()
        churn_world.table_of_others(world)
        experiments.keep_output(world.ws.state, "a figure of a backtest", "", {"value": 0.5})  # it has no blob
    assert len(holding(data)) > 15, "the customer is everywhere"
    report = forgotten(data, why="a request of 3 May")
    assert report.done and report.versions == ("churn@1", "churn@2")
    assert report.counts["raw.customers"] == 4 and report.counts["churn.served"] == 1
    assert report.counts["landed files of customers"] == 1
    (theirs,) = [line for line in report.unreached if line.startswith("marketing.letters")]
    assert "1 row with customer" in theirs
    left = holding(data)
    assert all("marketing" in path or "catalog" in path for path in left), left
    assert holding(tmp_path / "home") == [] and "c008" in history.read_bytes().decode(errors="replace")
    with closing(opened(data)) as world:
        assert contents(world) == before and world.keys() == keys
        assert world.planned() == [], "nothing counts as changed"
        (record,) = erasures.all_erasures(world.ws.state)
        assert record.status == "done" and record.versions == report.versions and MARK not in repr(record)
        assert "cannot be reproduced since" in card_of(world.ws, world.pipeline, 2)
        assert [row[0] for row in world.ws.lake.rows("SELECT role FROM churn.served")] == ["champion"]
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))  # without the history of above, which is none of Dagster's own
    findings = list(examine(lambda: settings_of(data), lambda _: declared(), deep=True))
    (said,) = [one for one in findings if one.state == "bad"]
    assert said.name == "open alert" and said.detail == "About (forgotten)"


@pytest.mark.slow
def test_a_record_says_that_it_was_done_and_where_and_nothing_of_whom(after: Path) -> None:
    with closing(State(settings_of(after), read_only=True)) as state:
        (one,) = erasures.all_erasures(state)
        assert (one.table_name, one.key_columns, one.actor, one.why, one.status) == (
            *("customers", ("customer",), "ann", "a request", "done"),
        )
        assert one.counts["validated.customers"] == 1 and one.versions == ("churn@1", "churn@2")
        assert one.ended_at is not None and one.ended_at > one.begun_at
        salt = erasures.salt_file(state.settings)
        assert stat.S_IMODE(salt.stat().st_mode) == 0o600
        assert erasures.forgotten_among(state, "logins", ["customer"], [(WHO,), ("c008",)]) == [(WHO,)]
        salt.unlink()
        assert erasures.forgotten_among(state, "logins", ["customer"], [(WHO,)]) == []
        assert erasures.is_salt_lost(state)
    findings = [one for one in examine(lambda: settings_of(after), lambda _: declared()) if one.name == "erasure"]
    assert [one.state for one in findings] == ["warn"]


@pytest.mark.slow
def test_a_version_says_that_it_cannot_be_reproduced_and_serves_on(after: Path) -> None:
    with closing(opened(after)) as world:
        version = versions.version(world.ws.state, "churn", 2)
        with pytest.raises(TrainingError, match=r"cannot be reproduced since .* were forgotten"):
            reproduce(world.ws.blobs, version.training_set, version.bundle)
        assert "cannot be reproduced since" in card_of(world.ws, world.pipeline, 2)
        digest = version.training_set
        assert world.ws.blobs.present(digest) != digest and world.ws.blobs.whole(digest)
        assert WHO not in pl.read_parquet(world.ws.blobs.get(digest))["customer"].to_list()


@pytest.mark.slow
def test_rows_that_the_lake_loses_later_come_again_without_the_customer(after: Path) -> None:
    with closing(opened(after)) as world:
        before = contents(world)
        for file in data_files.current(world.ws.lake, tables=[("raw", "customers"), ("raw", "logins")]):
            file.path.unlink()
    with closing(opened(after)) as world:
        world.run()
        logins = world.ws.lake.rows("FROM validated.logins ORDER BY ALL")
        assert logins == before["validated.logins"]
        assert world.ws.lake.value("SELECT count(*) FROM raw.logins") == len(logins)
        assert world.ws.lake.rows(f"SELECT count(*) FROM raw.logins WHERE contains(customer, '{MARK}')") == [(0,)]
    assert holding(after) == []


@pytest.mark.slow
def test_the_original_file_is_refused_when_it_lands_once_more(data: Path) -> None:
    original = (data / "landing" / "logins" / "2024-03.csv").read_bytes()
    forgotten(data)
    file = data / "landing" / "logins" / "2024-03.csv"
    assert file.read_bytes() != original
    file.write_bytes(original)
    with closing(opened(data)) as world:
        before = contents(world)
        world.run()
        assert contents(world) == before
        outcome = world.step("raw/logins", "all")
        assert "rows that were forgotten" in json.dumps(outcome.display["refused"])


@pytest.mark.slow
def test_a_forgotten_key_that_arrives_again_is_an_alert_until_it_is_forgotten_again(after: Path) -> None:
    with closing(opened(after)) as world:
        world.land("logins", "later.csv", churn_world.renamed(scenario.login_rows(churn_world.NEXT)), churn_world.NEXT)
        world.run()
        outcome = world.step("validated/logins", "all")
        (again,) = [one for one in outcome.alerts if one.about == "forgotten rows"]
        assert "forget logins --again" in again.text and MARK not in again.text
        alerts.raise_(world.ws.state, [again])
    (report,) = forget_again(settings_of(after), declared(), scenario.churn().table("logins"), actor="ann", why="again")
    assert report.done and report.counts["raw.logins"] > 0
    shutil.rmtree(after / "outside")
    assert holding(after) == []
    assert forget_again(settings_of(after), declared(), CUSTOMERS, actor="ann", why="") == []
    with closing(State(settings_of(after), read_only=True)) as state:
        assert not [one for one in alerts.open_alerts(state, ["contract"]) if one.about == "forgotten rows"]


@pytest.mark.slow
def test_nothing_is_forgotten_of_whom_nothing_is_known_and_a_dry_run_changes_nothing(data: Path) -> None:
    files = {path: path.read_bytes() for path in (data / "landing").rglob("*.csv")}
    nobody = forgotten(data, "nobody at all")
    assert not nobody.counts and not nobody.done
    outlook = forgotten(data, dry_run=True)
    assert outlook.counts["raw.customers"] == 4 and outlook.versions == ("churn@1", "churn@2") and not outlook.done
    refused = forgotten(data, confirm=lambda _: False)
    assert not refused.done
    assert {path: path.read_bytes() for path in (data / "landing").rglob("*.csv")} == files
    with closing(State(settings_of(data), read_only=True)) as state:
        assert erasures.all_erasures(state) == [] and not erasures.salt_file(state.settings).exists()


@pytest.mark.slow
def test_it_is_done_once_and_a_second_time_finds_nothing(data: Path) -> None:
    forgotten(data)
    assert not forgotten(data).counts
    second = forgotten(data, "c008")
    assert second.done and second.counts["training sets of churn"] == 2
    with closing(opened(data)) as world:
        assert world.planned() == []
        left = {row[0] for row in world.ws.lake.rows("SELECT customer FROM raw.customers")}
        assert len(left) == 58 and "c008" not in left


@pytest.mark.slow
def test_it_waits_for_runs_and_refuses_what_would_hide_rows_or_name_them(data: Path) -> None:
    settings = settings_of(data)
    with marked(settings.lake, "a-run"), pytest.raises(ErasureRefused, match="1 run is at work"):
        forgotten(data)
    with pytest.raises(ErasureRefused, match="The reason names"):
        forgotten(data, why=f"{WHO} asked for it")
    error = scenario.churn  # any declaration that does not load
    broken = Declarations({"churn": scenario.churn()}, (Broken("theirs", ("theirs",), error),))  # type: ignore[arg-type]
    with pytest.raises(ErasureRefused, match="theirs does not load"):
        forget(settings, broken, entity_of(CUSTOMERS, [f"customer={WHO}"]), actor="ann")
    with closing(State(settings, read_only=True)) as state:
        assert erasures.all_erasures(state) == []


@pytest.mark.slow
def test_while_it_is_not_finished_nothing_else_writes_and_doctor_says_so(data: Path) -> None:
    settings = settings_of(data)
    (settings.lake / "forgetting").mkdir()
    (settings.lake / "forgetting" / "plan.json").write_text("{}")
    with pytest.raises(LakeError, match="--resume"):
        opened(data)
    findings = [one for one in examine(lambda: settings, lambda _: declared()) if one.name == "erasure"]
    assert [one.state for one in findings] == ["bad"]
    with pytest.raises(ErasureRefused, match="not finished"):
        forgotten(data)


@pytest.mark.slow
def test_the_online_store_answers_without_the_customer_at_once(data: Path) -> None:
    with closing(open_store(settings_of(data))) as serving:  # of a service that is at work meanwhile
        filled = serving.fillings()
        forgotten(data)
        assert serving.fillings().keys() == filled.keys()
        assert sum(one.values for one in serving.fillings().values()) < sum(one.values for one in filled.values())
    assert holding(data / "online") == []


def test_an_entity_is_named_by_any_column_and_its_joins() -> None:
    pipeline = scenario.churn()
    composite = entity_of(CUSTOMERS, ["customer=a=b", "taken_at=2024-03-01T00:00:00Z"])
    assert composite.columns == ("customer", "taken_at") and composite.values == (("a=b", "2024-03-01T00:00:00Z"),)
    assert entity_of(pipeline.table("logins"), ["007"]).values == (("007",),)
    for keys, message in (
        ([], "No key was given"),
        (["x"], "does not say of which column"),
        (["customer=a", "customer=b", "taken_at=2024-03-01T00:00:00Z"], "which belong together"),
        (["taken_at=yesterday"], "is no value of customers"),
    ):
        with pytest.raises(ErasureRefused, match=message):
            entity_of(CUSTOMERS, keys)
    with pytest.raises(ErasureRefused, match=r"is no value of logins\.login"):
        entity_of(pipeline.table("logins"), ["1.5"])


def test_two_processes_do_not_forget_at_once(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    (settings.lake / "locks").mkdir(parents=True)
    with FileLock(settings.lake / "locks" / "erasure.lock"), pytest.raises(ErasureRefused, match="Another process"):
        resume(settings, declared())
