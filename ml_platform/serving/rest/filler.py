"""Filling the online store and landing events in a thread of its own: the supervisor never waits for either."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import timedelta
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from ml_platform import interrupts
from ml_platform.models import bundle as bundles
from ml_platform.serving.deploying import deploy_challenger, deploy_champion, deploy_filled_champion, forget_unread
from ml_platform.serving.deploying_canary import deploy_canary
from ml_platform.serving.events.keeping import EventKeeper
from ml_platform.serving.events.tables import tables_with_events
from ml_platform.serving.filling import newest_validated_record
from ml_platform.serving.filling_predictions import fill_predictions, newest_record
from ml_platform.serving.online import OnlinePredictor
from ml_platform.serving.online_store import Deployment, OnlineStore
from ml_platform.serving.rest.faults import Faults
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import canaries, challenges, versions
from ml_platform.state.promotions import champion_at
from ml_platform.state.stores import Stores

if TYPE_CHECKING:
    import duckdb

_LANDING_INTERVAL = 10.0  # seconds
_INTERRUPTED_EACH = 0.1  # seconds


class Filler:
    """Deploys champions, challengers and canaries over what they need, and lands events, one round after the other.

    Args:
        stores: Opened for writing.
        pipelines: Whose champions answer.
        store: What is filled.
        faults: What went wrong.
        report: Hears of deployments, one line each.
        expect_canary: Called with pipeline, version and entry of the log before a canary answers
            (`CanaryWatch.expect`).
        declared: The pipelines that load, by name: their tables may take events.
    """

    def __init__(
        self,
        stores: Stores,
        pipelines: Sequence[str],
        store: OnlineStore,
        faults: Faults,
        report: Callable[[str], None],
        expect_canary: Callable[[str, int, int], None],
        declared: Mapping[str, ModelPipeline] = MappingProxyType({}),
    ) -> None:
        self._stores, self._pipelines, self._store = stores, pipelines, store
        self._faults, self._report, self._expect_canary = faults, report, expect_canary
        self._answered_span = timedelta(days=stores.settings.online_days)
        self._deployed_marks: dict[str, tuple[object, ...]] = {}
        self._challenger_marks: dict[str, tuple[object, ...]] = {}
        self._canary_marks: dict[str, tuple[object, ...]] = {}
        self._announced: dict[str, Deployment | None] = {}  # by either thread
        self._tables: dict[tuple[str, int], tuple[str, ...]] = {}  # that a version's features read
        tables = {name: tables_with_events(declared[name]) if name in declared else {} for name in pipelines}
        self._event_tables = {name: frozenset(of_pipeline) for name, of_pipeline in tables.items()}
        every_table = {name: table for one in tables.values() for name, table in one.items()}
        self._keeper = EventKeeper(stores.settings, every_table)  # of the thread
        self._thread = ThreadPoolExecutor(1, "filling")
        self._round: Future[None] | None = None
        self._cursor: duckdb.DuckDBPyConnection | None = None  # of the thread
        self._stopping = threading.Event()
        self._has_unread = threading.Event()  # of a champion that answers over what was filled: layouts may be unread
        self._last_landing = 0.0

    def begin(self) -> bool:
        """Begin a round, unless one is under way; whether it began.

        Raises what ended the round before, which is no fault of a pipeline: KeyboardInterrupt.
        """
        if self._round is not None:
            if not self._round.done():
                return False
            self._round.result()
        self._round = self._thread.submit(self._one_round)
        return True

    def settle(self) -> None:
        """Wait for the end of the round that is under way."""
        if self._round is not None:
            self._round.result()

    def stop(self) -> None:
        """End the round that is under way, land all events, and end the thread. What was half filled is taken back."""
        self._stopping.set()
        while self._round is not None and not self._round.done():
            if self._cursor is not None:
                self._cursor.interrupt()
            wait([self._round], _INTERRUPTED_EACH)
        self._thread.submit(self._finish).result()
        self._thread.shutdown()

    def marks(self, name: str) -> tuple[object, ...]:
        """What changes with the deployments of a pipeline and the rows that they answer over."""
        marks = (self._deployed_marks, self._challenger_marks, self._canary_marks, self._announced)
        return tuple(of_pipelines.get(name) for of_pipelines in marks)

    def deploy_filled(self) -> None:
        """While a round is under way: let champions answer that need no filling, such as after a rollback."""
        for name in self._pipelines:
            try:
                deployment = deploy_filled_champion(self._stores, name, self._store)
            except Exception as error:  # of any library: the next round tries it again
                interrupts.stop_if_arrived()
                self._faults.note(name, error)
                continue
            if deployment is not None:
                self._has_unread.set()
                self._announced[name] = deployment
                self._report(_deployment_message(name, deployment))

    def _one_round(self) -> None:
        if self._cursor is None:
            self._attempt("the lake", self._open_cursor)
        for name in self._pipelines:
            self._attempt(name, partial(self._deploy_champion, name))
            self._attempt(f"challenger of {name}", partial(self._deploy_challenger, name))
            self._attempt(f"canary of {name}", partial(self._deploy_canary, name))
        if self._has_unread.is_set() and not self._stopping.is_set():
            self._has_unread.clear()
            self._attempt("values that no version reads", lambda: forget_unread(self._stores, self._store))
        if time.monotonic() - self._last_landing >= _LANDING_INTERVAL and not self._stopping.is_set():
            self._land_events()

    def _open_cursor(self) -> None:
        self._cursor = self._stores.lake.connection

    def _finish(self) -> None:
        try:
            self._land_events()
        finally:
            self._keeper.close()

    def _attempt(self, what: str, work: Callable[[], object]) -> bool:
        """Do some work; whether it went well. Its error is a fault, which stops no other work."""
        if self._stopping.is_set():
            return False
        try:
            work()
        except Exception as error:  # of any library, such as a full disk: what is deployed answers meanwhile
            if not self._stopping.is_set():  # else it was interrupted
                interrupts.stop_if_arrived()
                self._faults.note(what, error)
            return False
        self._faults.passed(what)
        return True

    def _deploy_champion(self, name: str) -> None:
        champion = champion_at(self._stores.state, name)
        records = self._records(name, champion)
        previous = self._store.deployments().get(name)
        event_tables = self._keeper.taking & self._event_tables[name]
        taking = {table: newest_validated_record(self._stores.state, table) for table in event_tables}
        if self._deployed_marks.get(name) == (champion, records, previous, self._filled(), taking):
            return
        deployment = deploy_champion(self._stores, name, self._store, self._answered_span, self._keeper, event_tables)
        # Where predictions cannot be filled the champion answers all the same, and they are tried again in a second.
        if champion is None or self._attempt(f"stored predictions of {name}", partial(self._fill_predictions, name)):
            self._deployed_marks[name] = (champion, records, deployment, self._filled(), taking)
        # The first round says what answers, also where it was deployed before `serve` started.
        if deployment != self._announced.get(name, previous if deployment is None else None):
            self._report(_deployment_message(name, deployment))
        self._announced[name] = deployment

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
            self._expect_canary(name, number, entry.seq)
        deployment = deploy_canary(self._stores, name, self._store, self._answered_span, self._keeper)
        self._canary_marks[name] = (entry, champion, records, deployment, self._filled(), taking)
        if deployment is None and previous is not None and previous.terms is not None and not previous.terms.ended:
            self._report(f"{name}@{previous.version} is no canary any more.")  # else the watch has said it
        if deployment is not None and deployment.terms is not None and deployment != previous:
            self._report(
                f"{name}@{deployment.version} is a canary now: it answers {deployment.terms.share:.3g} of keys."
            )

    def _fill_predictions(self, name: str) -> None:
        fill_predictions(self._stores, name, self._store, self._answered_span)

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

    def _land_events(self) -> None:
        """Land the events of all tables, of open groups only once the thread ends."""
        self._last_landing = time.monotonic()
        stopping = self._stopping.is_set()
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
                self._faults.passed(what)
            except Exception as error:  # of any library: the events stay, and are landed later
                if not stopping:  # else Ctrl-C arrived long ago
                    interrupts.stop_if_arrived()
                self._faults.note(what, error)


def _deployment_message(name: str, deployment: Deployment | None) -> str:
    return f"{name} has no champion yet." if deployment is None else f"{name}@{deployment.version} answers."
