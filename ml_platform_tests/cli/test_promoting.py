"""`promote --to` takes a version to another environment, with its evidence, and says so in both logs."""

import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ml_platform.discovery import find
from ml_platform.errors import PromotionRefused
from ml_platform.runtime.workspace import Workspace, window_of
from ml_platform.serving.deploying import deploy_champion
from ml_platform.serving.sqlite_store import SQLiteStore
from ml_platform.settings import Settings
from ml_platform.state import checks, ledger, promotions, verdicts, versions
from ml_platform.state.checks import CheckRow
from ml_platform.state.results import IntegrationResult
from ml_platform.steps import integration_test, promoting
from ml_platform_tests.cli.terminal import invoke, invoke_json

NAME = "trip_delay"
WHY = ("--why", "fits")


@pytest.fixture
def staging(data_folder: Path, finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A platform that ran is `staging`; `production` has the same tables in a lake of its own, and no version."""
    production = tmp_path / "production"
    for folder in (data_folder, production):
        shutil.copytree(finished_run, folder)
    monkeypatch.setenv("ML_PLATFORM_ENVIRONMENT", "staging")
    monkeypatch.setenv("ML_PLATFORM_STAGING__DATA", str(data_folder))
    monkeypatch.setenv("ML_PLATFORM_PRODUCTION__DATA", str(production))
    monkeypatch.setattr(integration_test, "P99_MS", 1_000.0)  # a busy machine is not what is tested
    monkeypatch.setattr(integration_test, "EXAMPLES", 60)
    with closing(opened("production")) as ws:
        forget_versions(ws)
    yield data_folder


def opened(environment: str) -> Workspace:
    return Workspace.open(Settings.of_environment(environment), {})


def forget_versions(ws: Workspace) -> None:
    """As where nothing was trained."""
    with ws.state.writing() as connection:
        for table in ("alert_deliveries", "alerts", "promotions", "verdicts", "versions", "decisions"):
            connection.exec_driver_sql(f"DELETE FROM {table}")


def champion(environment: str) -> versions.Version | None:
    with closing(opened(environment)) as ws:
        number = promotions.champion_at(ws.state, NAME)
        return None if number is None else versions.version(ws.state, NAME, number)


def refused(*arguments: str) -> str:
    result = invoke("promote", *arguments, *WHY, "--to", "production")
    assert result.exit_code in (1, 2)
    return " ".join(result.stderr.replace("│", "").split())


def test_a_version_goes_to_production_once_with_its_evidence_and_both_logs_say_so(staging: Path) -> None:
    mine = champion("staging")
    assert mine is not None and champion("production") is None
    planned = invoke_json("promote", NAME, "--to", "production", "--dry-run", *WHY)
    assert (planned["integration_test"], planned["changed"]) == ("to be run", False) and champion("production") is None
    facts: dict[str, Any] = invoke_json("promote", NAME, "--to", "production", *WHY)
    theirs = champion("production")
    assert theirs is not None and (theirs.version, theirs.content_key, theirs.bundle) == (
        1,
        mine.content_key,
        mine.bundle,
    )
    assert facts == {
        "pipeline": NAME,
        "version": mine.version,
        "bundle": mine.bundle,
        "to": "production",
        "changed": True,
        "version_there": 1,
        "integration_test": "passed",
    }
    with closing(opened("production")) as ws, closing(opened("staging")) as source:
        evidence = [(one.gate_key, one.slice, one.passed) for one in verdicts.of(ws.state, NAME, 1)]
        assert evidence == [(o.gate_key, o.slice, o.passed) for o in verdicts.of(source.state, NAME, mine.version)]
        entry, departure = promotions.history(ws.state, NAME)[-1], promotions.history(source.state, NAME)[-1]
        assert promotions.champion_at(source.state, NAME) == mine.version
        assert ws.blobs.whole(mine.bundle) and ws.blobs.whole(mine.training_set)
    assert entry.reason == f"from staging: {mine.name}, bundle {mine.bundle[:12]}: fits"
    assert departure.reason == f"{mine.name} to production as {NAME}@1: fits" and departure.actor == entry.actor
    again = invoke_json("promote", mine.name, "--to", "production", *WHY)
    assert again["changed"] is False
    shown = invoke_json("models", NAME, "--history")[0]
    assert (shown["action"], shown["candidate"]) == ("kept", None)
    with closing(opened("production")) as ws, closing(opened("staging")) as source:
        assert promotions.history(ws.state, NAME)[-1] == entry
        assert promotions.history(source.state, NAME)[-1] == departure


def test_in_production_the_version_is_shown_rolled_back_in_a_second_and_served(
    staging: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count_as_tested(monkeypatch, passed=True)
    with closing(opened("staging")) as ws:
        passing = [one.version for one in versions.versions(ws.state, NAME)]
        served = sorted({e.version for e in promotions.changed(ws.state, NAME) if e.version is not None})
    assert len(served) >= 2, passing
    for number in served[:2]:
        invoke_json("promote", f"{NAME}@{number}", "--to", "production", *WHY)
    monkeypatch.setenv("ML_PLATFORM_ENVIRONMENT", "production")
    assert [row["serves"] for row in invoke_json("models", NAME)] == [True, False]
    assert invoke("models", f"{NAME}@2", "--card").exit_code == 0
    with closing(opened("production")) as ws, closing(SQLiteStore(staging / "other.sqlite")) as store:
        deployed = deploy_champion(ws, NAME, store, timedelta(days=365))
        assert deployed is not None and deployed.version == 2
        began = time.process_time()
        promotions.rollback(ws.state, NAME, why="a test", actor="test")
        deployed = deploy_champion(ws, NAME, store, timedelta(days=365))
        assert time.process_time() - began < 1.0
        assert deployed is not None and deployed.version == 1


def test_a_first_champion_of_production_serves_since_it_was_trained_and_a_kill_between_the_logs_is_made_good(
    staging: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count_as_tested(monkeypatch, passed=True)
    with closing(opened("staging")) as source, closing(opened("production")) as target:
        served = sorted({e.version for e in promotions.changed(source.state, NAME) if e.version is not None})
        number, other = served[:2]
        pipeline = find(NAME)

        def promote(version: int) -> None:
            promoting.promote_to(source, target, pipeline, version, why="fits", actor="ann")

        promote(number)
        trained = versions.version(source.state, NAME, number)
        (entry,) = promotions.history(target.state, NAME)
        assert entry.effective_at == window_of(pipeline, trained.partition)[1]
        promote(other)
        with monkeypatch.context() as killed, pytest.raises(KeyboardInterrupt):
            killed.setattr(promotions, "note_departure", raise_interrupt)
            promote(number)
        for _ in range(2):
            promote(number)
        departures = [
            entry.reason.split(" to ")[0]
            for entry in promotions.history(source.state, NAME)
            if entry.run_id.startswith("production ")
        ]
        assert departures == [f"{NAME}@{one}" for one in (number, other, number)]


def raise_interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def count_as_tested(monkeypatch: pytest.MonkeyPatch, *, passed: bool | None) -> None:
    """Take the integration test, which takes seconds, to have had that outcome."""
    monkeypatch.setattr(promoting, "integration_test", lambda *_: None)
    monkeypatch.setattr(promoting, "newest_test", lambda *_: IntegrationResult(1, "", passed))


def test_a_version_whose_test_failed_or_whose_data_a_check_refused_stays(
    staging: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count_as_tested(monkeypatch, passed=False)
    assert "its integration test failed" in refused(NAME)
    count_as_tested(monkeypatch, passed=None)
    assert "because the machine is busy" in refused(NAME)
    with closing(opened("staging")) as ws:
        rows = ledger.latest_of(ws.state, "validated/trips", "2024-02")
        assert rows is not None
        about = ("trips", "2024-02", rows.content_key, "units", "error", False, 9.0, 4.0, "km spreads 9 times as wide.")
        checks.add(ws.state, "trips", [CheckRow(*about)])
        promotions.rollback(ws.state, NAME, why="a test", actor="test")
    assert "blocked by data: units of trips 2024-02 failed" in refused(f"{NAME}@2")
    assert champion("production") is None


def test_an_environment_without_a_lake_is_refused_with_the_variable_of_its_folder(tmp_path: Path) -> None:
    source = Settings(environment="staging")
    for name, variable in {"": "Set ML_PLATFORM_DATA,", "production": "Set ML_PLATFORM_PRODUCTION__DATA,"}.items():
        with pytest.raises(PromotionRefused, match=variable):
            promoting.check_environment(source, Settings(environment=name, data=tmp_path / "none"), NAME, 1)


def test_what_may_not_be_promoted_is_refused_with_every_reason(staging: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "is in the environment staging already" in " ".join(
        invoke("promote", NAME, *WHY, "--to", "staging").stderr.split()
    )
    assert "has no lake" in invoke("promote", NAME, *WHY, "--to", "nowhere").stderr.replace("\n", " ")
    assert "is no name" in invoke("promote", NAME, *WHY, "--to", "No Where").stderr
    assert invoke("promote", NAME, *WHY, "--dry-run").exit_code == 2
    with monkeypatch.context() as unreadable:
        unreadable.setenv("ML_PLATFORM_PRODUCTION__PIPELINES", "nonsense")
        assert "ML_PLATFORM_PRODUCTION__PIPELINES: not a JSON list of modules" in refused(NAME)
    mine = champion("staging")
    assert mine is not None
    with closing(opened("staging")) as ws:
        path = ws.blobs.path(mine.bundle)
        with ws.state.writing() as connection:
            connection.exec_driver_sql("DELETE FROM verdicts WHERE gate_key IN (SELECT gate_key FROM verdicts LIMIT 1)")
    assert "there is no verdict on" in refused(NAME)
    assert "there is no verdict on" in refused(NAME, "--dry-run")
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"?")
    assert "damaged" in refused(NAME)
    path.write_bytes(content)
    monkeypatch.setenv("ML_PLATFORM_PRODUCTION__DATA", str(staging))
    assert "has the same lake" in refused(NAME)
