"""What is on record of the versions that answer: a file that the supervisor writes and workers read."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ml_platform.lake import durable

_FILE = "records.json"
LookUp = Callable[[str], Mapping[str, Any]]  # pipeline → its record, as JSON values


class VersionRecords:
    """Keeps the file up to date.

    Args:
        online: The folder of the service.
        look_up: What is on record of a pipeline now: `version` and what belongs to it.
    """

    def __init__(self, online: Path, look_up: LookUp) -> None:
        self._online, self._look_up = online, look_up
        self._started = datetime.now(UTC).isoformat()
        self._marks: dict[str, object] = {}
        self._records: dict[str, Mapping[str, Any]] = {}

    def publish(self, pipeline: str, mark: object) -> None:
        """Look the record of a pipeline up and write it, unless it was written under an equal mark.

        Raises what the look-up raises, and OSError.
        """
        if pipeline in self._marks and self._marks[pipeline] == mark:
            return
        self._records[pipeline] = self._look_up(pipeline)
        self._online.mkdir(parents=True, exist_ok=True)
        content = {"started_at": self._started, "pipelines": self._records}
        durable.write(self._online / _FILE, json.dumps(content).encode(), 0o600, synced=False)
        self._marks[pipeline] = mark


def read(online: Path) -> Mapping[str, Any]:
    """What was written last: `started_at`, when the service started, and `pipelines`; nothing where nothing was.

    >>> from tempfile import mkdtemp
    >>> folder = Path(mkdtemp())
    >>> VersionRecords(folder, lambda pipeline: {"version": 7}).publish("flight_delay", 1)
    >>> read(folder)["pipelines"]
    {'flight_delay': {'version': 7}}
    """
    try:
        content: dict[str, Any] = json.loads((online / _FILE).read_text())
    except FileNotFoundError:
        return {}
    return content
