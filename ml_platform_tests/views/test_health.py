"""An examination finds what is wrong and says how to mend it, each thing by itself."""

import importlib
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from filelock import FileLock
from polars.exceptions import PanicException
from sqlalchemy import select, update

from ml_platform.errors import DeclarationError, first_line
from ml_platform.lake.transaction import Author
from ml_platform.settings import Settings
from ml_platform.spec.declarations import Broken, Declarations
from ml_platform.spec.sources import Sql
from ml_platform.state import alerts, engine, ledger, promotions, schema
from ml_platform.state.alerts import Kind, alert
from ml_platform.state.database import State
from ml_platform.state.results import ChampionOutcome, ChampionResult
from ml_platform.state.versions import version
from ml_platform.views import machine_health, stores_health
from ml_platform.views.env_file_health import readable_credentials
from ml_platform.views.health import examine
from ml_platform.views.health_finding import Finding
from ml_platform_tests import scenario

TRIPS = scenario.trips()
STORES_TABLES = (stores_health.LAKE, stores_health.STATE, stores_health.PIPELINE, stores_health.STORES)


@pytest.fixture
def platform(january: Path, tmp_path: Path) -> Settings:
    """A copy of a platform on which trips ran through January."""
    shutil.copytree(january, tmp_path / "data")
    return Settings(data=tmp_path / "data", threads=2)


@pytest.fixture(scope="module")
def broken_free(january: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, list[Finding]]:
    """A sound platform with a file that waits, and what is seen of it."""
    folder = tmp_path_factory.mktemp("sound") / "data"
    shutil.copytree(january, folder)
    shutil.copy(next((folder / "landing" / "trips").glob("*.csv")), folder / "landing" / "trips" / "trips_again.csv")
    settings = Settings(data=folder, threads=2)
    return settings, examine(lambda: settings, _declared)


def _declared(_: Settings) -> Declarations:
    return Declarations({TRIPS.name: TRIPS})


def _findings(settings: Settings) -> list[Finding]:
    return examine(lambda: settings, _declared)


def _finding(settings: Settings, name: str) -> Finding:
    """The first of that name."""
    return next(finding for finding in _findings(settings) if finding.name == name)


def test_a_sound_platform_has_nothing_bad(platform: Settings) -> None:
    states = {finding.name: finding.state for finding in _findings(platform)}
    assert set(states) == {
        "settings", "declarations", "landing folder", "lake folder", "artifacts folder", "disk", "DAGSTER_HOME",
        "catalog", "write lock", "lake", "state", "data files", "quarantine", "partitions", "champion", "open alert",
        "versions", "landed files",
    }  # fmt: skip
    assert "bad" not in states.values() and states["champion"] == states["data files"] == states["versions"] == "ok"
    assert [finding for finding in _findings(platform) if finding.state != "ok" and not finding.remedy] == []


def test_a_file_that_left_while_its_rows_stand_is_named_with_the_command_that_withdraws_it(platform: Settings) -> None:
    (platform.landing / "drivers.csv").unlink()
    finding = _finding(platform, "file that left")
    assert (finding.state, finding.detail) == (
        "warn",
        "drivers: drivers.csv left the landing folder while its rows stand.",
    )
    assert "ml-platform withdraw drivers FILE --why" in finding.remedy


def test_files_that_wait_are_counted(platform: Settings) -> None:
    assert _finding(platform, "landed files") == Finding("landed files", "ok", "trip_delay: none waits")
    landed = platform.landing / "trips"
    for name in ("trips_again.csv", "trips_more.csv"):
        shutil.copy(next(landed.glob("*.csv")), landed / name)
    assert _finding(platform, "landed files") == Finding(
        "landed files", "warn", "trip_delay: 2 of trips wait", "`ml-platform run trip_delay`"
    )


def test_a_lost_data_file_is_named(platform: Settings) -> None:
    next((platform.lake / "tables" / "trip_delay" / "features").rglob("*.parquet")).unlink()
    finding = _finding(platform, "data files")
    assert finding.state == "bad" and "trip_delay.features" in finding.detail and "run" in finding.remedy


def test_a_champion_whose_bundle_is_damaged_is_named(platform: Settings) -> None:
    with closing(State(platform)) as state:
        champion = promotions.champion_at(state, TRIPS.name)
        assert champion is not None
        bundle = version(state, TRIPS.name, champion).bundle
    (platform.artifacts / bundle[:2] / bundle).write_bytes(b"rust")
    finding = _finding(platform, "champion")
    assert finding.state == "bad" and f"trip_delay@{champion}: its bundle is missing or damaged" in finding.detail


@pytest.mark.parametrize(
    ("outcome", "kind", "severity", "words"),
    [
        ("kept", "gate", "bad", "was kept out: it errs"),
        ("blocked", "blocked", "bad", "is blocked by data: it errs"),
        ("waiting", "gate", "warn", "waits for a gate: it errs"),
    ],
)
def test_a_candidate_that_does_not_serve_is_named_also_when_the_next_month_has_none(
    platform: Settings, outcome: ChampionOutcome, kind: Kind, severity: str, words: str
) -> None:
    with closing(State(platform)) as state:
        for month, result in (("2024-02", ChampionResult(outcome, 2, 1)), ("2024-03", ChampionResult("skipped"))):
            ledger.record(state, Author(f"{TRIPS.name}/champion", month, f"key of {month}"), rows=1, result=result)
        decided = datetime(2024, 3, 1, tzinfo=UTC)
        reason = "blocked by data: it errs" if outcome == "blocked" else "it errs"
        promotions.keep(state, TRIPS.name, partition="2024-02", effective_at=decided, reason=reason, actor="platform")
        finding = _finding(platform, "candidate")
        assert (finding.state, finding.detail) == (severity, f"trip_delay@2 of 2024-02 {words}")
        evidence = "key of 2024-02" if outcome == "blocked" else "trip_delay@2"
        about = alert(kind, f"{TRIPS.name}/x", "2024-02", "x", evidence=evidence, title="It errs", text="So it does.")
        alerts.raise_(state, [about])
        finding = _finding(platform, "candidate")
        assert finding.state == severity and about.alert_id in finding.remedy
        assert _finding(platform, "open alert").state == "ok", "it is told once"
        alerts.resolve(state, {about.alert_id: "we know"}, by="ada")
        assert _finding(platform, "candidate").detail.endswith("Resolved by ada: we know")


def test_open_alerts_of_one_cause_are_one_finding(platform: Settings) -> None:
    with closing(State(platform)) as state:
        for month in ("2024-01", "2024-02", "2024-03"):
            about = (f"{TRIPS.name}/drift", month, "score_drift")
            alerts.raise_(state, [alert("drift", *about, evidence=month, title=f"Drift: {month}", text="It moved.")])
        other = alert("drift", f"{TRIPS.name}/drift", "2024-01", "nulls", evidence="x", title="Nulls", text="More.")
        alerts.raise_(state, [other])
        newest = alerts.open_alerts(state, ["drift"])[1]
    nulls, moved = (finding for finding in _findings(platform) if finding.name == "open alert")
    assert nulls.detail == "Nulls"
    assert moved.detail == "Drift: 2024-03, and 2 older ones of the same cause"
    assert newest.alert_id in moved.remedy and "alerts --open" in moved.remedy


def test_libraries_that_changed_since_the_last_training_are_named(platform: Settings) -> None:
    column = schema.versions.c.environment
    with closing(State(platform)) as state, state.writing() as connection:
        for (environment,) in connection.execute(select(column)).all():
            other = environment.replace('"polars": "', '"polars": "0')
            connection.execute(update(schema.versions).where(column == environment).values(environment=other))
    finding = _finding(platform, "versions")
    assert finding.state == "warn" and "polars was 0" in finding.detail


def test_a_writer_that_holds_the_lock_is_told(platform: Settings) -> None:
    with FileLock(platform.lake / "write.lock"):
        finding = _finding(platform, "write lock")
    assert finding.state == "warn" and "held by" in finding.detail


def test_a_catalog_that_is_no_database_is_bad_and_only_that(settings: Settings) -> None:
    settings.lake.mkdir(parents=True)
    (settings.lake / "catalog.sqlite").write_bytes(b"rust" * 2000)
    assert _finding(settings, "lake").state == "bad" and "ml-platform restore" in _finding(settings, "lake").remedy
    assert _finding(settings, "declarations").state == "ok"


def test_a_lake_without_its_state_is_bad(platform: Settings) -> None:
    engine.path(platform).unlink()
    finding = _finding(platform, "state")
    assert finding.state == "bad" and finding.remedy and _finding(platform, "lake").state == "ok"


def test_no_lake_yet_is_no_fault(settings: Settings) -> None:
    assert _finding(settings, "lake").state == "warn" and "ml-platform run" in _finding(settings, "lake").remedy
    assert _finding(settings, "landing folder").state == "ok"


def test_a_folder_that_cannot_be_written_is_bad(settings: Settings) -> None:
    settings.data.write_text("a file where a folder should be")
    finding = _finding(settings, "landing folder")
    assert finding.state == "bad" and "ML_PLATFORM_DATA" in finding.remedy


def test_a_small_disk_is_shown_in_megabytes_with_what_is_needed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=12_000_000, total=40_000_000))
    finding = _finding(settings, "disk")
    assert finding.state == "bad" and finding.detail.startswith("12 MB of 40 MB free for ")
    assert finding.detail.endswith("; a run needs 300 MB, and 2.0 GB leave room for maintenance")


@pytest.mark.parametrize(("home", "state"), [("", "warn"), ("/nowhere/at/all", "bad"), ("relative", "bad")])
def test_a_home_of_dagster_that_does_not_serve_is_named(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, home: str, state: str, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)  # where no .dagster is
    monkeypatch.setenv("DAGSTER_HOME", home)
    assert _finding(settings, "DAGSTER_HOME").state == state


def test_declarations_that_do_not_load_hide_nothing_else(platform: Settings) -> None:
    def refused(_: Settings) -> Declarations:
        error = DeclarationError("Size", "-1 is no size", remedy="Use more.")
        return Declarations({TRIPS.name: TRIPS}, (Broken("town.churn", ("churn",), error),))

    findings = examine(lambda: platform, refused)
    assert Finding("declarations", "bad", "churn: Size: -1 is no size.", "Use more.") in findings
    assert [one.detail for one in findings if one.name == "declarations" and one.state == "ok"] == [
        "trip_delay from ml_platform.pipelines"
    ]
    assert next(one for one in findings if one.name == "data files").state == "ok"


def test_settings_that_do_not_load_are_the_only_finding() -> None:
    def refused() -> Settings:
        raise DeclarationError("ML_PLATFORM_THREADS", "no number", remedy="Change it.")

    assert examine(refused, _declared) == [Finding("settings", "bad", "ML_PLATFORM_THREADS: no number.", "Change it.")]


def _everything_that_looks() -> list[str]:
    """Every function behind a finding, as `module:name` or `module:table:key`."""
    tables = [
        f"stores_health:{table}:{key}"
        for table in ("LAKE", "STATE", "PIPELINE", "STORES")
        for key in getattr(stores_health, table)
    ]
    machine = [f"machine_health:MACHINE:{key}" for key in machine_health.MACHINE]
    functions = [
        "machine_health:_writable", "machine_health:holder", "health:strays", "health:machine_findings",
        "health:stores_findings", "stores_health:Lake", "stores_health:State", "health:readable_credentials",
        "data_health:pending", "data_health:refused", "data_health:foreseen", "champion_health:version",
        "champion_health:Blobs",
    ]  # fmt: skip
    return [*tables, *machine, *functions]


@pytest.mark.parametrize("target", _everything_that_looks())
def test_whatever_one_look_raises_is_a_finding_and_hides_no_other(
    broken_free: tuple[Settings, list[Finding]], monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    settings, sound = broken_free
    raised: list[BaseException] = []

    def broken(*_: object, **__: object) -> Iterator[Finding]:
        error = PanicException("rust\nand a trace") if "foreseen" in target else RecursionError("too deep\nto tell")
        raised.append(error)
        raise error

    module, name, *key = target.split(":")
    if key:
        monkeypatch.setitem(getattr(importlib.import_module(f"ml_platform.views.{module}"), name), key[0], broken)
    else:
        monkeypatch.setattr(f"ml_platform.views.{module}.{name}", broken)
    findings = examine(lambda: settings, _declared)
    assert raised
    bad = [finding for finding in findings if finding.state == "bad"]
    assert bad and all(first_line(raised[0]) in finding.detail and finding.remedy for finding in bad)
    hidden = {finding.name for finding in sound} - {finding.name for finding in findings}
    behind = {
        "health:stores_findings": {"lake", "state"} | {n for table in STORES_TABLES for n in table},
        "health:machine_findings": {finding.name for finding in machine_health.machine_findings(settings)},
        "stores_health:Lake": {"data files", "partitions"},
        "stores_health:State": {"partitions", *stores_health.STATE, *stores_health.PIPELINE},
    }
    assert hidden <= behind.get(target, {finding.name for finding in bad} | {"landing folder", *key})


def test_a_deep_look_judges_blobs_only_and_names_those_that_are_missing(platform: Settings) -> None:
    blob = next(platform.artifacts.glob("??/*"))
    (blob.parent / "notes.txt").write_text("mine")
    (blob.parent / ("a" * 64)).mkdir()
    (platform.artifacts / "my").mkdir()
    (platform.artifacts / "my" / ("b" * 64)).write_text("of another kind")

    def blobs() -> list[tuple[str, str]]:
        deep = examine(lambda: platform, _declared, deep=True)
        return [(finding.state, finding.detail) for finding in deep if finding.name == "blobs"]

    assert blobs() == [("ok", "all are what their names say")]
    with closing(State(platform)) as state:
        lost = version(state, TRIPS.name, 1).training_set
    (platform.artifacts / lost[:2] / lost).unlink()
    assert ("warn", f"1 blob that the state names is missing: {lost[:12]}") in blobs()


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("SHOP_DB=postgresql://ml:sesame@h/shop", "SHOP_DB"),
        ("export PGPASSWORD = sesame", "PGPASSWORD"),
        ("ml_platform_catalog=host=h password=sesame", "ml_platform_catalog"),
        ("#SHOP_DB=\nSHOP_DB=\nSHOP_DB_POOL=5\nML_PLATFORM_THREADS=2", None),
    ],
)
def test_an_env_file_that_others_may_read_is_named_if_it_sets_a_credential(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, named: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text(f"A=1\n{line}\n")
    Path(".env").chmod(0o640)
    table = replace(TRIPS.tables[0], source=Sql("orders", connection="SHOP_DB", cursor="id"))
    findings = list(readable_credentials(settings, [replace(TRIPS, tables=(table, *TRIPS.tables[1:]))]))
    assert [finding.detail for finding in findings] == (
        [f"{tmp_path}/.env holds {named}, and others on this machine may read it"] if named else []
    )
    Path(".env").chmod(0o600)
    assert list(readable_credentials(settings, [TRIPS])) == []


def test_declarations_and_settings_that_raise_anything_are_findings(settings: Settings) -> None:
    def broken(*_: object) -> Any:
        raise ZeroDivisionError("no number")

    assert [(f.name, f.detail) for f in examine(broken, _declared)] == [("settings", "no number")]
    findings = examine(lambda: settings, broken, broken)
    assert [f.name for f in findings if "no number" in f.detail] == ["declarations", "Dagster"]
    assert {"lake", "disk", "lake folder"} <= {f.name for f in findings}


def test_an_interrupt_ends_the_examination(settings: Settings) -> None:
    def stopped(*_: object) -> Iterator[Finding]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        examine(lambda: settings, _declared, stopped)
