"""The service as a whole: workers that answer, and the one process that fills the store and moves the log."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from types import MappingProxyType, TracebackType
from typing import Self

from ml_platform import interrupts
from ml_platform.errors import PlatformError, first_line
from ml_platform.models import bundle as bundles
from ml_platform.serving.deploying import deploy_challenger, deploy_champion
from ml_platform.serving.deploying_canary import deploy_canary
from ml_platform.serving.events.keeping import EventKeeper
from ml_platform.serving.events.tables import tables_with_events
from ml_platform.serving.filling import newest_validated_record
from ml_platform.serving.filling_predictions import fill_predictions, newest_record
from ml_platform.serving.log_mover import move
from ml_platform.serving.online import OnlinePredictor
from ml_platform.serving.online_store import Deployment
from ml_platform.serving.opening_store import open_store
from ml_platform.serving.rest import filling_faults
from ml_platform.serving.rest.canary_watch import CanaryWatch
from ml_platform.serving.rest.folders import logs_folder
from ml_platform.serving.rest.listening import Listener
from ml_platform.serving.rest.metrics_folder import MetricsFolder
from ml_platform.serving.rest.workers import Workers, worker_command
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import canaries, challenges, versions
from ml_platform.state.promotions import champion_at
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
    ) -> None:
        self._stores, self._pipelines, self._report = stores, pipelines, report
        self._online = stores.settings.online
        self._store = open_store(stores.settings)
        self._answered_span = timedelta(days=stores.settings.online_days)
        self._deployed_marks: dict[str, tuple[object, ...]] = {}
        self._challenger_marks: dict[str, tuple[object, ...]] = {}
        self._canary_marks: dict[str, tuple[object, ...]] = {}
        self._tables: dict[tuple[str, int], tuple[str, ...]] = {}  # that a version's features read
        self._faults: dict[str, str] = {}
        self._published_faults: dict[str, str] | None = None
        self._last_move = 0.0
        self._listener = listener
        self._metrics = MetricsFolder()
        tables = {name: tables_with_events(declared[name]) if name in declared else {} for name in pipelines}
        self._event_tables = {name: frozenset(of_pipeline) for name, of_pipeline in tables.items()}
        self._keeper = EventKeeper(
            stores.settings, {name: table for one in tables.values() for name, table in one.items()}
        )
        self._declared_by = declared_by
        self._canaries = CanaryWatch(stores.state, self._store, pipelines, self._metrics.path, report)
        self._workers = Workers(workers, self._command, [listener.socket.fileno()], report)

    def __enter__(self) -> Self:
        with ExitStack() as failed:
            failed.callback(self._close)
            self._deploy()
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

        Raises:
            ServingError: When workers end again and again before they are ready.
        """
        self._deploy()
        self._workers.restart()
        self._metrics.keep_alive(self._workers.pids)
        if time.monotonic() - self._last_move >= _MOVE_INTERVAL:
            self._move()

    def _close(self) -> None:
        with ExitStack() as closing:
            closing.callback(self._metrics.close)
            closing.callback(self._store.close)
            closing.callback(self._keeper.close)
            closing.callback(self._listener.close)
            closing.callback(self._move, stopping=True)
            closing.callback(self._canaries.stop)
            closing.callback(self._workers.stop)

    def _deploy(self) -> None:
        for name in self._pipelines:
            try:
                self._deploy_changes(name)
                self._faults.pop(name, None)
            except Exception as error:  # of any library, such as a full disk: what is deployed answers meanwhile
                interrupts.stop_if_arrived()
                self._fault(name, error)
            for role, deploy in (("challenger", self._deploy_challenger), ("canary", self._deploy_canary)):
                try:
                    deploy(name)
                    self._faults.pop(f"{role} of {name}", None)
                except Exception as error:  # likewise: the champion answers without it
                    interrupts.stop_if_arrived()
                    self._fault(f"{role} of {name}", error)
        self._publish_faults()

    def _publish_faults(self) -> None:
        """Let /readyz of the workers tell what cannot be filled."""
        faults = {name: self._faults[name] for name in self._pipelines if name in self._faults}
        if faults == self._published_faults:
            return
        try:
            filling_faults.write(self._online, faults)
            self._published_faults = faults
            self._faults.pop("faults for /readyz", None)
        except OSError as error:
            self._fault("faults for /readyz", error)

    def _deploy_changes(self, name: str) -> None:
        champion = champion_at(self._stores.state, name)
        records = self._records(name, champion)
        previous = self._store.deployments().get(name)
        event_tables = self._keeper.taking & self._event_tables[name]
        taking = {table: newest_validated_record(self._stores.state, table) for table in event_tables}
        if self._deployed_marks.get(name) == (champion, records, previous, self._filled(), taking):
            return
        deployment = deploy_champion(self._stores, name, self._store, self._answered_span, self._keeper, event_tables)
        if champion is None or self._fill_predictions(name):
            self._deployed_marks[name] = (champion, records, deployment, self._filled(), taking)
        if deployment != previous:
            self._report(_deployment_message(name, deployment))

    def _deploy_challenger(self, name: str) -> None:
        number, previous = challenges.challenger(self._stores.state, name), self._store.deployments("challenger")
        if number is None and name not in previous:
            return
        champion = self._store.deployments().get(name)
        records = self._records(name, number)
        taking = {table: newest_validated_record(self._stores.state, table) for table in self._keeper.taking}
        if self._challenger_marks.get(name) == (number, champion, records, previous.get(name), self._filled(), taking):
            return
        deployment = deploy_challenger(self._stores, name, self._store, self._answered_span, self._keeper)
        self._challenger_marks[name] = (number, champion, records, deployment, self._filled(), taking)
        if deployment != previous.get(name):
            shadows = f"{name}@{deployment.version} is the challenger" if deployment else f"{name} has no challenger"
            self._report(f"{shadows} now.")

    def _deploy_canary(self, name: str) -> None:
        entry, previous = canaries.newest(self._stores.state, name), self._store.deployments("canary").get(name)
        if entry is None and previous is None:
            return
        number = entry.version if entry is not None and entry.action == "started" else None
        champion, records = self._store.deployments().get(name), self._records(name, number)
        taking = {table: newest_validated_record(self._stores.state, table) for table in self._keeper.taking}
        if self._canary_marks.get(name) == (entry, champion, records, previous, self._filled(), taking):
            return
        if entry is not None and number is not None:
            self._canaries.expect(name, number, entry.seq)
        deployment = deploy_canary(self._stores, name, self._store, self._answered_span, self._keeper)
        self._canary_marks[name] = (entry, champion, records, deployment, self._filled(), taking)
        if deployment is None and previous is not None and previous.terms is not None and not previous.terms.ended:
            self._report(f"{name}@{previous.version} is no canary any more.")  # else the watch has said it
        if deployment is not None and deployment.terms is not None and deployment != previous:
            self._report(
                f"{name}@{deployment.version} is a canary now: it answers {deployment.terms.share:.3g} of keys."
            )

    def _fill_predictions(self, name: str) -> bool:
        """Store what the batch predicted; whether that went well. Where it fails the champion answers all the same."""
        what = f"stored predictions of {name}"
        try:
            fill_predictions(self._stores, name, self._store, self._answered_span)
        except Exception as error:  # of any library, such as a full disk: it is tried again in a second
            interrupts.stop_if_arrived()
            self._fault(what, error)
            return False
        self._faults.pop(what, None)
        return True

    def _filled(self) -> frozenset[bytes]:
        """The layouts that the store has: a server may lose them."""
        return frozenset(self._store.fillings())

    def _records(self, name: str, number: int | None) -> tuple[int, ...]:
        """The newest records of predictions and of each table that a version's features read.

        While they stand, no other rows are to be filled.
        """
        if number is None:
            return ()
        if (name, number) not in self._tables:
            version = versions.version(self._stores.state, name, number)
            definition = OnlinePredictor.definition_of(bundles.load(self._stores.blobs, version.bundle))
            self._tables[name, number] = tuple(definition.tables)
        tables = (newest_validated_record(self._stores.state, table) for table in self._tables[name, number])
        return (newest_record(self._stores, name), *tables)

    def _move(self, *, stopping: bool = False) -> None:
        self._last_move = time.monotonic()
        self._land_events(stopping=stopping)
        for name in self._pipelines:
            folder = logs_folder(self._online) / name
            try:
                if folder.is_dir():
                    move(self._stores, name, folder)
                self._faults.pop(f"log of {name}", None)
            except Exception as error:  # of any library: the segments stay, and are moved later
                if not stopping:  # else Ctrl-C arrived long ago
                    interrupts.stop_if_arrived()
                self._fault(f"log of {name}", error)

    def _land_events(self, *, stopping: bool) -> None:
        for table in self._keeper.posted:
            what = f"events of {table}"
            try:
                try:
                    self._keeper.catch_up(table, self._store)
                finally:  # whatever the store does
                    landed = self._keeper.land(self._stores.state, table, all_of_them=stopping)
                    refusal = self._keeper.refusal_of(table)
                    if landed and refusal is not None:
                        self._report(f"{what}: what was taken before has landed, and no more is taken. {refusal}")
                self._faults.pop(what, None)
            except Exception as error:  # of any library: the events stay, and are landed later
                if not stopping:
                    interrupts.stop_if_arrived()
                self._fault(what, error)

    def _fault(self, what: str, error: Exception) -> None:
        """Report a fault once, until it is another one."""
        text = str(error) if isinstance(error, PlatformError) else f"{type(error).__name__}: {first_line(error)}."
        if self._faults.get(what) != text:
            self._faults[what] = text
            self._report(f"{what}: {text}")

    def _command(self, lifeline: int) -> list[str]:
        return worker_command(self._listener, lifeline, self._metrics.path, self._declared_by, self._pipelines)


def _deployment_message(name: str, deployment: Deployment | None) -> str:
    return f"{name} has no champion yet." if deployment is None else f"{name}@{deployment.version} answers."
