"""Alerts reach a real web hook once, are tried again, and are never in a run's way."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import insert, select

from ml_platform.monitoring import alert_rules, delivery
from ml_platform.monitoring.alert_rules import CheckedOutput
from ml_platform.monitoring.channels import channels, message
from ml_platform.monitoring.delivery import ATTEMPTS, BACK_OFF, LEASE, NEWS, Channel, Delivery, deliver, deliveries, due
from ml_platform.quality.checks import CheckResult
from ml_platform.settings import Settings
from ml_platform.state.alert_tables import alert_deliveries
from ml_platform.state.alerts import Alert, Kind, alert, raise_, raised
from ml_platform.state.database import State
from ml_platform.state.files import Refused
from ml_platform.state.results import DriftResult, ReportResult
from ml_platform_tests.hostile_text import HOSTILE, Page, assert_printed
from ml_platform_tests.lake.programs import finish, hear
from ml_platform_tests.monitoring.web_hook import WebHook, web_hook

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def server() -> Iterator[WebHook]:
    with web_hook() as made:
        yield made


@pytest.fixture
def called(server: WebHook) -> WebHook:
    """The web hook, as if nobody had called it yet."""
    server.messages.clear()
    server.refuses = False
    return server


def _alert(about: str = "roc_auc_at_least_0_7", version: str = "churn@3") -> Alert:
    return alert("gate", "churn/verdicts", "all", about, evidence=version, title=f"Gate failed: {about}", text="It is.")


def _settings(state: State, *addresses: str) -> Settings:
    return state.settings.model_copy(update={"alerts": _secret(addresses)})


def _secret(addresses: tuple[str, ...]) -> object:
    return Settings(alerts=", ".join(addresses)).alerts


def _send(state: State, *addresses: str, at: timedelta = timedelta()) -> list[Delivery]:
    return deliver(state, channels(_settings(state, *addresses), print), datetime.now(UTC) + at)


def test_an_alert_is_delivered_once_however_often_it_is_raised_and_delivered(state: State, called: WebHook) -> None:
    assert raise_(state, [_alert()]) != []
    assert raise_(state, [_alert()]) == [], "the same finding"
    assert [end.state for end in _send(state, called.address)] == ["delivered"]
    raise_(state, [_alert()])
    assert _send(state, called.address) == _send(state, called.address, at=2 * HOUR) == []
    (got,) = called.messages
    assert (got["title"], got["message"], got["type"]) == ("Gate failed: roc_auc_at_least_0_7", "It is.", "failure")


def test_another_version_that_fails_the_same_gate_is_another_alert(state: State) -> None:
    raise_(state, [_alert(version="churn@3")])
    assert len(raise_(state, [_alert(version="churn@4"), _alert(version="churn@3")])) == 1
    assert [item.evidence for item in raised(state)] == ["churn@4", "churn@3"]


def test_two_processes_that_deliver_at_once_send_it_once(state: State, called: WebHook) -> None:
    raise_(state, [_alert("a"), _alert("b")])
    command = [sys.executable, "-m", "ml_platform_tests.monitoring.delivery_process", str(state.settings.data)]
    environment = {**os.environ, "ML_PLATFORM_ALERTS": called.address}
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(2)
    ]
    assert [hear(process) for process in processes] == ["ready", "ready"]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert sorted(int(finish(process)) for process in processes) == [0, 2]
    assert called.titles == ["2 alerts: Gate failed: a, …"]


def test_what_another_process_claims_while_one_waits_to_write_is_left_to_it(
    state: State, called: WebHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    def due_and_tell(*asked: Any) -> list[tuple[Alert, int]]:
        items = due(*asked)
        looked.set()
        return items

    (item,) = raise_(state, [_alert()])
    (channel,) = channels(_settings(state, called.address), print)
    looked, ends = threading.Event(), list[Delivery]()
    monkeypatch.setattr(delivery, "due", due_and_tell)
    waiting = threading.Thread(target=lambda: ends.extend(deliver(state, [channel])))
    with state.writing() as connection:
        waiting.start()
        assert looked.wait(60), "the other has looked, and waits to write"
        now = datetime.now(UTC)
        claim = Delivery(item.alert_id, channel.name, 1, "claimed", "", now + LEASE, now)
        connection.execute(insert(alert_deliveries).values(asdict(claim)))
    waiting.join(60)
    assert ends == called.messages == []


def test_a_channel_that_is_down_is_tried_again_later_and_not_before(state: State, called: WebHook) -> None:
    raise_(state, [_alert()])
    called.refuses = True
    (end,) = _send(state, called.address)
    assert (end.state, end.attempt) == ("failed", 1) and "503" in end.error
    called.refuses = False
    assert _send(state, called.address, at=BACK_OFF[0] / 2) == []
    assert [end.state for end in _send(state, called.address, at=BACK_OFF[0])] == ["delivered"]
    assert len(called.messages) == 1


def test_nobody_at_the_address_is_given_up_in_the_end_and_says_so(state: State) -> None:
    raise_(state, [_alert()])
    with web_hook() as gone:
        pass
    ends = [_send(state, gone.address, at=n * timedelta(days=2)) for n in range(ATTEMPTS + 2)]
    assert [end.state for (end,) in ends[:ATTEMPTS]] == ["failed"] * (ATTEMPTS - 1) + ["given up"]
    assert ends[ATTEMPTS:] == [[], []]
    assert "Connection error" in ends[0][0].error


def test_a_service_that_shows_html_gets_texts_of_the_data_as_text(state: State, called: WebHook) -> None:
    raise_(state, [replace(_alert(), title=HOSTILE, text=HOSTILE)])
    (end,) = _send(state, f"{called.address}?format=html")
    assert end.state == "delivered"
    (message,) = called.messages
    body = Page(message["message"])
    body.assert_runs_nothing()
    assert set(body.tags) <= {"br", "p"} and "<script>" in body.text
    assert_printed(message["title"])


def test_an_address_is_neither_shown_nor_stored(state: State) -> None:
    raise_(state, [_alert()])
    for address in ("json://caller:hushhush@127.0.0.1:9/in", "nonsense://hushhush"):
        (end,) = _send(state, address)
        assert end.state == "failed"
        visible = f"{end} {state.rows(select(alert_deliveries))} {_settings(state, address)!r}"
        assert "hushhush" not in visible and "127.0.0.1:9" not in visible
    with pytest.raises(ValidationError) as refused:
        Settings(alerts='["json://hushhush"')  # type: ignore[arg-type]  # as from the environment
    assert "hushhush" not in str(refused.value)


def test_an_installation_without_apprise_says_so(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    raise_(state, [_alert()])
    (end,) = _send(state, "json://127.0.0.1:9")
    assert end.state == "failed" and "apprise is not installed" in end.error


def test_one_channel_that_breaks_does_not_keep_another_from_hearing(state: State, called: WebHook) -> None:
    def breaks(items: object) -> None:
        raise ZeroDivisionError("json://hushhush")

    raise_(state, [_alert()])
    good = channels(_settings(state, called.address), print)
    ends = deliver(state, [Channel("bad", breaks), *good])
    assert [end.state for end in ends] == ["failed", "delivered"]
    assert ends[0].error == "The channel failed: ZeroDivisionError."


def test_what_a_killed_process_was_sending_is_sent_again_when_its_claim_has_run_out(
    state: State, called: WebHook
) -> None:
    def killed(items: object) -> None:
        raise KeyboardInterrupt

    raise_(state, [_alert()])
    (channel,) = channels(_settings(state, called.address), print)
    with pytest.raises(KeyboardInterrupt):
        deliver(state, [Channel(channel.name, killed)])
    assert deliver(state, [channel], datetime.now(UTC) + LEASE / 2) == []
    (end,) = deliver(state, [channel], datetime.now(UTC) + LEASE)
    assert (end.state, end.attempt) == ("delivered", 2)


def test_a_channel_that_is_added_hears_of_what_is_new_and_not_of_the_past(state: State, called: WebHook) -> None:
    raise_(state, [_alert()])
    assert _send(state, called.address, at=NEWS + HOUR) == []
    assert called.messages == []


def test_without_channels_the_console_hears_each_once(state: State) -> None:
    lines: list[str] = []
    raise_(state, [_alert("a"), _alert("b")])
    for _ in range(2):
        deliver(state, channels(state.settings, lines.append))
    assert lines == ["error: Gate failed: a. It is.", "error: Gate failed: b. It is."]
    assert {end.channel for found in deliveries(state).values() for end in found} == {"console"}


def test_many_alerts_are_one_message_that_counts_what_it_leaves_out() -> None:
    title, body = message([_alert(str(number)) for number in range(23)])
    assert title == "23 alerts: Gate failed: 0, …"
    assert "Gate failed: 19" in body and "Gate failed: 20" not in body and "3 more" in body


def test_addresses_are_written_between_commas_or_as_a_json_list() -> None:
    both = ["mailto://a:b@c.d?to=e@f.g,h@i.j", "json://127.0.0.1"]
    assert Settings(alerts=", ".join(both)).alert_addresses == both  # type: ignore[arg-type]  # as from the environment
    assert Settings(alerts=str(both).replace("'", '"')).alert_addresses == both  # type: ignore[arg-type]  # likewise
    assert Settings().alert_addresses == []


# -- what is alarming ------------------------------------------------------------------------


def _check(name: str, passed: bool = False, severity: str = "error", **metadata: object) -> CheckResult:
    return CheckResult(name, passed, severity, 0.31, 0.25, f"{name} is so.", dict(metadata))  # type: ignore[arg-type]  # error or warn


KINDS: dict[str, Kind] = {"validated/trips": "contract", "p/drift": "drift", "churn/verdicts": "gate"}


def _of(asset: str, *checks: CheckResult, key: str = "k1", version: str = "", link: str = "") -> list[Alert]:
    output = CheckedOutput(asset, "2024-01", KINDS[asset], version or key, version, link, checks, "run")
    return alert_rules.of_checks(output)


def test_failed_errors_are_alarming_and_warnings_are_not_except_for_drift() -> None:
    checks = [_check("a"), _check("b", passed=True), _check("c", severity="warn")]
    assert [item.about for item in _of("validated/trips", *checks)] == ["a"]
    assert [(item.kind, item.about) for item in _of("p/drift", *checks)] == [("drift", "a"), ("drift", "c")]
    (gate,) = _of("churn/verdicts", _check("auc", gate="roc_auc at least 0.7"), version="churn@3")
    assert gate.title == "Gate failed: churn@3, roc_auc at least 0.7"
    assert gate.text.startswith("auc is so. ") and "`ml-platform models churn@3`" in gate.text


def test_what_was_mended_and_fails_again_with_other_content_is_another_alert() -> None:
    first, again = (_of("validated/trips", _check("volume"), key=key)[0] for key in ("k1", "k2"))
    assert first.alert_id != again.alert_id
    assert first.alert_id == _of("validated/trips", _check("volume"), key="k1")[0].alert_id


def test_the_link_of_the_output_comes_with_the_alert() -> None:
    result = ReportResult(url="http://127.0.0.1:8001/r")
    assert _of("p/drift", _check("km"), link=result.link)[0].link == "http://127.0.0.1:8001/r"
    assert _of("p/drift", _check("km"), link=DriftResult().link)[0].link == ""


def test_a_check_that_names_refused_files_is_told_by_file_and_once_for_all_partitions() -> None:
    schema = replace(_check("schema"), refused_files=1)
    assert _of("validated/trips", schema) == []
    files = [Refused("a.csv", "1" * 64, "a.csv: no rows."), Refused("b.csv", "2" * 64, "b.csv: no rows.")]
    first, second = alert_rules.of_refused("trips", files, "run")
    assert (first.title, first.asset) == ("Refused: a.csv", "raw/trips") and first.text.startswith("a.csv: no rows.")
    assert first.alert_id != second.alert_id
    other = alert_rules.of_refused("trips", [Refused("a.csv", "3" * 64, "a.csv: no rows.")], "run")[0]
    assert other.alert_id != first.alert_id
