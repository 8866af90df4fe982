"""Requests of many rows: an Arrow IPC stream in, an Arrow IPC stream or JSON out; logged before it is answered."""

import io
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import polars as pl
from fastapi import Request, Response

from ml_platform.errors import FeatureError, ScoringError, ServingError
from ml_platform.serving import column_segments
from ml_platform.serving.logged_values import json_value
from ml_platform.serving.online import ManyPredictions
from ml_platform.serving.rest.arrow_rows import RowsRefused, rows_of
from ml_platform.serving.rest.description import ARROW
from ml_platform.serving.rest.exchange import RequestRefused, read_body
from ml_platform.serving.rest.records import answers_of_many, new_identities, packed_records
from ml_platform.serving.rest.service import ServedVersion, Service

BODY_BYTES = 64_000_000
MAX_BATCHES = 2  # requests of many rows that a worker takes at once: one is answered while the next one arrives
_SHOWN = ("id", "key", "at", "version", "score", "scores", "class")
_JSON_ROWS = 1_000  # that become JSON at a time
_AS_TEXT = json.JSONEncoder(separators=(",", ":")).encode


def is_arrow(request: Request) -> bool:
    """Whether the body of a request is declared as an Arrow IPC stream."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == ARROW


async def predict(service: Service, served: ServedVersion, request: Request) -> Response:
    """The answer to a request whose body is an Arrow IPC stream.

    Raises RequestRefused when it is not valid, cannot be answered, or comes beside too many others.
    """
    name = served.deployment.pipeline
    as_json = "application/json" in request.headers.get("accept", "")
    if service.batches >= MAX_BATCHES:
        remedy = "Ask again in a second."
        raise RequestRefused(429, "Too many requests of many rows are under way.", remedy, name, {"retry-after": "1"})
    service.batches += 1
    try:
        started = time.perf_counter()
        body = await read_body(request, name, BODY_BYTES)
        content = await service.beside(lambda: _answered(service, served, body, started, as_json=as_json))
    except (FeatureError, ScoringError) as error:
        raise RequestRefused.of_platform(422, error, name) from None
    except ServingError as error:
        raise RequestRefused.of_platform(503, error, name) from None
    except RowsRefused as error:
        raise _refused(error, name) from None
    finally:
        service.batches -= 1
    return Response(content, media_type="application/json" if as_json else ARROW)


def _refused(error: RowsRefused, pipeline: str) -> RequestRefused:
    fields = [{"field": one.field, "reason": one.reason} for one in error.wrong]
    text = str(error) or "The request is not valid."
    remedy = "Send the columns that GET …/model names, one value a row, as an uncompressed Arrow IPC stream."
    return RequestRefused(422, text, remedy, pipeline, fields=fields, count=error.count)


def _answered(service: Service, served: ServedVersion, body: bytes, started: float, *, as_json: bool) -> bytes:
    """The answer to a body, after all of it is logged."""
    predictor, name = served.predictor, served.deployment.pipeline
    requested = datetime.now(UTC)
    rows = rows_of(body, predictor.definition)
    parsed = time.perf_counter()
    predictions = predictor.predict_many(rows)
    answers = answers_of_many(predictor, rows, predictions, new_identities(rows.height), requested)
    predicted = time.perf_counter()
    statuses = predictions.features.select(predictor.definition.status_columns)
    served.log.append_columns(packed_records(predictor, rows, predictions, answers))
    logged = time.perf_counter()
    service.shadow_many(name, requested, answers["id"], rows)
    counts = {status: dict(statuses[status].value_counts().iter_rows()) for status in statuses.columns}
    scores = answers["score"].to_numpy()
    service.metrics.stage(name, "parse", parsed - started)
    service.metrics.of_many(name, predictor.version, scores, counts, predicted - parsed, logged - predicted)
    ages = _ages(predictions)
    service.metrics.ages_of_many(name, {age: ages[age].drop_nulls().to_numpy() for age in ages.columns})
    logged = time.perf_counter()
    content = _json(answers, statuses, predictions) if as_json else _stream(answers, statuses, predictions)
    service.metrics.stage(name, "serialize", time.perf_counter() - logged)
    return content


def _stream(answers: pl.DataFrame, statuses: pl.DataFrame, predictions: ManyPredictions) -> bytes:
    """The answer as an Arrow IPC stream: the columns of one prediction in JSON. Of no statuses there is no column."""
    ages = _ages(predictions)
    structs = {name: frame.to_struct(name) for name, frame in (("statuses", statuses), ("ages", ages)) if frame.width}
    buffer = io.BytesIO()
    shown = answers.select(_SHOWN).with_columns(**structs)
    shown.write_ipc_stream(buffer, compat_level=pl.CompatLevel.oldest())  # every reader knows its text
    return buffer.getvalue()


def _ages(predictions: ManyPredictions) -> pl.DataFrame:
    return column_segments.in_seconds(pl.DataFrame(dict(predictions.ages)))


def _json(answers: pl.DataFrame, statuses: pl.DataFrame, predictions: ManyPredictions) -> bytes:
    """The answer as the JSON of other requests."""
    frames = (answers.select(_SHOWN), statuses, _ages(predictions))
    parts = [b'{"predictions":[']
    for first in range(0, answers.height, _JSON_ROWS):
        texts = map(_AS_TEXT, _objects(*(frame.slice(first, _JSON_ROWS) for frame in frames)))
        parts.append((b"," if first else b"") + ",".join(texts).encode())
    return b"".join([*parts, b"]}"])


def _objects(answers: pl.DataFrame, statuses: pl.DataFrame, ages: pl.DataFrame) -> Iterator[dict[str, Any]]:
    of_statuses, of_ages = (list(frame.iter_rows(named=True)) for frame in (statuses, ages))
    for row, answer in enumerate(answers.iter_rows(named=True)):
        yield {
            **{name: json_value(value) for name, value in answer.items()},
            "statuses": of_statuses[row] if of_statuses else {},
            "ages": {name: age for name, age in of_ages[row].items() if age is not None} if of_ages else {},
        }
