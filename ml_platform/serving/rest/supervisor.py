"""The service as a whole: workers that answer, and the one process that fills the store and moves the log."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Self

from ml_platform.errors import PlatformError, ServingError
from ml_platform.serving.deploying import deploy_champion
from ml_platform.serving.log_mover import move
from ml_platform.serving.online_store import Deployment
from ml_platform.serving.rest.worker import logs_folder, store_path
from ml_platform.serving.sqlite_store import SQLiteStore
from ml_platform.state import ledger
from ml_platform.state.promotions import champion_at
from ml_platform.state.stores import Stores

_MOVE_INTERVAL = 10.0  # seconds
_GRACE = 25.0  # seconds until a worker that was asked to end is killed


class Supervisor:
    """Deploys champions, keeps workers running, moves the log. As a context it serves; call `run_once` each second.

    Args:
        stores: Opened for writing.
        pipelines: Whose champions answer.
        port: On 127.0.0.1; 0 takes a free one.
        workers: How many processes answer.
        report: Hears of deployments and faults, one line each.

    Raises:
        ServingError: When the port is taken.
    """

    def __init__(
        self, stores: Stores, pipelines: Sequence[str], port: int, workers: int, report: Callable[[str], None]
    ) -> None:
        self._stores, self._pipelines, self._worker_count, self._report = stores, pipelines, workers, report
        self._online = stores.settings.online
        self._store = SQLiteStore(store_path(self._online))
        self._keeps = timedelta(days=stores.settings.online_days)
        self._deployed_marks: dict[str, tuple[int | None, int]] = {}
        self._faults: dict[str, str] = {}
        self._last_move = 0.0
        self._workers: list[subprocess.Popen[bytes]] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind(("127.0.0.1", port))
        except OSError as error:
            raise ServingError(
                f"Port {port} of 127.0.0.1 cannot be used: {error.strerror}.", remedy="--port 0 takes a free one."
            ) from None

    @property
    def url(self) -> str:
        """The address of the service."""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._deploy()
        for _ in range(self._worker_count):
            self._workers.append(self._start_worker())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for worker in self._workers:
            worker.terminate()
        for worker in self._workers:
            try:
                worker.wait(_GRACE)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
        self._move()
        self._socket.close()
        self._store.close()

    def run_once(self) -> None:
        """Take up new champions and rows, start workers that ended again, move what was answered."""
        self._deploy()
        for index, worker in enumerate(self._workers):
            if worker.poll() is not None:
                self._report(f"A worker ended with code {worker.returncode}; another one starts.")
                self._workers[index] = self._start_worker()
        if time.monotonic() - self._last_move >= _MOVE_INTERVAL:
            self._move()

    def _deploy(self) -> None:
        for name in self._pipelines:
            marks = (champion_at(self._stores.state, name), self._rows())
            if self._deployed_marks.get(name) == marks:
                continue
            before = self._store.deployments().get(name)
            try:
                deployment = deploy_champion(self._stores, name, self._store, self._keeps)
            except PlatformError as error:
                self._fault(name, str(error))
                continue
            self._faults.pop(name, None)
            self._deployed_marks[name] = marks
            if deployment != before:
                self._report(_deployment_message(name, deployment))

    def _rows(self) -> int:
        """The newest record of any asset: while it stands, no table has other rows."""
        return ledger.newest_number(self._stores.state)

    def _move(self) -> None:
        self._last_move = time.monotonic()
        for name in self._pipelines:
            folder = logs_folder(self._online) / name
            if not folder.is_dir():
                continue
            try:
                move(self._stores, name, folder)
                self._faults.pop(f"log of {name}", None)
            except PlatformError as error:  # the segments stay, and are moved later
                self._fault(f"log of {name}", str(error))

    def _fault(self, what: str, text: str) -> None:
        """Say a fault once, until it is another one."""
        if self._faults.get(what) != text:
            self._faults[what] = text
            self._report(f"{what}: {text}")

    def _start_worker(self) -> subprocess.Popen[bytes]:
        number = self._socket.fileno()
        command = [sys.executable, "-m", "ml_platform.serving.rest.worker", str(number), *self._pipelines]
        return subprocess.Popen(command, pass_fds=[number])  # noqa: S603  # this interpreter and our own module


def _deployment_message(name: str, deployment: Deployment | None) -> str:
    return f"{name} has no champion yet." if deployment is None else f"{name}@{deployment.version} answers."
