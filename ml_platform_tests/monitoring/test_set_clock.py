"""A clock that was set back is an alert and a finding until it has caught up; no rest outlasts its span (S51)."""

from datetime import UTC, datetime, timedelta

from ml_platform.errors import DeliveryFailed
from ml_platform.monitoring.delivery import ATTEMPTS, BACK_OFF, Channel, deliver
from ml_platform.runtime import step_alerts
from ml_platform.runtime.workspace import Outcome, Workspace
from ml_platform.state import alerts
from ml_platform.state.database import State
from ml_platform.state.stores import Stores
from ml_platform.views.alert_health import set_clock
from ml_platform_tests.machine_clock import machine_clock

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


def _workspace(stores: Stores) -> Workspace:
    return Workspace(stores.lake, stores.state, stores.blobs, {})


def test_a_clock_that_was_set_back_is_one_alert_until_it_has_caught_up(stores: Stores) -> None:
    ws = _workspace(stores)
    newest = ws.state.stamp()
    assert step_alerts.check_data(ws, [], newest + MINUTE) == []
    (told,) = step_alerts.check_data(ws, [], newest - DAY)
    assert told.title.startswith("The clock was set back: it shows ") and f"{newest:%Y-%m-%d %H:%M} UTC" in told.title
    assert step_alerts.check_clock(ws, newest - DAY + MINUTE) == [], "it is told once"
    assert alerts.open_alerts(ws.state, ["clock"]) == [told]
    step_alerts.check_clock(ws, datetime.now(UTC) + MINUTE)
    (ended,) = alerts.raised(ws.state, ["clock"])
    assert ended.resolved_why == "The clock is later than everything on record again."


def test_a_step_tells_of_it_and_so_does_doctor(stores: Stores) -> None:
    ws, said = _workspace(stores), list[str]()
    assert list(set_clock(ws.state, [])) == []
    with machine_clock() as shown:
        shown.shift = DAY
        ws.state.stamp()
    step_alerts.raise_alerts(ws, "raw/trips", "all", Outcome(0), kind="check", run_id="run", say=said.append)
    assert len(said) == 1 and "The clock was set back" in said[0]
    (finding,) = set_clock(ws.state, [])
    assert finding.state == "bad" and "The clock was set back" in finding.detail and "Correct it" in finding.remedy


def _failing(state: State) -> Channel:
    def send(_: object) -> None:
        raise DeliveryFailed("c", "it is down")

    return Channel("c", send)


def test_a_delivery_waits_its_span_and_no_longer_though_the_clock_was_set_back(state: State) -> None:
    finding = alerts.alert("gate", "churn/verdicts", "all", "auc", evidence="1", title="It failed", text="It is.")
    alerts.raise_(state, [finding])
    now = datetime.now(UTC)
    for attempt in range(1, ATTEMPTS):
        (end,) = deliver(state, [_failing(state)], now)
        assert (end.attempt, end.state) == (attempt, "failed")
        assert deliver(state, [_failing(state)], now + BACK_OFF[attempt - 1] - timedelta(seconds=1)) == []
        now -= DAY  # and the next attempt is due at once
