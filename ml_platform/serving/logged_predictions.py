"""Predictions by their ids: in the segments of the prediction log, and in the lake once they were moved there."""

import json
import re
import threading
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_platform.errors import PlatformError
from ml_platform.naming import quoted
from ml_platform.serving import column_segments, prediction_log
from ml_platform.settings import Settings

if TYPE_CHECKING:
    from ml_platform.lake.connection import Lake

ID_PATTERN = "^[0-9a-f]{32}$"
Inputs = dict[str, dict[str, Any]]  # prediction id → the request's own columns, as JSON values
# Only the id of a record looks so: in texts of a record quotes are escaped.
_ID = re.compile(rb'"id":"([0-9a-f]{32})"')
_LISTINGS = 20  # of a folder, while segments in it are renamed or moved
_LISTED = 500  # ids that one query asks for


class LoggedPredictions:
    """What was asked in the requests that predictions answered. Threads may share it.

    Args:
        settings: Where the lake is. It is opened when a prediction is not in the log any more.
        logs: The folder of the log, with a folder for each pipeline.
    """

    def __init__(self, settings: Settings, logs: Path) -> None:
        self._settings, self._logs = settings, logs
        self._lock = threading.Lock()
        self._lake: Lake | None = None

    def inputs(self, pipeline: str, identities: Collection[str]) -> Inputs:
        """The inputs of those of the predictions that the pipeline gave; the others are left out.

        Raises:
            LakeError: When the lake is needed and cannot be read.
        """
        # The log first: a record is in the lake before its segment is removed.
        inputs = _in_segments(self._logs / pipeline, set(identities))
        missing = sorted(set(identities) - inputs.keys())
        return inputs | self._in_lake(pipeline, missing) if missing else inputs

    def other_pipeline(self, pipeline: str, identity: str) -> str | None:
        """Which other pipeline gave a prediction; None: none did."""
        for folder in sorted(self._logs.glob("*")):
            if folder.name != pipeline and self.inputs(folder.name, [identity]):
                return folder.name
        return None

    def close(self) -> None:
        """Close the lake."""
        with self._lock:
            self._close()

    def _in_lake(self, pipeline: str, identities: list[str]) -> Inputs:
        from ml_platform.serving.log_mover import SERVED

        inputs: Inputs = {}
        with self._lock:
            try:
                lake = self._opened()
                if not lake.columns(pipeline, SERVED):
                    return {}
                for begin in range(0, len(identities), _LISTED):
                    some = identities[begin : begin + _LISTED]
                    sql = (
                        f"SELECT id, inputs FROM {quoted(pipeline)}.{SERVED} "
                        f"WHERE NOT shadow AND id IN ({', '.join('?' * len(some))})"
                    )
                    inputs |= {identity: json.loads(text) for identity, text in lake.rows(sql, some)}
            except PlatformError:
                self._close()  # the next call opens it anew
                raise
        return inputs

    def _opened(self) -> "Lake":
        from ml_platform.lake.connection import Lake

        if self._lake is None:
            self._lake = Lake(self._settings, read_only=True)
        return self._lake

    def _close(self) -> None:
        lake, self._lake = self._lake, None
        if lake is not None:
            lake.close()


def _in_segments(folder: Path, wanted: set[str]) -> Inputs:
    inputs: Inputs = {}
    for _ in range(_LISTINGS):
        changed = False
        for segment in _segments(folder):
            try:
                inputs |= _in_columns(segment, wanted) if _has_columns(segment) else _in_lines(segment, wanted)
            except FileNotFoundError:  # it has another name by now, or was moved to the lake
                changed = True
        if not changed or wanted <= inputs.keys():
            break
    return inputs


def _segments(folder: Path) -> Iterator[Path]:
    """The segments, the newest first, also those that are written to or were set aside."""
    suffixes = (prediction_log.OPEN, prediction_log.SEALED, prediction_log.DAMAGED, column_segments.COLUMNS)
    for path in sorted(folder.glob("*"), reverse=True):
        if path.suffix in suffixes:
            yield path


def _has_columns(segment: Path) -> bool:
    return segment.suffix == column_segments.COLUMNS


def _in_lines(segment: Path, wanted: set[str]) -> Inputs:
    content = segment.read_bytes()
    inputs: Inputs = {}
    for match in _ID.finditer(content):
        identity = match[1].decode()
        if identity in wanted:
            begin, end = content.rfind(b"\n", 0, match.start()) + 1, content.find(b"\n", match.end())
            with suppress(ValueError, KeyError):  # a line that a kill cut off was never an answer
                record = json.loads(content[begin : end if end >= 0 else None])
                if not record.get("shadow"):
                    inputs[identity] = json.loads(record["inputs"])
    return inputs


def _in_columns(segment: Path, wanted: set[str]) -> Inputs:
    inputs: Inputs = {}
    with suppress(ValueError):  # damaged: the mover says so
        for part in column_segments.records(segment, wanted):
            rows = part.filter(~part["shadow"]).select("id", "inputs").iter_rows()
            inputs |= {identity: json.loads(text) for identity, text in rows}
    return inputs
