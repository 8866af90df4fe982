"""What all routes share: the body of a request, the answers of a version, and refusals."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import Request, Response
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from ml_platform.errors import FeatureError, PlatformError, ScoringError, ServingError
from ml_platform.serving.rest.request_model import BODY_BYTES, PredictRequest
from ml_platform.serving.rest.service import ServedVersion, Service
from ml_platform.serving.rest.wrong_fields import wrong_fields

BODY_SECONDS = 20.0  # for a body to arrive
MAX_QUEUED = 32  # requests that may wait for the thread of larger ones
_INLINE_ROWS, _INLINE_BYTES = 4, 50_000  # are answered without another thread; more would keep health checks waiting
_LATER = {"retry-after": "1"}
_REMEDIES = {
    401: "Send one of ML_PLATFORM_API_KEYS as `Authorization: Bearer KEY`.",
    403: "Use a key with that scope, or add the scope to this one in ML_PLATFORM_API_KEYS.",
}
_AS_TEXT = json.JSONEncoder(separators=(",", ":")).encode


class RequestRefused(Exception):  # it is an answer
    """A request that is not answered.

    Args:
        code: Of HTTP.
        error: What is wrong, as a sentence.
        remedy: How to mend it, as a sentence.
        pipeline: Which one was asked; empty where none was.
        headers: Of the answer.
        details: Further fields of the answer.
    """

    def __init__(
        self,
        code: int,
        error: str,
        remedy: str,
        pipeline: str = "",
        headers: Mapping[str, str] | None = None,
        **details: Any,
    ) -> None:
        super().__init__(error)
        self.code, self.pipeline, self.headers = code, pipeline, headers
        self.body = {"error": error, "remedy": remedy, **details}

    @classmethod
    def of_router(cls, error: HTTPException) -> "RequestRefused":
        """What the router or a missing key refuses."""
        remedy = _REMEDIES.get(error.status_code, "See /openapi.json for what can be asked.")
        return cls(error.status_code, f"{error.detail}.", remedy, headers=error.headers)

    @classmethod
    def of_invalid(cls, error: ValidationError, pipeline: str) -> "RequestRefused":
        """Which fields are wrong, and why: see `wrong_fields`."""
        remedy = "See /openapi.json for the fields of a request."
        return cls(422, "The request is not valid.", remedy, pipeline, **wrong_fields(error))

    @classmethod
    def of_platform(cls, code: int, error: PlatformError, pipeline: str = "") -> "RequestRefused":
        """An error of the platform, by its own sentences."""
        return cls(code, error.what, error.remedy, pipeline)

    def response(self, service: Service) -> Response:
        """The answer, which counts as an error."""
        service.metrics.error(self.pipeline, self.code)
        return as_json(self.body, self.code, self.headers)


def as_json(value: Any, code: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in JSON."""
    return Response(_AS_TEXT(value), code, dict(headers) if headers else None, "application/json")


def served_version(service: Service, pipeline: str) -> ServedVersion:
    """The version that answers for a pipeline. Raises RequestRefused when none does."""
    served = service.served.get(pipeline)
    if served is not None:
        return served
    if fault := service.faults.get(pipeline):
        raise RequestRefused(503, fault, "See /readyz.", pipeline)
    names = ", ".join(sorted(service.served)) or "none"
    raise RequestRefused(404, "There is no such pipeline.", f"Those that answer: {names}.")


async def body_of(request: Request, pipeline: str) -> bytes:
    """The body of a request. Raises RequestRefused for one that is not declared as JSON, too large or too slow."""
    # A page of another site may send plain text or a form without being asked, and JSON only with our consent. Its
    # browser names the page as the Origin; clients of the Open Inference Protocol name neither it nor a type.
    kind = request.headers.get("content-type", "" if "origin" in request.headers else "application/json")
    if kind.partition(";")[0].strip().lower() != "application/json":
        remedy = "Send the header `content-type: application/json`."
        raise RequestRefused(415, "The body is not declared as JSON.", remedy, pipeline)
    return await read_body(request, pipeline, BODY_BYTES)


async def read_body(request: Request, pipeline: str, most: int) -> bytes:
    """A body of at most that many bytes. Raises RequestRefused for one that is compressed, too large or too slow."""
    if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise RequestRefused(415, "The body is compressed.", "Send it as it is, without `content-encoding`.", pipeline)
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > most:  # whatever its header says
                    raise RequestRefused(413, f"The body is larger than {most:,} bytes.", "Send fewer rows.", pipeline)
                parts.append(part)
    except TimeoutError:
        raise RequestRefused(
            408, f"The body took more than {BODY_SECONDS:.0f} seconds.", "Send it again.", pipeline
        ) from None
    return b"".join(parts)


async def answers_of(
    service: Service,
    served: ServedVersion,
    body: bytes,
    parsed: Callable[[bytes], PredictRequest],
    started: float,
    *,
    alone: bool = False,
) -> list[dict[str, Any]]:
    """The answers for a body, in the order of its rows.

    Args:
        service: Answers.
        served: The version that is asked.
        body: As it came.
        parsed: Reads it. May raise ValidationError and FeatureError.
        started: When the request came, by `time.perf_counter`.
        alone: Whether it asks for that version by its number: a canary answers no row then.

    Raises:
        RequestRefused: When the body is not valid, cannot be answered, or has to wait for too many others.
    """
    name = served.deployment.pipeline

    def asked() -> PredictRequest:
        request = parsed(body)
        service.metrics.stage(name, "parse", time.perf_counter() - started)
        return request

    try:
        request = asked() if len(body) <= _INLINE_BYTES else None
        if request is not None and len(request.rows) <= _INLINE_ROWS and not request.contributions:
            return service.predict(served, request, alone=alone)
        if service.queued >= MAX_QUEUED:
            raise RequestRefused(429, "Too many larger requests wait.", "Ask again in a second.", name, _LATER)
        return await service.beside(lambda: service.predict(served, request or asked(), alone=alone))
    except ValidationError as error:
        raise RequestRefused.of_invalid(error, name) from None
    except (FeatureError, ScoringError) as error:
        raise RequestRefused.of_platform(422, error, name) from None
    except ServingError as error:
        raise RequestRefused.of_platform(503, error, name) from None
