"""What the command says about alerts, and that it sends them."""

import json
from contextlib import closing
from pathlib import Path

import pytest

from ml_platform.runtime import step_alerts
from ml_platform_tests.cli.terminal import invoke, invoke_json
from ml_platform_tests.declarations import trips_and_churn
from ml_platform_tests.monitoring.web_hook import web_hook
from ml_platform_tests.world import world

KEYS = """alert_id kind severity asset partition about title text link evidence raised_at run_id
    resolved_at resolved_by resolved_why deliveries"""
ENDS = "channel attempt state error until recorded_at"


@pytest.fixture
def alarmed(platform: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run refused a file that is no table, while nobody was at the address."""
    with web_hook() as gone:
        monkeypatch.setenv("ML_PLATFORM_ALERTS", gone.address)
    (platform / "landing" / "trips" / "noise.csv").write_bytes(b"\x00\x01\x02 no table")
    with closing(world(platform, trips_and_churn.trip_delay, trips_and_churn.churn)) as made:
        outcome = made.step("raw/trips", "all")
        step_alerts.raise_alerts(made.ws, "raw/trips", "all", outcome, kind="check", run_id="run", say=print)
    return platform


def test_what_was_alarming_is_listed_with_what_the_channels_know(alarmed: Path) -> None:
    (told,) = invoke_json("alerts")
    assert list(told) == KEYS.split() and [list(end) for end in told["deliveries"]] == [ENDS.split()]
    shown = invoke("alerts", "trip_delay")
    assert shown.exit_code == 0 and "Refused: trips/noise.csv" in shown.stdout and "failed (json " in shown.stdout
    assert invoke_json("alerts", "churn") == []
    assert "There are no alerts" in invoke("alerts", "churn").stdout
    examined = invoke("doctor", "--json")
    assert examined.exit_code == 1, "the refused file needs somebody"
    (finding,) = [found for found in json.loads(examined.stdout) if found["name"] == "alerts"]
    assert finding["state"] == "warn" and "1 did not reach json " in finding["detail"]


def test_what_is_due_is_sent_and_a_channel_that_is_down_is_named_without_its_address(
    alarmed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with web_hook() as server:
        server.refuses = True
        monkeypatch.setenv("ML_PLATFORM_ALERTS", server.address)
        down = invoke("alerts", "--deliver")
        assert down.exit_code == 1 and "not delivered: json " in down.stderr and "503" in down.stderr
        assert "hushhush" not in down.output
    with web_hook() as other:
        monkeypatch.setenv("ML_PLATFORM_ALERTS", other.address)
        assert invoke("alerts", "--check", "--deliver").exit_code == 0
        assert other.titles == ["Refused: trips/noise.csv"]
