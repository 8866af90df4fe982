"""A run tells of what it found alarming, once, and is not kept by a channel that is down."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import select, update

from ml_platform.discovery import find
from ml_platform.monitoring.delivery import BACK_OFF, deliveries
from ml_platform.orchestration.alerting import alert_sensor
from ml_platform.orchestration.build import build_definitions
from ml_platform.orchestration.resources import WorkspaceResource
from ml_platform.orchestration.runner import Runner
from ml_platform.state import alert_tables
from ml_platform.state.alerts import raised
from ml_platform_tests.cli.terminal import invoke
from ml_platform_tests.monitoring.web_hook import WebHook, web_hook
from ml_platform_tests.orchestration.dagster_platform import Platform, platform_in
from ml_platform_tests.world import world

UNREACHED = "roc_auc_at_least_0_9999"


@pytest.fixture(scope="module")
def server() -> Iterator[WebHook]:
    with web_hook() as made:
        yield made


@pytest.fixture(scope="module")
def trained_churn(server: WebHook, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Churn ran twice while a web hook listened: one gate that no candidate passes, and one file that is no table."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ML_PLATFORM_ALERTS", server.address)
        with platform_in(
            tmp_path_factory.mktemp("churned"), "ml_platform_tests.declarations.trips_and_failing_churn"
        ) as made:
            with closing(world(made.settings.data, find("churn"))) as landing:
                landing.land_churn()
            (made.settings.landing / "logins" / "noise.csv").write_bytes(b"\x00\x01\x02 no table")
            made.run("churn")
            yield made


def test_a_run_tells_of_a_failed_gate_and_a_refused_file_once(trained_churn: Platform, server: WebHook) -> None:
    assert trained_churn.run("churn") == []
    definition = Runner(find("churn"), trained_churn.settings, lambda asset, partition: None)
    definition.run("data", "all")
    definition.run("train", "all")
    found = {item.kind: item for item in raised(trained_churn.ws.state)}
    assert set(found) == {"gate", "refused_file", "blocked"} and len(raised(trained_churn.ws.state)) == 3
    assert found["gate"].title == "Gate failed: churn@1, roc_auc at least 0.9999"
    assert found["gate"].run_id == next(run.run_id for run in trained_churn.runs if run.job == "churn_train")
    assert "noise.csv" in found["refused_file"].title
    assert (
        found["blocked"].title == "Promotion blocked by data: churn@1" and "schema of logins" in found["blocked"].text
    )
    assert server.titles == [found[kind].title for kind in ("refused_file", "gate", "blocked")]


def test_a_channel_that_is_down_does_not_fail_the_run_and_the_sensor_tries_again(
    trained_churn: Platform, server: WebHook
) -> None:
    server.refuses, heard = True, len(server.messages)
    (trained_churn.settings.landing / "logins" / "noise.csv").write_bytes(b"\x00 other noise")
    trained_churn.run("churn")
    newest = raised(trained_churn.ws.state)[0]
    (end,) = deliveries(trained_churn.ws.state)[newest.alert_id]
    assert (newest.kind, end.state) == ("refused_file", "failed")
    server.refuses = False
    _time_passes(trained_churn)
    with dg.build_sensor_context(
        resources={"ml_platform_workspace": WorkspaceResource()},
        repository_def=build_definitions([find("churn")]).get_repository_def(),
    ) as context:
        said = alert_sensor([find("churn")]).evaluate_tick(context)
    assert said.skip_message is not None and "1 delivered" in said.skip_message
    assert server.titles[heard:] == [newest.title]


def test_the_end_of_the_next_run_tries_again_too(trained_churn: Platform, server: WebHook) -> None:
    server.refuses, heard = True, len(server.messages)
    (trained_churn.settings.landing / "logins" / "noise.csv").write_bytes(b"\x00\x00 a third noise")
    trained_churn.run("churn")
    server.refuses = False
    _time_passes(trained_churn)
    lines: list[str] = []
    Runner(find("churn"), trained_churn.settings, lambda asset, partition: None, lines.append).run("train", "all")
    assert server.titles[heard:] == ["Refused: logins/noise.csv"] and lines == []


def _time_passes(platform: Platform) -> None:
    """What failed once may be tried again."""
    table = alert_tables.alert_deliveries
    with platform.ws.state.writing() as connection:
        for row in connection.execute(select(table.c.id, table.c.until).where(table.c.until.is_not(None))).all():
            connection.execute(update(table).where(table.c.id == row.id).values(until=row.until - BACK_OFF[0]))


def test_without_channels_whoever_runs_it_hears_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ML_PLATFORM_ALERTS", raising=False)
    with platform_in(tmp_path, "ml_platform_tests.declarations.trips_and_failing_churn") as made:
        with closing(world(made.settings.data, find("churn"))) as landing:
            landing.land_churn()
        (made.settings.landing / "logins" / "noise.csv").write_bytes(b"\x00\x01\x02 no table")
        lines: list[str] = []
        runner = Runner(find("churn"), made.settings, lambda asset, partition: None, lines.append)
        for _ in range(2):
            runner.run("data", "all", [["raw", "logins"]])
        (line,) = lines
        assert line.startswith("error: Refused: logins/noise.csv")


def test_a_failed_gate_and_a_refused_file_need_a_person_until_one_resolves_them(trained_churn: Platform) -> None:
    def needing_somebody() -> dict[str, str]:
        findings = json.loads(invoke("doctor", "--json").stdout)
        return {one["name"]: one["detail"] for one in findings if one["state"] == "bad"}

    needing = needing_somebody()
    assert {"candidate", "champion", "refused file", "open alert"} <= needing.keys()
    assert needing["candidate"].startswith("churn@1 is blocked by data: ") and "0.9999" in needing["candidate"]
    assert needing["open alert"] == "Gate failed: churn@1, roc_auc at least 0.9999"
    assert invoke("doctor").exit_code == 1
    ids = [item.alert_id for item in raised(trained_churn.ws.state) if item.is_open]
    assert invoke("alerts", "resolve", *ids, "--why", "known").exit_code == 0
    assert needing_somebody().keys() == {"champion"}, "still nobody serves"
