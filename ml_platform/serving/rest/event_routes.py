"""The routes of events and labels: rows of tables that the next prediction sees, and the lake later (S36)."""

import asyncio
import json
from collections.abc import Callable, Iterable
from typing import Any

from fastapi import FastAPI, Request, Response
from pydantic import TypeAdapter, ValidationError

from ml_platform.errors import ServingError
from ml_platform.serving.events.labels import LabelEvents
from ml_platform.serving.events.tables import EventTable
from ml_platform.serving.events.taking import EventsRefused
from ml_platform.serving.logged_predictions import LoggedPredictions
from ml_platform.serving.rest.access import Access
from ml_platform.serving.rest.answers import EventsTaken
from ml_platform.serving.rest.description import PREDICT_REFUSALS, route
from ml_platform.serving.rest.event_description import describe_events
from ml_platform.serving.rest.event_requests import (
    BY_KEY,
    BY_PREDICTION,
    EventRequest,
    to_event_request,
    to_label_request,
)
from ml_platform.serving.rest.event_service import MAX_QUEUED, EventService, EventsOfPipeline
from ml_platform.serving.rest.exchange import RequestRefused, as_json, body_of, served_version
from ml_platform.serving.rest.json_bodies import validated
from ml_platform.serving.rest.labelled_predictions import with_keys
from ml_platform.serving.rest.metrics import Metrics
from ml_platform.serving.rest.more_routes import MoreRoutes
from ml_platform.serving.rest.service import Service

_LATER = {"retry-after": "1"}
_INLINE_BYTES = 50_000  # are validated without another thread
_AS_FILES = "Land its rows as files."


class EventRoutes(MoreRoutes):
    """The routes of events and labels."""

    def __init__(self, events: EventService, predictions: LoggedPredictions) -> None:
        self._events, self._predictions = events, predictions

    def add_to(self, app: FastAPI, service: Service, access: Access) -> None:
        _add_routes(app, service, access, self._events, self._predictions)

    def describe(self, document: dict[str, Any], pipelines: Iterable[str]) -> None:
        describe_events(document, pipelines, self._events)

    def note(self, metrics: Metrics) -> None:
        self._events.note_backlogs(metrics)

    def stop(self) -> None:
        self._events.stop()
        self._predictions.close()


def _add_routes(
    app: FastAPI, service: Service, access: Access, events: EventService, predictions: LoggedPredictions
) -> None:

    @app.post("/v1/pipelines/{name}/events", **route("Take rows of a table", EventsTaken, PREDICT_REFUSALS))
    async def take_events(name: str, request: Request) -> Response:
        access.require(request, "events")
        served_version(service, name)
        taking = await asyncio.to_thread(_of_pipeline, events, name)
        if taking.request is None:
            reasons = " ".join(f"{table.name}: {table.refusal}" for table in taking.tables.values())
            raise RequestRefused(404, f"No table of {name} takes events. {reasons}", _AS_FILES, name)
        adapter = taking.request
        parsed = await _in_time(await body_of(request, name), lambda body: _events(taking, adapter, body, name))
        return await _answer(service, events, name, taking.tables[parsed.table], parsed, outcomes=False)

    @app.post("/v1/pipelines/{name}/labels", **route("Take the truth about examples", EventsTaken, PREDICT_REFUSALS))
    async def take_labels(name: str, request: Request) -> Response:
        access.require(request, "labels")
        served_version(service, name)
        taking = await asyncio.to_thread(_of_pipeline, events, name)
        labels = taking.labels
        if taking.label_request is None:
            error = f"{name} takes no labels, which are of its table {labels.table.name}. {labels.refusal}"
            raise RequestRefused(404, error, _AS_FILES, name)
        adapter = taking.label_request
        parsed = await _in_time(await body_of(request, name), lambda body: _labels(labels, adapter, body, name))
        if parsed.predictions is not None:
            parsed = await asyncio.to_thread(with_keys, parsed, labels, predictions, name)
        return await _answer(service, events, name, labels.table, parsed, outcomes=labels.outcomes is not None)


async def _answer(
    service: Service, events: EventService, name: str, table: EventTable, parsed: EventRequest, *, outcomes: bool
) -> Response:
    if events.queued(table.name) >= MAX_QUEUED:
        error = f"Too many requests with events of {table.name} wait."
        raise RequestRefused(429, error, "Send them again.", name, _LATER)
    try:
        taken = await events.take(table, parsed.rows, outcomes=outcomes)
    except EventsRefused as error:
        service.metrics.events(table.name, refused=len(parsed.rows))
        fields = [
            {"field": f"{parsed.field}.{row}", "reason": reason} for row, reason in list(error.reasons.items())[:10]
        ]
        raise RequestRefused(422, error.what, error.remedy, name, fields=fields, count=len(error.reasons)) from None
    except ServingError as error:
        raise RequestRefused.of_platform(503, error, name) from None
    service.metrics.events(table.name, taken=taken.taken, repeated=taken.repeated)
    return as_json({"table": table.name, "taken": taken.taken, "repeated": taken.repeated})


async def _in_time(body: bytes, parse: Callable[[bytes], EventRequest]) -> EventRequest:
    """What `parse` makes of a body; of a large one in another thread, so that health checks are answered meanwhile."""
    return parse(body) if len(body) <= _INLINE_BYTES else await asyncio.to_thread(parse, body)


def _of_pipeline(events: EventService, name: str) -> EventsOfPipeline:
    try:
        return events.of_pipeline(name)
    except ServingError as error:
        raise RequestRefused.of_platform(503, error, name) from None


def _valid(adapter: TypeAdapter[Any], body: bytes, name: str) -> Any:
    try:
        return validated(adapter, body)
    except ValidationError as error:
        raise RequestRefused.of_invalid(error, name) from None


def _labels(labels: LabelEvents, adapter: TypeAdapter[Any], body: bytes, name: str) -> EventRequest:
    try:
        return to_label_request(_valid(adapter, body, name), labels.table.name)
    except RequestRefused as refused:
        for one in refused.body["fields"]:  # in a union a field begins with the name of its part
            kind, _, field = one["field"].partition(".")
            if kind in (BY_KEY, BY_PREDICTION):
                one["field"] = field or "body"
        raise


def _events(taking: EventsOfPipeline, adapter: TypeAdapter[Any], body: bytes, name: str) -> EventRequest:
    try:
        return to_event_request(_valid(adapter, body, name))
    except RequestRefused as refused:
        refusal = _refusal_of_table(taking, body)
        if refusal is not None:
            raise RequestRefused(422, refusal, _AS_FILES, name) from None
        for one in refused.body["fields"]:  # in a union a field begins with the table that the body names
            table, _, field = one["field"].partition(".")
            one["field"] = field if field and table in taking.tables else one["field"]
        raise


def _refusal_of_table(taking: EventsOfPipeline, body: bytes) -> str | None:
    """Why the table that a body names takes no events; None where it names none of those."""
    try:
        value: Any = json.loads(body)
    except (ValueError, RecursionError):
        return None
    table = taking.tables.get(str(value.get("table"))) if isinstance(value, dict) else None
    return None if table is None or table.refusal is None else f"{table.name} takes no events. {table.refusal}"
