"""A service of one version for a trial: a worker as `serve` starts it, on a free port, in a folder of its own.

It shares nothing with the lake: the folder has the bundle, a store that the caller fills, and the prediction log.
"""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from ml_platform.errors import ServingError
from ml_platform.lake.blobs import Blobs
from ml_platform.serving import prediction_log
from ml_platform.serving.online_store import Deployment, OnlineStore
from ml_platform.serving.rest.folders import logs_folder
from ml_platform.serving.rest.listening import Listener
from ml_platform.serving.rest.metrics_folder import MetricsFolder
from ml_platform.serving.rest.workers import Workers, worker_command
from ml_platform.serving.sqlite_store import SQLiteStore
from ml_platform.settings import Settings

_SECONDS = 60.0  # until it is ready, and for one answer
_NO_EVENTS = "builtins:dict"  # declares no pipeline, so no table takes events
# What would lead the worker to another store or ask its caller for a key, also where `.env` sets it.
_UNSET = ("ENVIRONMENT", "CATALOG", "ONLINE_STORE", "API_KEYS")


class TrialService:
    """A service that runs. Its requests go one after the other over one connection."""

    def __init__(self, url: str, pipeline: str, folder: Path) -> None:
        self._pipeline, self._folder = pipeline, folder
        address = urlsplit(url)
        assert address.hostname is not None  # the listener's own
        self._connection = HTTPConnection(address.hostname, address.port, timeout=_SECONDS)

    def answers(self) -> bool:
        """Whether it takes connections: a worker is ready a moment before."""
        try:
            self.unready()
        except ServingError:
            return False
        return True

    def unready(self) -> str:
        """Why `/readyz` says that it is not ready; empty when it is. Raises ServingError when it does not answer."""
        code, body = self._asked("GET", "/readyz", None)
        return "" if code == 200 else body.decode(errors="replace")[:500]

    def predict(self, rows: Sequence[Mapping[str, Any]]) -> str:
        """Ask for predictions of rows in JSON values: why they were refused, or empty.

        Raises ServingError when it does not answer.
        """
        body = json.dumps({"rows": list(rows)}, allow_nan=False).encode()
        code, answer = self._asked("POST", f"/v1/pipelines/{self._pipeline}/predict", body)
        return "" if code == 200 else f"{code}: {answer.decode(errors='replace')[:500]}"

    def logged(self) -> list[dict[str, Any]]:
        """The records of its prediction log, in the order of the answers."""
        folder = logs_folder(self._folder / "online") / self._pipeline
        segments = sorted([*folder.glob(f"*{prediction_log.OPEN}"), *folder.glob(f"*{prediction_log.SEALED}")])
        lines = [line for segment in segments for line in prediction_log.whole_lines(segment).splitlines()]
        return [json.loads(line) for line in lines]

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def _asked(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        headers = {"content-type": "application/json"} if body is not None else {}
        try:
            self._connection.request(method, path, body, headers)
            response = self._connection.getresponse()
            return response.status, response.read()
        except (OSError, HTTPException) as error:
            self._connection.close()
            raise ServingError(f"The service on trial does not answer: {error}.") from error


@contextmanager
def trial_service(
    blobs: Blobs, pipeline: str, version: int, bundle: str, fill: Callable[[OnlineStore], None]
) -> Iterator[TrialService]:
    """A service that answers with a version. `fill` fills its online store.

    Raises ServingError when it cannot be started, and BlobError when the bundle is missing or damaged.
    """
    with TemporaryDirectory(prefix="ml_platform_trial_") as text:
        folder = Path(text)
        settings = Settings(environment="", data=folder)
        _copy(blobs, Blobs(settings), bundle)
        store = SQLiteStore(settings.online / "store.sqlite")
        try:
            fill(store)
            store.deploy(Deployment(pipeline, version, bundle, datetime.now(UTC)))
        finally:
            store.close()
        listener, figures, problems = Listener("127.0.0.1", 0, None, has_keys=False), MetricsFolder(), list[str]()

        def command(lifeline: int) -> list[str]:
            return worker_command(listener, lifeline, figures.path, _NO_EVENTS, [pipeline])

        variables = {f"ML_PLATFORM_{name}": "" for name in _UNSET} | {"ML_PLATFORM_DATA": str(folder)}
        descriptors = [listener.socket.fileno()]
        workers = Workers(1, command, descriptors, problems.append, {**os.environ, **variables})
        service = TrialService(listener.url, pipeline, folder)
        try:
            _wait(workers, service, problems)
            yield service
        finally:
            service.close()
            workers.stop()
            figures.close()
            listener.close()


def _wait(workers: Workers, service: TrialService, problems: Sequence[str]) -> None:
    deadline = time.monotonic() + _SECONDS
    while not (workers.any_ready and service.answers()):
        workers.restart()
        if problems or time.monotonic() > deadline:
            raise ServingError(f"The service on trial did not start. {' '.join(problems)}".strip())
        time.sleep(0.02)


def _copy(source: Blobs, target: Blobs, digest: str) -> None:
    with target.writing() as path:
        shutil.copyfile(source.get(digest), path)
        target.put_file(path)
