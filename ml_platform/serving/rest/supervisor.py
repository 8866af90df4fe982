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

_MOVED_EVERY = 10.0  # seconds
_GRACE = 25.0  # seconds until a worker that was asked to end is killed


class Supervisor:
    """Deploys champions, keeps workers running, moves the log. As a context it serves; call `turn` each second.

    Args:
        stores: Opened for writing.
        pipelines: Whose champions answer.
        port: On 127.0.0.1; 0 takes a free one.
        workers: How many processes answer.
        tell: Hears of deployments and faults, one line each.

    Raises:
        ServingError: When the port is taken.
    """

    def __init__(
        self, stores: Stores, pipelines: Sequence[str], port: int, workers: int, tell: Callable[[str], None]
    ) -> None:
        self._stores, self._pipelines, self._count, self._tell = stores, pipelines, workers, tell
        self._online = stores.settings.online
        self._store = SQLiteStore(store_path(self._online))
        self._keeps = timedelta(days=stores.settings.online_days)
        self._seen: dict[str, tuple[int | None, int]] = {}
        self._faults: dict[str, str] = {}
        self._moved = 0.0
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
        for _ in range(self._count):
            self._workers.append(self._started())
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

    def turn(self) -> None:
        """Take up new champions and rows, start workers that ended again, move what was answered."""
        self._deploy()
        for index, worker in enumerate(self._workers):
            if worker.poll() is not None:
                self._tell(f"A worker ended with code {worker.returncode}; another one starts.")
                self._workers[index] = self._started()
        if time.monotonic() - self._moved >= _MOVED_EVERY:
            self._move()

    def _deploy(self) -> None:
        for name in self._pipelines:
            marks = (champion_at(self._stores.state, name), self._rows())
            if self._seen.get(name) == marks:
                continue
            before = self._store.deployments().get(name)
            try:
                deployment = deploy_champion(self._stores, name, self._store, self._keeps)
            except PlatformError as error:
                self._fault(name, str(error))
                continue
            self._faults.pop(name, None)
            self._seen[name] = marks
            if deployment != before:
                self._tell(_told(name, deployment))

    def _rows(self) -> int:
        """The newest record of any asset: while it stands, no table has other rows."""
        return ledger.newest_number(self._stores.state)

    def _move(self) -> None:
        self._moved = time.monotonic()
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
            self._tell(f"{what}: {text}")

    def _started(self) -> subprocess.Popen[bytes]:
        number = self._socket.fileno()
        command = [sys.executable, "-m", "ml_platform.serving.rest.worker", str(number)]
        return subprocess.Popen(command, pass_fds=[number])  # noqa: S603  # this interpreter and our own module


def _told(name: str, deployment: Deployment | None) -> str:
    return f"{name} has no champion yet." if deployment is None else f"{name}@{deployment.version} answers."
