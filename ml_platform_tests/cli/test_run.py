"""Running from the terminal, through Dagster, in processes of their own."""

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

import dagster as dg
import pytest

from ml_platform.cli.inspecting import show_months
from ml_platform.orchestration import alive
from ml_platform.orchestration.jobs import PIPELINE_TAG
from ml_platform.settings import Settings
from ml_platform.state import settled_plans
from ml_platform.state.database import State
from ml_platform_tests.cli.terminal import RunningCommand, invoke, invoke_json, start_command
from ml_platform_tests.declarations import trips_and_churn, trips_waiting_at_a_fifo
from ml_platform_tests.orchestration import home_openers
from ml_platform_tests.world import world


@pytest.fixture
def gate(data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two months of trips have landed, and a run waits here."""
    monkeypatch.setenv("ML_PLATFORM_PIPELINES", '["ml_platform_tests.declarations.trips_waiting_at_a_fifo"]')
    made = world(data_folder, trips_waiting_at_a_fifo.trip_delay)
    made.land_trips("2024-01", "2024-02")
    made.close()
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    return gate


def _at_the_gate(gate: Path, after: str) -> RunningCommand:
    """A run that has come to the gate, with a process group of its own, as a terminal starts it."""
    started = start_command("run", "trip_delay", RUN_GATE=str(gate), RUN_AFTER=after)
    assert gate.read_text() == "here\n"
    return started


def _runs() -> Sequence[dg.DagsterRun]:
    """Newest first."""
    with dg.DagsterInstance.get() as instance:
        return instance.get_runs()


def test_what_an_alert_of_the_run_says_is_not_said_again(platform: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (platform / "landing" / "trips" / "noise.csv").write_bytes(b"\x00\x01\x02 no table")
    first, second = (" ".join(invoke("run", "trip_delay").stderr.split()) for _ in range(2))
    assert first.count("trips/noise.csv (") == 1 and "alert" in first
    assert second.count("trips/noise.csv (") == 1, "nothing was launched, so no alert said it"
    row = {"partition": "2024-02", "rows": 1, "quarantined": 0, "metric": "auc", "realised": None, "gates": None}
    row |= {"outcome": "blocked", "reasons": ["blocked by data: units failed"], "champion": None}
    for alarms, times in (((), 1), (("error: Promotion blocked. Blocked by data: units failed. Correct it.",), 0)):
        capsys.readouterr()
        show_months("trip_delay", [row], alarms=alarms)
        assert capsys.readouterr().err.count("units failed") == times


def test_a_run_waits_for_the_end_of_one_that_somebody_else_began_and_plans_anew(platform: Path) -> None:
    with closing(world(platform, trips_and_churn.trip_delay)) as other, dg.DagsterInstance.get() as instance:
        other.land_trips("2024-04")
        begun = instance.create_run_for_job(
            home_openers.nothing, status=dg.DagsterRunStatus.STARTED, tags={PIPELINE_TAG: "trip_delay"}
        )
        with alive.marked(Settings(), begun.run_id):
            waiting = start_command("run", "trip_delay")
            assert waiting.process.stderr is not None
            notice = next(line for line in waiting.process.stderr if line.startswith("Waiting"))
            assert f"nothing is started (run {begun.run_id})" in notice
            other.run()  # what the command had planned
            instance.report_run_canceled(begun)
    code, _, err = waiting.end()
    assert code == 0 and "nothing was launched" in err, err
    assert [run.run_id for run in _runs()] == [begun.run_id]


@pytest.mark.parametrize(("through", "kept"), [("2024-01", None), ("2024-02", "2024-02")])
def test_a_run_through_the_last_complete_partition_keeps_what_is_settled(
    platform: Path, through: str, kept: str | None
) -> None:
    assert invoke("run", "trip_delay", "--through", through).exit_code == 0
    with closing(State(Settings())) as state:
        plan = settled_plans.last(state, "trip_delay")
    assert (plan.through if plan else None) == kept


def test_a_run_that_is_interrupted_prints_two_lines_is_canceled_and_its_rerun_goes_on(gate: Path) -> None:
    first = _at_the_gate(gate, after="query")  # of DuckDB, which makes a RuntimeError of it
    os.killpg(first.process.pid, signal.SIGINT)  # as a terminal does: Dagster's processes hear it, too
    code, out, err = first.end()
    assert (code, out) == (130, ""), err
    lines = err.splitlines()
    assert lines[-2:] == ["error Stopped.", "      Finished work is kept; the same command continues from there."]
    assert all(line.startswith(("ingest ", "data ")) for line in lines[:-2]), err
    (stopped,) = _runs()
    assert stopped.status == dg.DagsterRunStatus.CANCELED
    assert "bad" not in {one["state"] for one in invoke_json("doctor") if one["name"] == "run"}
    assert "2024-01" in [row["partition"] for row in invoke_json("run", "trip_delay")["partitions"]]
    again = invoke("run", "trip_delay")
    assert again.exit_code == 0 and "nothing was launched" in again.stderr


def test_an_interrupt_that_a_library_swallows_ends_the_run_all_the_same(gate: Path) -> None:
    first = _at_the_gate(gate, after="stubborn")
    os.killpg(first.process.pid, signal.SIGINT)
    assert gate.read_text() == "passed over\n"
    gate.write_text("go on\n")
    code, _, err = first.end()
    assert code == 130 and "error Stopped." in err
    (stopped,) = _runs()
    assert stopped.status == dg.DagsterRunStatus.CANCELED


def test_a_second_interrupt_ends_a_run_at_once(gate: Path) -> None:
    first = _at_the_gate(gate, after="stubborn")
    os.killpg(first.process.pid, signal.SIGINT)
    assert gate.read_text() == "passed over\n"
    while first.process.poll() is None:  # one that comes within 0.3 s is taken for the first
        os.killpg(first.process.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            first.process.wait(timeout=0.1)
    code, _, err = first.end()
    assert code == 130 and err.splitlines()[-2:] == [
        "error Stopped at once.",
        "      Finished work is kept; the same command goes on.",
    ]
