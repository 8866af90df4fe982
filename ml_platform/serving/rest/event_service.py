"""What a worker holds to take events: the declarations of its pipelines, and a thread for each table."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from ml_platform.errors import ServingError
from ml_platform.serving.events.labels import LabelEvents
from ml_platform.serving.events.tables import EventTable, tables_with_events
from ml_platform.serving.events.taking import WAIT, EventTaker, Taken
from ml_platform.serving.online_store import OnlineStore
from ml_platform.serving.rest.event_requests import MAX_EVENTS, events_adapter, labels_adapter
from ml_platform.serving.rest.metrics import Metrics
from ml_platform.spec.pipeline import ModelPipeline

MAX_QUEUED = 32  # requests that may wait for the thread of a table
_METRICS_WAIT = 0.5  # seconds, for tables that are busy


@dataclass(frozen=True)
class EventsOfPipeline:
    """What a pipeline takes.

    tables:        by name, those that take no events, too.
    request:       validates events; None where no table takes any.
    labels:        what a label is.
    label_request: validates labels; None where none is taken.
    """

    tables: Mapping[str, EventTable]
    request: TypeAdapter[Any] | None
    labels: LabelEvents
    label_request: TypeAdapter[Any] | None

    @classmethod
    def of(cls, pipeline: ModelPipeline) -> "EventsOfPipeline":
        """What a declared pipeline takes."""
        tables = tables_with_events(pipeline)
        taking = [table for table in tables.values() if table.refusal is None]
        labels = LabelEvents.of(pipeline, tables)
        label_request = labels_adapter(labels) if labels.refusal is None else None
        return cls(tables, events_adapter(taking) if taking else None, labels, label_request)


class EventService:
    """Takes events of the pipelines of a worker.

    Args:
        load: Gives the pipelines that are declared, by name. It is called once, when something is first asked.
        folder: Where the files of events are.
        store: The online store.
        budget: Bytes that events of a table may take that are not landed.
    """

    def __init__(
        self, load: Callable[[], Mapping[str, ModelPipeline]], folder: Path, store: OnlineStore, budget: int
    ) -> None:
        self._load, self._folder, self._store, self._budget = load, folder, store, budget
        self._lock = threading.Lock()
        self._pipelines: Mapping[str, EventsOfPipeline] | None = None
        self._threads: dict[str, _TableThread] = {}  # by table; the event loop adds to it

    def stop(self) -> None:
        """Finish what is under way, and close the files."""
        for thread in self._threads.values():
            thread.stop()

    def of_pipeline(self, name: str) -> EventsOfPipeline:
        """What a pipeline takes. Raises ServingError for one whose declaration does not load."""
        with self._lock:
            if self._pipelines is None:
                self._pipelines = {name: EventsOfPipeline.of(pipeline) for name, pipeline in self._load().items()}
        if name not in self._pipelines:
            raise ServingError(
                f"The declaration of {name} does not load, so its events cannot be checked.",
                remedy="`ml-platform pipelines` says why. Start the service again once it loads.",
            )
        return self._pipelines[name]

    def queued(self, table: str) -> int:
        """How many requests with events of a table wait."""
        return self._threads[table].queued if table in self._threads else 0

    async def take(self, table: EventTable, rows: Sequence[Mapping[str, Any]], *, outcomes: bool = False) -> Taken:
        """Take the rows of a request, while the event loop answers others.

        A table that is being filled, or is in use elsewhere, keeps its own requests waiting and no others.

        outcomes: whether they are outcomes of rows that are there (`EventTaker.take_outcomes`).
        """
        if table.name not in self._threads:
            self._threads[table.name] = _TableThread(
                table.name, lambda: EventTaker(table, self._folder, self._store, self._budget)
            )
        return await self._threads[table.name].take(_Waiting(rows), outcomes=outcomes)

    def note_backlogs(self, metrics: Metrics) -> None:
        """Let the metrics show how many bytes are not landed, by table of which this worker took events.

        A table that is busy keeps the figure that it had.
        """
        backlogs = {name: thread.backlog() for name, thread in list(self._threads.items())}
        wait(backlogs.values(), _METRICS_WAIT)
        for name, backlog in backlogs.items():
            if backlog.done():
                metrics.event_backlog_bytes.labels(name).set(backlog.result())


class _TableThread:
    """The one thread that takes events of a table. `opened` gives what it takes them with."""

    def __init__(self, table: str, opened: Callable[[], EventTaker]) -> None:
        self.queued = 0  # requests that wait; the event loop counts them
        self._opened = opened
        self._thread = ThreadPoolExecutor(1, f"events of {table}")
        self._opened_taker: EventTaker | None = None
        self._waiting: deque[_Waiting] = deque()

    async def take(self, request: "_Waiting", *, outcomes: bool) -> Taken:
        """As `EventService.take`."""
        if not outcomes:
            self._waiting.append(request)
        self.queued += 1
        try:
            self._thread.submit(self._take_outcomes, request) if outcomes else self._thread.submit(self._take_waiting)
            return await asyncio.wrap_future(request.taken)
        finally:
            self.queued -= 1

    def backlog(self) -> "Future[int]":
        """Bytes that are not landed."""
        return self._thread.submit(lambda: self._taker.backlog)

    def stop(self) -> None:
        """Finish what is under way, and close the file."""
        self._thread.submit(self._close)
        self._thread.shutdown()

    @property
    def _taker(self) -> EventTaker:
        if self._opened_taker is None:
            self._opened_taker = self._opened()
        return self._opened_taker

    def _close(self) -> None:
        if self._opened_taker is not None:
            self._opened_taker.close()

    def _take_outcomes(self, request: "_Waiting") -> None:
        _settle(request, lambda: self._taker.take_outcomes(request.rows, request.deadline))

    def _take_waiting(self) -> None:
        """Take the request that waits longest, and in one go those behind it, if none is awkward."""
        together = list[_Waiting]()
        rows = 0
        while self._waiting:
            rows += len(self._waiting[0].rows)
            if together and rows > MAX_EVENTS:
                break
            together.append(self._waiting.popleft())
        if len(together) > 1 and self._taken_together(together):
            return
        for request in together:
            _settle(request, partial(self._take_one, request))

    def _take_one(self, request: "_Waiting") -> Taken:
        return self._taker.take(request.rows, request.deadline)

    def _taken_together(self, together: Sequence["_Waiting"]) -> bool:
        try:
            taken = self._taker.take_together([request.rows for request in together], together[0].deadline)
        except ServingError as error:  # the table takes none of them now
            for request in together:
                request.taken.set_exception(error)
            return True
        except Exception:  # of any library: it is each request's own, when it is taken by itself
            return False
        for request, of_request in zip(together, taken or (), strict=bool(taken)):
            request.taken.set_result(of_request)
        return taken is not None


@dataclass(frozen=True, eq=False)
class _Waiting:
    """A request on its way to the thread, and what becomes of it. `deadline`: by `time.monotonic`."""

    rows: Sequence[Mapping[str, Any]]
    deadline: float = field(default_factory=lambda: time.monotonic() + WAIT)
    taken: "Future[Taken]" = field(default_factory=Future)


def _settle(request: _Waiting, take: Callable[[], Taken]) -> None:
    """Let whoever waits have what `take` gives, or raises."""
    try:
        request.taken.set_result(take())
    except BaseException as error:  # it is raised where it is awaited
        request.taken.set_exception(error)
