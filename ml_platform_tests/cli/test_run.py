"""Running from the terminal, through Dagster, in processes of their own."""

import os
import signal
from pathlib import Path

import pytest

from ml_platform_tests.cli.terminal import start_command
from ml_platform_tests.declarations import trips_waiting_at_a_fifo
from ml_platform_tests.world import world


def test_a_run_that_is_interrupted_says_so_and_its_rerun_goes_on(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_PLATFORM_PIPELINES", '["ml_platform_tests.declarations.trips_waiting_at_a_fifo"]')
    made = world(data_folder, trips_waiting_at_a_fifo.trip_delay)
    made.land_trips("2024-01", "2024-02")
    made.close()
    gate = tmp_path / "gate"
    os.mkfifo(gate)

    first = start_command("run", "trip_delay", RUN_GATE=str(gate))
    assert gate.read_text() == "here\n"
    first.process.send_signal(signal.SIGINT)
    code, out, err = first.end()
    assert (code, out) == (130, ""), err
    assert "Stopped" in err and "continues from there" in err and "Traceback" not in err

    code, out, err = start_command("run", "trip_delay", "--json").end()
    assert code == 0, err
    assert '"partition": "2024-01"' in out
    code, out, err = start_command("run", "trip_delay").end()
    assert code == 0 and "nothing was launched" in err
