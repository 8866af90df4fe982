"""The routes. An error is JSON with `error`, what is wrong, and `remedy`; never a stack trace."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request, Response
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ml_platform.errors import FeatureError, PlatformError, ScoringError, ServingError
from ml_platform.serving.rest.access import Access
from ml_platform.serving.rest.answers import (
    Alive,
    DeployedVersion,
    DeployedVersions,
    OnlinePredictions,
    Readiness,
    StoredPrediction,
)
from ml_platform.serving.rest.description import OF_PIPELINE, PREDICTING, READING, described, route
from ml_platform.serving.rest.request_model import parsed
from ml_platform.serving.rest.service import SERVICE, ServedVersion, Service

_log = logging.getLogger(__name__)
BODY_BYTES = 4_000_000
_METRICS = route("Figures in Prometheus' text format", None, READING) | {"response_class": PlainTextResponse}
_LATER = {"retry-after": "1"}
_REMEDIES = {
    401: "Send one of ML_PLATFORM_API_KEYS as `Authorization: Bearer KEY`.",
    403: "Use a key with that scope, or add the scope to this one in ML_PLATFORM_API_KEYS.",
}
_AS_TEXT = json.JSONEncoder(separators=(",", ":")).encode
_AS_JSON = "Send the header `content-type: application/json`."
_BODY_SECONDS = 20.0  # for a body to arrive
_WAITING = 32  # requests that may wait for the thread of larger ones
_INLINE = 4  # rows that are answered without another thread; more would keep health checks waiting


def create_app(
    service: Service, access: Access, *, started: Callable[[], None], filling_faults: Callable[[], Mapping[str, str]]
) -> FastAPI:
    """The application of one worker. `started` is called once it answers; `filling_faults` are the supervisor's."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(service.start)
        started()
        yield
        await run_in_threadpool(service.stop)

    app = FastAPI(title="ml_platform", version=version("ml_platform"), lifespan=lifespan, openapi_url=None)
    app.get("/healthz", **route("Whether the process answers", Alive))(_healthz)

    @app.get("/readyz", **route("Whether predictions can be asked for", Readiness, {503: Readiness}))
    async def readyz() -> Response:
        faults = {**filling_faults(), **service.faults}
        if not faults and not service.served:
            faults[SERVICE] = "No pipeline has a champion that answers yet."
        return _json({"ready": not faults, "faults": faults}, 503 if faults else 200)

    @app.get("/metrics", **_METRICS)
    async def metrics(request: Request) -> Response:
        access.require(request, "read")
        for name, served_version in service.served.items():
            service.metrics.prediction_log_bytes.labels(name).set(served_version.log.backlog)
        return Response(service.metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/v1/pipelines", **route("The pipelines that answer", DeployedVersions, READING))
    async def pipelines(request: Request) -> Response:
        access.require(request, "read")
        return _json({"pipelines": [_described(served_version) for served_version in service.served.values()]})

    @app.get("/v1/pipelines/{name}/model", **route("The version that answers", DeployedVersion, OF_PIPELINE))
    async def model(name: str, request: Request) -> Response:
        access.require(request, "read")
        served_version = service.served.get(name)
        return _unknown(service, name) if served_version is None else _json(_described(served_version))

    @app.get(
        "/v1/pipelines/{name}/predictions/{key:path}",
        **route("The prediction of the batch", StoredPrediction, OF_PIPELINE),
    )
    async def prediction(name: str, key: str, request: Request) -> Response:
        access.require(request, "predict")
        if name not in service.served:
            return _unknown(service, name)
        stored = service.stored_prediction(name, key)
        if stored is None:
            remedy = f"`POST /v1/pipelines/{name}/predict` answers for any example."
            return _refused(service, name, 404, "The batch made no prediction of that key lately.", remedy)
        return _json(stored)

    @app.post("/v1/pipelines/{name}/predict", **route("Predictions for examples", OnlinePredictions, PREDICTING))
    async def predict(name: str, request: Request) -> Response:
        access.require(request, "predict")
        served_version = service.served.get(name)
        if served_version is None:
            return _unknown(service, name)
        # A page of another site may send plain text or a form without being asked, and JSON only with our consent.
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return _refused(service, name, 415, "The body is not declared as JSON.", _AS_JSON)
        started = time.perf_counter()
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                body = await _body(request)
        except TimeoutError:
            return _refused(
                service, name, 408, f"The body took more than {_BODY_SECONDS:.0f} seconds.", "Send it again."
            )
        if body is None:
            return _refused(service, name, 413, f"The body is larger than {BODY_BYTES:,} bytes.", "Send fewer rows.")
        try:
            asked = parsed(served_version.request.validate_json(body))
            service.metrics.stage(name, "parse", time.perf_counter() - started)
            if len(asked.rows) <= _INLINE:
                answers = service.predict(served_version, asked)
            elif service.waiting >= _WAITING:
                return _refused(service, name, 429, "Too many larger requests wait.", "Ask again in a second.", _LATER)
            else:
                answers = await service.predict_beside(served_version, asked)
        except ValidationError as error:
            return _invalid(service, name, error)
        except (FeatureError, ScoringError) as error:
            return _refused(service, name, 422, error.what, error.remedy)
        except ServingError as error:
            return _refused(service, name, 503, error.what, error.remedy)
        return _json({"predictions": answers})

    app.add_middleware(_WithoutTraces, service=service, access=access)

    @app.exception_handler(HTTPException)
    async def refused_by_the_router(request: Request, error: HTTPException) -> Response:
        remedy = _REMEDIES.get(error.status_code, "See /openapi.json for what can be asked.")
        return _refused(service, "", error.status_code, f"{error.detail}.", remedy, error.headers)

    @app.get("/openapi.json", **route("This description", None, READING))
    async def openapi(request: Request) -> Response:
        access.require(request, "read")
        return _json(described(app, service.served.values(), needs_key=access.needs_key))

    return app


async def _healthz() -> dict[str, bool]:
    return {"alive": True}


class _WithoutTraces:
    """Around all routes: refuses foreign hosts, and answers what fails without a trace. Plain ASGI costs least."""

    def __init__(self, app: ASGIApp, service: Service, access: Access) -> None:
        self._app, self._service, self._access = app, service, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if not self._access.names_this_machine(HTTPConnection(scope)):
            host = "Name 127.0.0.1 or localhost."
            response = _refused(self._service, "", 400, "The Host of the request is another one.", host)
            await response(scope, receive, send)
            return
        begun = False

        async def noticed(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noticed)
        except Exception as error:  # a bug: the log has its trace, the caller has none
            if begun:
                raise
            if isinstance(error, PlatformError):
                response = _refused(self._service, "", 500, error.what, error.remedy)
            else:
                _log.exception("A request failed")
                response = _refused(self._service, "", 500, "The service failed.", "Its log says why.")
            await response(scope, receive, send)


async def _body(request: Request) -> bytes | None:
    """The body; None when it is too large, whatever its header says."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > BODY_BYTES:
            return None
        parts.append(part)
    return b"".join(parts)


def _invalid(service: Service, name: str, error: ValidationError) -> Response:
    """Which field is wrong, and why; the first ten."""
    service.metrics.error(name, 422)
    fields = [
        {"field": ".".join(str(part) for part in one["loc"]) or "body", "reason": one["msg"]}
        for one in error.errors(include_url=False, include_context=False, include_input=False)[:10]
    ]
    return _json(
        {
            "error": "The request is not valid.",
            "remedy": "See /openapi.json for the fields of a request.",
            "fields": fields,
            "count": error.error_count(),
        },
        422,
    )


def _unknown(service: Service, name: str) -> Response:
    known_names = ", ".join(sorted(service.served)) or "none"
    fault = service.faults.get(name)
    if fault:
        return _refused(service, name, 503, fault, "See /readyz.")
    return _refused(service, "", 404, "There is no such pipeline.", f"Those that answer: {known_names}.")


def _refused(
    service: Service, name: str, code: int, what: str, remedy: str, headers: Mapping[str, str] | None = None
) -> Response:
    service.metrics.error(name, code)
    response = _json({"error": what, "remedy": remedy}, code)
    response.headers.update(headers or {})
    return response


def _described(served_version: ServedVersion) -> Mapping[str, Any]:
    horizon = served_version.predictor.horizon
    deployment, definition = served_version.deployment, served_version.predictor.definition
    return {
        "pipeline": deployment.pipeline,
        "version": deployment.version,
        "bundle": deployment.bundle,
        "deployed_at": deployment.deployed_at.isoformat(),
        "keys": list(definition.keys),
        "at": definition.at,
        "inputs": [name for name in definition.row_schema if name not in definition.identity],
        "answers_from": horizon.isoformat() if horizon else None,
        "features_by_polars": list(served_version.predictor.by_polars),
    }


def _json(value: Any, code: int = 200) -> Response:
    return Response(_AS_TEXT(value), status_code=code, media_type="application/json")
