"""Requests of many rows: an Arrow IPC stream in, an Arrow IPC stream or JSON out; logged before it is answered."""

import io
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl
from fastapi import Request, Response

from ml_platform.errors import FeatureError, ScoringError, ServingError
from ml_platform.serving import column_segments
from ml_platform.serving.logged_values import json_value
from ml_platform.serving.rest.answered_rows import AnsweredRows
from ml_platform.serving.rest.arrow_rows import RowsRefused, rows_of
from ml_platform.serving.rest.description import ARROW
from ml_platform.serving.rest.exchange import RequestRefused, read_body
from ml_platform.serving.rest.records import answers_of_many, new_identities, packed_records
from ml_platform.serving.rest.service import ServedVersion, Service

BODY_BYTES = 64_000_000
MAX_BATCHES = 2  # requests of many rows that a worker takes at once: one is answered while the next one arrives
_SHOWN = ("id", "key", "at", "version", "score", "scores", "class")
_STATUS, _AGE = "status ", "age "  # before the names of columns, where versions share a frame
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
    parts = [_Part.of(answered, requested) for answered in service.predict_many(served, rows)]
    predicted = time.perf_counter()
    for part in parts:
        answered = part.answered
        served.log.append_columns(packed_records(answered.predictor, part.inputs, answered.predictions, part.answers))
    logged = time.perf_counter()
    for part in parts:
        if part.answered.role == "champion":
            service.shadow_many(name, requested, part.answers["id"], part.answered.rows)
        statuses = part.statuses
        counts = {status: dict(statuses[status].value_counts().iter_rows()) for status in statuses.columns}
        scores = part.answers["score"].to_numpy()
        service.metrics.of_many(name, part.answered.predictor.version, scores, counts)
        service.metrics.ages_of_many(
            name, {age: values.drop_nulls().to_numpy() for age, values in part.ages.to_dict().items()}
        )
    model = sum(part.answered.predictions.model_seconds for part in parts)
    stages = {"parse": parsed - started, "features": predicted - parsed - model, "model": model}
    for stage, seconds in {**stages, "log": logged - predicted}.items():
        service.metrics.stage(name, stage, seconds)
    logged = time.perf_counter()
    shown = _in_order(parts)
    content = _json(*shown) if as_json else _stream(*shown)
    service.metrics.stage(name, "serialize", time.perf_counter() - logged)
    return content


@dataclass(frozen=True)
class _Part:
    """The rows that one version answered. answers: what the log has of them beside JSON."""

    answered: AnsweredRows
    inputs: pl.DataFrame
    answers: pl.DataFrame

    @classmethod
    def of(cls, answered: AnsweredRows, requested: datetime) -> "_Part":
        inputs = answered.rows.select(list(answered.predictor.definition.row_schema))
        identities = new_identities(inputs.height)
        answers = answers_of_many(
            answered.predictor, inputs, answered.predictions, identities, requested, role=answered.role
        )
        return cls(answered, inputs, answers)

    @property
    def statuses(self) -> pl.DataFrame:
        return self.answered.predictions.features.select(self.answered.predictor.definition.status_columns)

    @property
    def ages(self) -> pl.DataFrame:
        return column_segments.in_seconds(pl.DataFrame(dict(self.answered.predictions.ages)))


def _in_order(parts: Sequence[_Part]) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Answers, statuses and ages in the order of the request. What a version does not have is null."""
    shown = [(part.answers.select(_SHOWN), part.statuses, part.ages) for part in parts]
    if len(shown) == 1:
        return shown[0]
    wide = [
        pl.concat([answers, statuses.rename(_STATUS.__add__), ages.rename(_AGE.__add__)], how="horizontal")
        for answers, statuses, ages in shown
    ]
    order = pl.concat([part.answered.numbers for part in parts]).arg_sort()
    together = pl.concat(wide, how="diagonal")[order]
    statuses, ages = (_of_prefix(together, prefix) for prefix in (_STATUS, _AGE))
    return together.select(_SHOWN), statuses, ages


def _of_prefix(frame: pl.DataFrame, prefix: str) -> pl.DataFrame:
    names = [name for name in frame.columns if name.startswith(prefix)]
    return frame.select(pl.col(name).alias(name.removeprefix(prefix)) for name in names)


def _stream(answers: pl.DataFrame, statuses: pl.DataFrame, ages: pl.DataFrame) -> bytes:
    """The answer as an Arrow IPC stream: the columns of one prediction in JSON. Of no statuses there is no column."""
    structs = {name: frame.to_struct(name) for name, frame in (("statuses", statuses), ("ages", ages)) if frame.width}
    buffer = io.BytesIO()
    shown = answers.with_columns(**structs)
    shown.write_ipc_stream(buffer, compat_level=pl.CompatLevel.oldest())  # every reader knows its text
    return buffer.getvalue()


def _json(answers: pl.DataFrame, statuses: pl.DataFrame, ages: pl.DataFrame) -> bytes:
    """The answer as the JSON of other requests."""
    frames = (answers, statuses, ages)
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
            "statuses": {name: one for name, one in of_statuses[row].items() if one is not None} if of_statuses else {},
            "ages": {name: age for name, age in of_ages[row].items() if age is not None} if of_ages else {},
        }
