"""No acknowledged prediction is lost, and none reaches the lake twice."""

import errno
import fcntl
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier
from typing import Any
from unittest.mock import patch

import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ml_platform.errors import LakeError, ServingError
from ml_platform.lake.transaction import Author, write
from ml_platform.runtime.workspace import Workspace
from ml_platform.serving import log_mover, prediction_log
from ml_platform.serving.prediction_log import PredictionLog
from ml_platform.settings import Settings
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
    "ages": "{}",
    "overridden": [],
    "max_staleness": "{}",
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
    assert len(prediction_log.sealed_segments(tmp_path / "log")) > 3
    assert log_mover.move(stores, "trip_delay", tmp_path / "log") == 40
    assert ids(stores) == [f"{number:06d}" for number in range(40)]
    days = stores.lake.rows("SELECT _partition, count(*) FROM trip_delay.served GROUP BY ALL ORDER BY ALL")
    assert days == [("2024-02-01", 20), ("2024-02-02", 20)]
    assert log_mover.move(stores, "trip_delay", tmp_path / "log") == 0


def test_a_table_of_older_code_gets_the_columns_that_it_lacks(stores: Stores, tmp_path: Path) -> None:
    older = {name: kind for name, kind in log_mover.SCHEMA.items() if name not in ("ages", "overridden")}
    with write(stores.lake, Author("trip_delay/served")) as tx:
        tx.append(
            "trip_delay",
            "served",
            pl.DataFrame([{**dict.fromkeys(older), "id": "000000"}], schema=older),
            partition="2024-01-31",
        )
    log = PredictionLog(tmp_path / "log", budget=10_000_000)
    log.append([line(1, overridden=["years"])])
    log.seal()
    assert log_mover.move(stores, "trip_delay", tmp_path / "log") == 1
    assert stores.lake.rows("SELECT id, overridden FROM trip_delay.served ORDER BY id") == [
        ("000000", None),
        ("000001", ["years"]),
    ]


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
    assert prediction_log.sealed_segments(tmp_path / "log") == []


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
    log._counted_at = 0.0  # a second later
    log.append([line(99)])


def records_of(segment: Path) -> list[dict[str, Any]]:
    return [json.loads(record) for record in prediction_log.whole_lines(segment).splitlines()]


def logged(folder: Path) -> list[str]:
    return [record["id"] for segment in prediction_log.sealed_segments(folder) for record in records_of(segment)]


def test_a_record_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path / "log", budget=10_000_000)
    log.append([line(1)])
    write = os.write
    with (
        patch("os.write", side_effect=lambda file, data: write(file, data[: len(data) // 2])),
        pytest.raises(ServingError, match="a record was written in part"),
    ):
        log.append([line(2)])
    log.append([line(3)])
    log.seal()
    assert logged(tmp_path / "log") == ["000001", "000003"]


@pytest.mark.parametrize("then", ["append", "seal"])
def test_what_a_failed_write_left_is_taken_back_although_the_first_try_fails_too(tmp_path: Path, then: str) -> None:
    log = PredictionLog(tmp_path / "log", budget=10_000_000)
    log.append([line(1)])
    write = os.write

    def half(file: int, data: bytes) -> int:
        write(file, data[: len(data) * 2 // 3])  # one whole line of two, and a part of the other
        raise OSError(errno.EIO, "Input/output error")

    failing = OSError(errno.EIO, "Input/output error")
    with (
        patch("os.write", side_effect=half),
        patch("os.ftruncate", side_effect=failing),
        pytest.raises(ServingError, match="Input/output error"),
    ):
        log.append([line(2), line(3)])
    if then == "append":
        log.append([line(4)])
    log.seal()
    assert logged(tmp_path / "log") == ["000001", *(["000004"] if then == "append" else [])]


@pytest.mark.parametrize("failing", ["fcntl.flock", "pathlib.Path.rename"])
def test_a_segment_that_cannot_be_opened_fails_one_request_and_leaves_nothing(tmp_path: Path, failing: str) -> None:
    folder = tmp_path / "log"
    log = PredictionLog(folder, budget=10_000_000)
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    with (
        patch(failing, side_effect=OSError(errno.ENOLCK, "No locks available")),
        pytest.raises(ServingError, match="No locks available"),
    ):
        log.append([line(1)])
    assert list(folder.iterdir()) == [] and len(list(Path("/proc/self/fd").iterdir())) == descriptors
    log.append([line(2)])
    log.seal()
    assert logged(folder) == ["000002"]


def test_segments_that_dead_workers_never_named_are_removed_and_others_stay(tmp_path: Path) -> None:
    new, locked, old = (tmp_path / f"{name}.new" for name in ("1", "2", "3"))
    for path in (new, locked, old):
        path.touch()
    os.utime(locked, (0, 0))
    os.utime(old, (0, 0))
    with locked.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        prediction_log.seal_abandoned(tmp_path)
    assert sorted(tmp_path.iterdir()) == [new, locked]


def test_a_segment_that_cannot_be_sealed_fails_no_request_and_is_reported_and_sealed_later(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    log = PredictionLog(folder, budget=10_000_000, segment_bytes=1)
    with patch("os.fsync", side_effect=OSError(errno.EIO, "Input/output error")):
        log.append([line(1)])
        with pytest.raises(ServingError, match="Input/output error"):
            log.seal_old()
        log.append([line(2)])
    assert logged(folder) == []
    log.append([line(3)])
    assert logged(folder) == ["000001", "000002", "000003"]
    with pytest.raises(ServingError, match="Input/output error"):
        log.seal_old()  # of the second record, which nobody heard of
    log.seal_old()


def test_a_segment_that_somebody_removed_is_reported_and_the_next_record_begins_another(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path / "log", budget=10_000_000)
    log.append([line(1)])
    log._path.unlink()
    with pytest.raises(ServingError, match="is gone"):
        log.seal()
    log.append([line(2)])
    log.seal()
    assert logged(tmp_path / "log") == ["000002"]


def test_asking_for_the_backlog_changes_nothing_of_what_the_budget_is_compared_with(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path / "log", budget=10_000_000)
    log.append([line(1)])
    before = dict(vars(log))
    assert log.backlog == log._path.stat().st_size
    assert vars(log) == before


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
SCORES = st.floats(allow_nan=False, allow_infinity=False)
MOMENTS = st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1))  # of UTC, below
ROWS = st.fixed_dictionaries(
    {
        "id": TEXTS,
        "key": TEXTS | st.none(),
        "at": MOMENTS | st.none(),
        "requested_at": MOMENTS,
        "version": st.integers(-(2**63), 2**63 - 1),
        "role": TEXTS,
        "shadow": st.booleans(),
        "score": SCORES | st.none(),
        "scores": st.lists(SCORES | st.none(), max_size=4) | st.none(),
        "class": TEXTS | st.none(),
        "inputs": TEXTS,
        "features": TEXTS,
        "statuses": TEXTS,
        "ages": TEXTS,
        "overridden": st.lists(TEXTS, max_size=3),
        "max_staleness": TEXTS,
        "snapshots": TEXTS | st.none(),
    }
)


@hypothesis_settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROWS, min_size=1, max_size=4), is_torn=st.booleans())
def test_rows_of_a_segment_are_what_was_appended_with_types_and_nulls(
    tmp_path: Path, rows: list[dict[str, Any]], is_torn: bool
) -> None:
    folder = tmp_path / str(len(list(tmp_path.iterdir())))
    log = PredictionLog(folder, budget=10_000_000)
    for row in rows:
        row |= {name: row[name] and row[name].replace(tzinfo=UTC) for name in ("at", "requested_at")}
    as_json = [
        row | {name: row[name] and row[name].isoformat(timespec="microseconds") for name in ("at", "requested_at")}
        for row in rows
    ]
    log.append(as_json)
    if is_torn:
        assert log._file is not None
        os.write(log._file, json.dumps(as_json[0]).encode()[:-1])
    log.seal()
    (segment,) = prediction_log.sealed_segments(folder)
    frame = log_mover._rows_of(segment)
    assert frame.schema == {name: kind for name, kind in log_mover.SCHEMA.items() if name != "moved_at"}
    assert frame.to_dicts() == [row | {"segment": segment.stem} for row in rows]


def test_a_record_of_code_before_there_were_challengers_is_of_an_answer_that_was_heard(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, budget=10_000_000)
    log.append([line(1)])
    log.seal()
    (segment,) = prediction_log.sealed_segments(tmp_path)
    assert log_mover._rows_of(segment)["shadow"].to_list() == [False]


@pytest.mark.parametrize(
    "damage",
    [
        b'{"id": "000002", "ke',
        b'{"id": "000002"}',
        b"\0\0\0\0",
        b"",
        b"null",
        b'{"id": "\xff"}',
        json.dumps(line(2, score="high")).encode(),
        json.dumps(line(2, requested_at="yesterday")).encode(),
        json.dumps(line(2)).encode() * 2,
    ],
)
def test_a_damaged_line_is_never_a_row_and_is_named(tmp_path: Path, damage: bytes) -> None:
    segment = tmp_path / "5.jsonl"
    whole = [json.dumps(line(number)).encode() for number in (1, 3)]
    segment.write_bytes(b"\n".join([whole[0], damage, whole[1]]) + b"\n")
    with pytest.raises(ValueError, match=r"5\.jsonl, line 2: "):
        log_mover._rows_of(segment)


def test_a_damaged_segment_is_set_aside_and_reported_once_when_the_others_are_moved(
    stores: Stores, tmp_path: Path
) -> None:
    folder = tmp_path / "log"
    log = PredictionLog(folder, budget=10_000_000, segment_bytes=1)
    for number in range(3):
        log.append([line(number)])
    damaged = prediction_log.sealed_segments(folder)[1]
    content = damaged.read_bytes()
    damaged.write_bytes(content + b"{\n")
    with patch.object(log_mover, "after", side_effect=LakeError("The lake is away.")), pytest.raises(LakeError):
        log_mover.move(stores, "trip_delay", folder)
    assert damaged.exists()  # what is wrong with it was not said yet
    with pytest.raises(ServingError, match=rf"{damaged.name}, line 2: .*rename the file"):
        log_mover.move(stores, "trip_delay", folder)
    assert ids(stores) == ["000000", "000002"]
    assert log_mover.move(stores, "trip_delay", folder) == 0
    aside = damaged.with_suffix(".damaged")
    aside.write_bytes(content)
    aside.rename(damaged)
    assert log_mover.move(stores, "trip_delay", folder) == 1
    assert ids(stores) == ["000000", "000001", "000002"]


def test_segments_are_moved_in_transactions_of_bounded_size(tmp_path: Path) -> None:
    sizes = [20, 10, 5, 40, 1, 1]
    segments = [tmp_path / f"{number}.jsonl" for number in range(len(sizes))]
    for segment, size in zip(segments, sizes, strict=True):
        segment.write_bytes(b"x" * size)
    with patch.object(log_mover, "_TRANSACTION_BYTES", 30):
        groups = list(log_mover._in_transactions(segments))
    assert groups == [segments[:2], segments[2:3], segments[3:4], segments[4:]]


def test_of_two_movers_at_once_one_moves_and_nothing_is_lost_or_doubled(stores: Stores, tmp_path: Path) -> None:
    folder = tmp_path / "log"
    log = PredictionLog(folder, budget=10_000_000, segment_bytes=1)
    together = Barrier(2)

    def keep_moving(_: int) -> int:
        together.wait()
        return sum(log_mover.move(stores, "trip_delay", folder) for _ in range(3))

    for number in range(20):
        log.append([line(number)])
    with patch.object(log_mover, "_TRANSACTION_BYTES", 3_000), ThreadPoolExecutor(2) as pool:
        counts = list(pool.map(keep_moving, range(2)))
    assert sum(counts) == 20
    assert ids(stores) == [f"{number:06d}" for number in range(20)]


def test_while_another_mover_is_at_work_a_mover_skips_the_folder(stores: Stores, tmp_path: Path) -> None:
    folder = tmp_path / "log"
    log = PredictionLog(folder, budget=10_000_000)
    log.append([line(1)])
    log.seal()
    seen = []
    append = log_mover._move_some

    def meanwhile(*arguments: Any) -> int:
        seen.append(log_mover.move(stores, "trip_delay", folder))
        return append(*arguments)

    with patch.object(log_mover, "_move_some", side_effect=meanwhile):
        assert log_mover.move(stores, "trip_delay", folder) == 1
    assert seen == [0]


_MOVES_AND_IS_KILLED = """
import json, os, pathlib, sys
from contextlib import closing
from ml_platform.lake import transaction
from ml_platform.runtime.workspace import Workspace
from ml_platform.serving import log_mover
from ml_platform.serving.prediction_log import PredictionLog
from ml_platform.settings import Settings
from ml_platform.state import stores
from ml_platform_tests.faults.moments import killed_at

data, folder, row, moments = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), *map(json.loads, sys.argv[3:])
log_mover._TRANSACTION_BYTES = 700  # two segments
calls = (
    (log_mover, "_appended"), (log_mover, "_by_day"), (transaction, "check_still_held"), (transaction, "_commit"),
    (stores, "set_mark"), (os, "unlink"), (os, "rename"),
)

def move():
    with closing(Workspace.open(Settings(data=data, threads=1), {})) as workspace:
        log_mover.move(workspace, "trip_delay", folder)

number, killed = 0, 0
for moment in moments:
    log = PredictionLog(folder, budget=10**7, segment_bytes=1)
    for _ in range(6):
        log.append([{**row, "id": f"{number:06d}"}])
        number += 1
    killed += killed_at(moment, move, calls)
print(killed)
"""


@pytest.mark.slow
def test_a_mover_that_is_killed_at_any_moment_loses_no_prediction_and_doubles_none(
    settings: Settings, empty_lake: Path, tmp_path: Path
) -> None:
    shutil.copytree(empty_lake, settings.lake)
    folder = tmp_path / "log"
    moments = random.sample(range(1, 22), 10)  # three transactions take about that many steps
    command = [sys.executable, "-c", _MOVES_AND_IS_KILLED, settings.data, folder, json.dumps(ROW), json.dumps(moments)]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    assert int(ended.stdout) == 10, moments
    with closing(Workspace.open(settings, {})) as stores:
        log_mover.move(stores, "trip_delay", folder)
        assert ids(stores) == [f"{number:06d}" for number in range(60)], moments
    assert prediction_log.sealed_segments(folder) == []
