"""No acknowledged prediction is lost, and none reaches the lake twice."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from ml_platform.errors import ServingError
from ml_platform.serving import log_mover, prediction_log
from ml_platform.serving.prediction_log import PredictionLog
from ml_platform.state.stores import Stores

ROW: dict[str, Any] = {
    "key": "7",
    "at": "2024-02-01T10:00:00.000000+00:00",
    "requested_at": "2024-02-01T09:00:00.000000+00:00",
    "version": 1,
    "role": "champion",
    "score": 0.25,
    "scores": None,
    "class": "false",
    "inputs": "{}",
    "features": "{}",
    "statuses": "{}",
}


def line(number: int, **values: Any) -> dict[str, Any]:
    return {**ROW, "id": f"{number:06d}", **values}


def ids(stores: Stores) -> list[str]:
    return [one for (one,) in stores.lake.rows("SELECT id FROM trip_delay.served ORDER BY id")]


def test_what_was_appended_reaches_the_lake_in_the_partitions_of_its_days(stores: Stores, tmp_path: Path) -> None:
    log = PredictionLog(tmp_path / "log", budget=10_000_000, segment_bytes=2_000)
    for number in range(40):
        log.append([line(number, requested_at=f"2024-02-0{1 + number % 2}T09:00:00.000000+00:00")])
    log.seal()
    assert len(prediction_log.sealed(tmp_path / "log")) > 3
    assert log_mover.move(stores, "trip_delay", tmp_path / "log") == 40
    assert ids(stores) == [f"{number:06d}" for number in range(40)]
    days = stores.lake.rows("SELECT _partition, count(*) FROM trip_delay.served GROUP BY ALL ORDER BY ALL")
    assert days == [("2024-02-01", 20), ("2024-02-02", 20)]
    assert log_mover.move(stores, "trip_delay", tmp_path / "log") == 0


def test_a_segment_whose_mover_was_killed_after_the_commit_is_not_appended_again(
    stores: Stores, tmp_path: Path
) -> None:
    log = PredictionLog(tmp_path / "log", budget=10_000_000)
    log.append([line(1), line(2)])
    log.seal()
    with patch.object(Path, "unlink", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        log_mover.move(stores, "trip_delay", tmp_path / "log")
    assert log_mover.move(stores, "trip_delay", tmp_path / "log") == 0
    assert ids(stores) == ["000001", "000002"]
    assert prediction_log.sealed(tmp_path / "log") == []


def test_the_segment_of_a_live_worker_is_left_alone_and_that_of_a_killed_one_is_moved_but_for_a_torn_line(
    stores: Stores, tmp_path: Path
) -> None:
    folder = tmp_path / "log"
    alive = PredictionLog(folder, budget=10_000_000)
    alive.append([line(1)])
    code = (
        "import os, signal, sys, json, pathlib\n"
        "from ml_platform.serving.prediction_log import PredictionLog\n"
        "log = PredictionLog(pathlib.Path(sys.argv[1]), budget=10**7)\n"
        "log.append([json.loads(sys.argv[2])])\n"
        'os.write(log._file, b\'{"id": "torn\')\n'
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )

    killed = subprocess.run([sys.executable, "-c", code, str(folder), json.dumps(line(2))], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert log_mover.move(stores, "trip_delay", folder) == 1
    assert ids(stores) == ["000002"]
    alive.seal()
    assert log_mover.move(stores, "trip_delay", folder) == 1


def test_beyond_its_budget_the_log_refuses_and_after_moving_it_takes_again(stores: Stores, tmp_path: Path) -> None:
    log = PredictionLog(tmp_path / "log", budget=1_500)
    with pytest.raises(ServingError, match="its budget is 1,500"):
        for number in range(20):
            log.append([line(number)])
    log.seal()
    log_mover.move(stores, "trip_delay", tmp_path / "log")
    log._counted = 0.0  # a second later
    log.append([line(99)])


def test_a_record_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path / "log", budget=10_000_000)
    log.append([line(1)])
    write = os.write
    with (
        patch("os.write", side_effect=lambda file, data: write(file, data[: len(data) // 2])),
        pytest.raises(ServingError, match="No space left"),
    ):
        log.append([line(2)])
    log.append([line(3)])
    log.seal()
    (segment,) = prediction_log.sealed(tmp_path / "log")
    assert [record["id"] for record in prediction_log.records(segment)] == ["000001", "000003"]
