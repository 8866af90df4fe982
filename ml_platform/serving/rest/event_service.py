"""What a worker holds to take events: the declarations of its pipelines, and one thread that takes them."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from ml_platform.errors import ServingError
from ml_platform.serving.events.labels import LabelEvents
from ml_platform.serving.events.tables import EventTable, tables_with_events
from ml_platform.serving.events.taking import EventTaker, Taken
from ml_platform.serving.online_store import OnlineStore
from ml_platform.serving.rest.event_requests import MAX_EVENTS, events_adapter, labels_adapter
from ml_platform.serving.rest.metrics import Metrics
from ml_platform.spec.pipeline import ModelPipeline

MAX_QUEUED = 32  # requests that may wait for the thread


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
        label_request = labels_adapter(labels.table, labels.outcomes) if labels.refusal is None else None
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
        self.queued = 0  # requests that wait for the thread; the event loop counts them
        self._load, self._folder, self._store, self._budget = load, folder, store, budget
        self._thread = ThreadPoolExecutor(1, "events")
        self._lock = threading.Lock()
        self._pipelines: Mapping[str, EventsOfPipeline] | None = None
        self._takers: dict[str, EventTaker] = {}
        self._waiting: deque[_Waiting] = deque()

    def stop(self) -> None:
        """Finish what is under way, and close the files."""
        self._thread.submit(self._close)
        self._thread.shutdown()

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

    async def take(self, table: EventTable, rows: Sequence[Mapping[str, Any]], *, outcomes: bool = False) -> Taken:
        """Take the rows of a request, while the event loop answers others.

        outcomes: whether they are outcomes of rows that are there (`EventTaker.take_outcomes`).
        """
        request = _Waiting(table, rows)
        if not outcomes:
            self._waiting.append(request)
        self.queued += 1
        try:
            self._thread.submit(self._take_outcomes, request) if outcomes else self._thread.submit(self._take_waiting)
            return await asyncio.wrap_future(request.taken)
        finally:
            self.queued -= 1

    def note_backlogs(self, metrics: Metrics) -> None:
        """Let the metrics show how many bytes are not landed, by table of which this worker took events."""
        backlogs = self._thread.submit(lambda: {name: taker.backlog for name, taker in self._takers.items()}).result()
        for name, size in backlogs.items():
            metrics.event_backlog_bytes.labels(name).set(size)

    def _taker(self, table: EventTable) -> EventTaker:
        if table.name not in self._takers:
            self._takers[table.name] = EventTaker(table, self._folder, self._store, self._budget)
        return self._takers[table.name]

    def _take_outcomes(self, request: "_Waiting") -> None:
        _settle(request, lambda: self._taker(request.table).take_outcomes(request.rows))

    def _take_waiting(self) -> None:
        """Take the request that waits longest, and in one go those behind it for the same table, if none is awkward."""
        together = list[_Waiting]()
        rows = 0
        while self._waiting and (not together or self._waiting[0].table is together[0].table):
            rows += len(self._waiting[0].rows)
            if together and rows > MAX_EVENTS:
                break
            together.append(self._waiting.popleft())
        if len(together) > 1 and self._taken_together(together):
            return
        for request in together:
            _settle(request, partial(self._take_one, request))

    def _take_one(self, request: "_Waiting") -> Taken:
        return self._taker(request.table).take(request.rows)

    def _taken_together(self, together: Sequence["_Waiting"]) -> bool:
        try:
            taken = self._taker(together[0].table).take_together([request.rows for request in together])
        except Exception:  # of any library: it is each request's own, when it is taken by itself
            return False
        for request, of_request in zip(together, taken or (), strict=bool(taken)):
            request.taken.set_result(of_request)
        return taken is not None

    def _close(self) -> None:
        for taker in self._takers.values():
            taker.close()


@dataclass(frozen=True, eq=False)
class _Waiting:
    """A request on its way to the thread, and what becomes of it."""

    table: EventTable
    rows: Sequence[Mapping[str, Any]]
    taken: "Future[Taken]" = field(default_factory=Future)


def _settle(request: _Waiting, take: Callable[[], Taken]) -> None:
    """Let whoever waits have what `take` gives, or raises."""
    try:
        request.taken.set_result(take())
    except BaseException as error:  # it is raised where it is awaited
        request.taken.set_exception(error)
