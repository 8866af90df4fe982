"""The routes. An error is JSON with `error`, what is wrong, and `remedy`; never a stack trace."""

import json
import logging
import time
from asyncio import get_running_loop
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request, Response
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from ml_platform.errors import FeatureError, PlatformError, ScoringError, ServingError
from ml_platform.serving.rest.service import SERVICE, ServedVersion, Service

_log = logging.getLogger(__name__)
_HOSTS = ("127.0.0.1", "localhost")
BODY_BYTES = 4_000_000
_AS_JSON = "Send the header `content-type: application/json`."
_INLINE = 4  # rows that are answered without another thread; more would keep health checks waiting


def create_app(
    service: Service, *, started: Callable[[], None], filling_faults: Callable[[], Mapping[str, str]]
) -> FastAPI:
    """The application of one worker. `started` is called once it answers; `filling_faults` are the supervisor's."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(service.start)
        started()
        yield
        await run_in_threadpool(service.stop)

    app = FastAPI(title="ml_platform", version=version("ml_platform"), lifespan=lifespan, docs_url=None, redoc_url=None)
    app.get("/healthz", summary="Whether the process answers")(_healthz)

    @app.get("/readyz", summary="Whether predictions can be asked for", response_model=None)
    async def readyz() -> Response:
        faults = {**filling_faults(), **service.faults}
        if not faults and not service.served:
            faults[SERVICE] = "No pipeline has a champion that answers yet."
        return _json({"ready": not faults, "faults": faults}, 503 if faults else 200)

    @app.get("/metrics", summary="Figures in Prometheus' text format", response_model=None)
    async def metrics() -> Response:
        for name, served_version in service.served.items():
            service.metrics.prediction_log_bytes.labels(name).set(served_version.log.backlog)
        return Response(service.metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/v1/pipelines", summary="The pipelines that answer", response_model=None)
    async def pipelines() -> Response:
        return _json({"pipelines": [_described(served_version) for served_version in service.served.values()]})

    @app.get("/v1/pipelines/{name}/model", summary="The version that answers", response_model=None)
    async def model(name: str) -> Response:
        served_version = service.served.get(name)
        return _unknown(service, name) if served_version is None else _json(_described(served_version))

    @app.post("/v1/pipelines/{name}/predict", summary="Predictions for examples", response_model=None)
    async def predict(name: str, request: Request) -> Response:
        served_version = service.served.get(name)
        if served_version is None:
            return _unknown(service, name)
        # A page of another site may send plain text or a form without being asked, and JSON only with our consent.
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return _refused(service, name, 415, "The body is not declared as JSON.", _AS_JSON)
        started = time.perf_counter()
        body = await _body(request)
        if body is None:
            return _refused(service, name, 413, f"The body is larger than {BODY_BYTES:,} bytes.", "Send fewer rows.")
        try:
            rows = served_version.request.validate_json(body).rows
        except ValidationError as error:
            return _invalid(service, name, error)
        service.metrics.stage(name, "parse", time.perf_counter() - started)
        values = [dict(row) for row in rows]
        try:
            if len(values) <= _INLINE:
                answers = service.predict(served_version, values)
            else:
                answers = await get_running_loop().run_in_executor(
                    service.large_requests, service.predict, served_version, values
                )
        except (FeatureError, ScoringError) as error:
            return _refused(service, name, 422, error.what, error.remedy)
        except ServingError as error:
            return _refused(service, name, 503, error.what, error.remedy)
        return _json({"predictions": answers})

    app.middleware("http")(_without_traces(service))

    @app.exception_handler(HTTPException)
    async def refused_by_the_router(request: Request, error: HTTPException) -> Response:
        return _refused(service, "", error.status_code, f"{error.detail}.", "See /openapi.json for what can be asked.")

    app.openapi = lambda: _openapi(app, service)  # type: ignore[method-assign]  # FastAPI's documented way
    return app


async def _healthz() -> dict[str, bool]:
    return {"alive": True}


def _without_traces(
    service: Service,
) -> Callable[[Request, Callable[[Request], Awaitable[Response]]], Awaitable[Response]]:
    async def middleware(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        # A page of another site may point its own name at this machine (DNS rebinding).
        if request.headers.get("host", "").partition(":")[0] not in _HOSTS:
            return _refused(service, "", 400, "The Host of the request is another one.", "Name 127.0.0.1 or localhost.")
        try:
            return await call_next(request)
        except PlatformError as error:
            return _refused(service, "", 500, error.what, error.remedy)
        except Exception:  # a bug: the log has its trace, the caller has none
            _log.exception("A request failed")
            return _refused(service, "", 500, "The service failed.", "Its log says why.")

    return middleware


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


def _refused(service: Service, name: str, code: int, what: str, remedy: str) -> Response:
    service.metrics.error(name, code)
    return _json({"error": what, "remedy": remedy}, code)


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


def _openapi(app: FastAPI, service: Service) -> dict[str, Any]:
    """FastAPI's own description, and one path a pipeline with the fields of its request."""
    from fastapi.openapi.utils import get_openapi

    described = get_openapi(title=app.title, version=app.version, routes=app.routes)
    generic = described["paths"].pop("/v1/pipelines/{name}/predict")
    for name, served_version in service.served.items():
        schema = served_version.request.json_schema(ref_template=f"#/components/schemas/{name}_{{model}}")
        parts = described.setdefault("components", {}).setdefault("schemas", {})
        for part, definition in schema.pop("$defs", {}).items():
            parts[f"{name}_{part}"] = definition
        body = {"required": True, "content": {"application/json": {"schema": schema}}}
        post = {key: item for key, item in generic["post"].items() if key != "parameters"}
        post |= {"requestBody": body, "operationId": f"predict_{name}", "summary": f"Predictions of {name}"}
        described["paths"][f"/v1/pipelines/{name}/predict"] = {"post": post}
    return described


def _json(value: Any, code: int = 200) -> Response:
    return Response(json.dumps(value, separators=(",", ":")), status_code=code, media_type="application/json")
