"""The service as a whole: workers that answer, and the one process that has the store filled and moves the log."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from types import MappingProxyType, TracebackType
from typing import Any, Self

from ml_platform import interrupts
from ml_platform.serving.log_mover import move
from ml_platform.serving.online_store import OnlineStore
from ml_platform.serving.opening_store import open_store
from ml_platform.serving.rest import filling_faults
from ml_platform.serving.rest.canary_watch import CanaryWatch
from ml_platform.serving.rest.card_pages import CardPages
from ml_platform.serving.rest.faults import Faults
from ml_platform.serving.rest.filler import Filler
from ml_platform.serving.rest.folders import logs_folder
from ml_platform.serving.rest.listening import Listener
from ml_platform.serving.rest.metrics_folder import MetricsFolder
from ml_platform.serving.rest.version_records import VersionRecords
from ml_platform.serving.rest.workers import Workers, worker_command
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state.stores import Stores

_MOVE_INTERVAL = 10.0  # seconds


class Supervisor:
    """Deploys champions, keeps workers running, moves the log. As a context it serves; call `run_once` each second.

    Args:
        stores: Opened for writing.
        pipelines: Whose champions answer.
        listener: Where requests arrive. The supervisor closes it.
        workers: How many processes answer.
        report: Hears of deployments and faults, one line each.
        declared: The pipelines that load, by name: their tables may take events.
        declared_by: `module:name` of the function that gives them to workers.
        look_up: What is on record of a pipeline, for the pages of the service, over its online store.
        card_page: The version of a pipeline that answers, by its online store, and the page of its model card.
    """

    def __init__(
        self,
        stores: Stores,
        pipelines: Sequence[str],
        listener: Listener,
        workers: int,
        report: Callable[[str], None],
        declared: Mapping[str, ModelPipeline] = MappingProxyType({}),
        declared_by: str = "",
        look_up: Callable[[str, OnlineStore], Mapping[str, Any]] | None = None,
        card_page: Callable[[str, OnlineStore], tuple[int, str] | None] | None = None,
    ) -> None:
        self._stores, self._pipelines = stores, pipelines
        self._online = stores.settings.online
        self._store = open_store(stores.settings)
        self._faults = Faults(report)
        self._published_faults: dict[str, str] | None = None
        self._last_move = 0.0
        self._listener = listener
        self._metrics = MetricsFolder()
        self._canaries = CanaryWatch(stores.state, self._store, pipelines, self._metrics.path, report)
        self._filler = Filler(stores, pipelines, self._store, self._faults, report, self._canaries.expect, declared)
        self._declared_by = declared_by
        self._version_records = (
            VersionRecords(self._online, lambda name: look_up(name, self._store)) if look_up else None
        )
        self._card_pages = CardPages(self._online, lambda name: card_page(name, self._store)) if card_page else None
        self._workers = Workers(workers, self._command, [listener.socket.fileno()], report)

    def __enter__(self) -> Self:
        with ExitStack() as failed:
            failed.callback(self._close)
            self._filler.begin()
            self.settle()
            self._workers.restart()
            self._canaries.start()
            failed.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._close()

    @property
    def listens(self) -> bool:
        """Whether a worker takes requests."""
        return self._workers.any_ready

    def run_once(self) -> None:
        """Take up new champions and rows, start workers that ended again, move what was answered.

        The store is filled meanwhile (`Filler`): what needs no filling waits for none.

        Raises:
            ServingError: When workers end again and again before they are ready.
        """
        if not self._filler.begin():
            self._filler.deploy_filled()
        self._publish_records()
        self._publish_faults()
        self._publish_cards()
        self._workers.restart()
        self._metrics.keep_alive(self._workers.pids)
        if time.monotonic() - self._last_move >= _MOVE_INTERVAL:
            self._move()

    def settle(self) -> None:
        """Wait until what `run_once` began to fill is filled."""
        self._filler.settle()
        self._publish_records()
        self._publish_faults()

    def _close(self) -> None:
        with ExitStack() as closing:
            closing.callback(self._metrics.close)
            closing.callback(self._store.close)
            closing.callback(self._listener.close)
            closing.callback(self._move, stopping=True)
            closing.callback(self._filler.stop)
            closing.callback(self._canaries.stop)
            closing.callback(self._workers.stop)

    def _publish_records(self) -> None:
        """Let the pages of workers tell what is on record of the versions that answer."""
        if self._version_records is None:
            return
        for name in self._pipelines:
            what = f"record of {name}"
            try:
                self._version_records.publish(name, self._filler.marks(name))
                self._faults.passed(what)
            except Exception as error:  # of any library: the pages say less, and the champion answers
                interrupts.stop_if_arrived()
                self._faults.note(what, error)

    def _publish_cards(self) -> None:
        """Make the pages of model cards that are out of date. Nobody waits for them: requests are answered already."""
        if self._card_pages is None or not self.listens:
            return
        for name in self._pipelines:
            what = f"model card of {name}"
            try:
                self._card_pages.publish(name, self._filler.marks(name))
                self._faults.passed(what)
            except Exception as error:  # of any library: the page shows the card that is stored with the version
                interrupts.stop_if_arrived()
                self._faults.note(what, error)

    def _publish_faults(self) -> None:
        """Let /readyz of the workers tell what cannot be filled."""
        faults = self._faults.of(self._pipelines)
        if faults == self._published_faults:
            return
        try:
            filling_faults.write(self._online, faults)
            self._published_faults = faults
            self._faults.passed("faults for /readyz")
        except OSError as error:
            self._faults.note("faults for /readyz", error)

    def _move(self, *, stopping: bool = False) -> None:
        self._last_move = time.monotonic()
        for name in self._pipelines:
            folder = logs_folder(self._online) / name
            try:
                if folder.is_dir():
                    move(self._stores, name, folder)
                self._faults.passed(f"log of {name}")
            except Exception as error:  # of any library: the segments stay, and are moved later
                if not stopping:  # else Ctrl-C arrived long ago
                    interrupts.stop_if_arrived()
                self._faults.note(f"log of {name}", error)

    def _command(self, lifeline: int) -> list[str]:
        return worker_command(self._listener, lifeline, self._metrics.path, self._declared_by, self._pipelines)
