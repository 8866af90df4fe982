"""The routes. An error is JSON with `error`, what is wrong, and `remedy`; never a stack trace."""

import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ml_platform import __version__
from ml_platform.errors import ServingError
from ml_platform.serving.rest import batches, open_inference_routes
from ml_platform.serving.rest.access import Access
from ml_platform.serving.rest.answers import (
    Alive,
    DeployedVersions,
    OnlinePredictions,
    Readiness,
    ServedModel,
    StoredPrediction,
)
from ml_platform.serving.rest.description import PIPELINE_REFUSALS, PREDICT_REFUSALS, READ_REFUSALS, described, route
from ml_platform.serving.rest.direct_predictions import DirectPredictions
from ml_platform.serving.rest.exchange import RequestRefused, answers_of, as_json, body_of, served_version
from ml_platform.serving.rest.json_bodies import validated
from ml_platform.serving.rest.more_routes import MoreRoutes
from ml_platform.serving.rest.pages.routes import add_pages
from ml_platform.serving.rest.request_model import to_predict_request
from ml_platform.serving.rest.service import SERVICE, ServedVersion, Service

_log = logging.getLogger(__name__)
_METRICS = route("Figures in Prometheus' text format", None, READ_REFUSALS) | {"response_class": PlainTextResponse}


def create_app(
    service: Service,
    access: Access,
    *,
    started: Callable[[], None],
    filling_faults: Callable[[], Mapping[str, str]],
    more: MoreRoutes | None = None,
    records: Callable[[], Mapping[str, Any]] = dict,
    card_page_of: Callable[[str, int], str | None] = lambda pipeline, version: None,
) -> FastAPI:
    """The application of one worker.

    Args:
        service: Answers.
        access: Who may ask.
        started: Called once it answers.
        filling_faults: Those of the supervisor.
        more: Further routes.
        records: What is on record of the versions that answer (`version_records.read`).
        card_page_of: The page of the card of a pipeline's version, once it is made (`card_pages.read`).
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(service.start)
        started()
        yield
        await run_in_threadpool(service.stop)
        if more is not None:
            await run_in_threadpool(more.stop)

    # No redirects: they would lead a client, and the key that it sends, to whatever Host it named.
    app = FastAPI(title="ml_platform", version=__version__, lifespan=lifespan, openapi_url=None, redirect_slashes=False)
    app.get("/healthz", **route("Whether the process answers", Alive))(_healthz)

    def all_faults() -> dict[str, str]:
        return {**filling_faults(), **service.faults}

    open_inference_routes.add_routes(app, service, access, all_faults)
    if more is not None:
        more.add_to(app, service, access)

    @app.get("/readyz", **route("Whether predictions can be asked for", Readiness, {503: Readiness}))
    async def readyz(request: Request) -> Response:
        faults = all_faults()
        if not faults and not service.served:
            faults[SERVICE] = "No pipeline has a champion that answers yet."
        shown = faults if access.allows(request, "read") else {}  # their texts name pipelines and files
        return as_json({"ready": not faults, "faults": shown}, 503 if faults else 200)

    @app.get("/metrics", **_METRICS)
    async def metrics(request: Request) -> Response:
        access.require(request, "read")
        service.note_backlogs()
        if more is not None:
            await run_in_threadpool(more.note, service.metrics)
        return Response(service.metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/v1/pipelines", **route("The pipelines that answer", DeployedVersions, READ_REFUSALS))
    async def pipelines(request: Request) -> Response:
        access.require(request, "read")
        return as_json({"pipelines": [_described(service, served) for served in service.served.values()]})

    @app.get("/v1/pipelines/{name}/model", **route("The version that answers", ServedModel, PIPELINE_REFUSALS))
    async def model(name: str, request: Request) -> Response:
        access.require(request, "read")
        served = served_version(service, name)
        return as_json(_model(service, served, await run_in_threadpool(records)))

    @app.get(
        "/v1/pipelines/{name}/predictions/{key:path}",
        **route("The prediction of the batch", StoredPrediction, PIPELINE_REFUSALS),
    )
    async def prediction(name: str, key: str, request: Request) -> Response:
        access.require(request, "predict")
        served_version(service, name)
        stored = service.stored_prediction(name, key)
        if stored is None:
            remedy = (
                "Those of the last ML_PLATFORM_ONLINE_DAYS days are here; `ml-platform sql` shows all of "
                f"{name}.predictions. `POST /v1/pipelines/{name}/predict` answers for a new example."
            )
            raise RequestRefused(404, "No stored prediction has that key.", remedy, name)
        return as_json(stored)

    @app.post("/v1/pipelines/{name}/predict", **route("Predictions for examples", OnlinePredictions, PREDICT_REFUSALS))
    async def predict(name: str, request: Request) -> Response:
        access.require(request, "predict")
        served, started = served_version(service, name), time.perf_counter()
        if batches.is_arrow(request):
            return await batches.predict(service, served, request)
        body = await body_of(request, name)
        answers = await answers_of(
            service, served, body, lambda body: to_predict_request(validated(served.request, body)), started
        )
        answered = time.perf_counter()
        response = as_json({"predictions": answers})
        service.metrics.stage(name, "serialize", time.perf_counter() - answered)
        return response

    app.add_middleware(DirectPredictions, service=service, predict=predict)
    app.add_middleware(_ErrorBoundary, service=service, access=access)

    @app.exception_handler(HTTPException)
    async def refused_by_the_router(request: Request, error: HTTPException) -> Response:
        return RequestRefused.of_router(error).response(service)

    @app.exception_handler(ServingError)
    async def unable(request: Request, error: ServingError) -> Response:
        return RequestRefused.of_platform(503, error).response(service)

    @app.exception_handler(RequestRefused)
    async def refused(request: Request, error: RequestRefused) -> Response:
        return error.response(service)

    @app.get("/openapi.json", **route("This description", None, READ_REFUSALS))
    async def openapi(request: Request) -> Response:
        access.require(request, "read")
        return as_json(await description())

    async def description() -> dict[str, Any]:
        document = described(app, service.served.values(), needs_key=access.needs_key)
        if more is not None:
            await run_in_threadpool(more.describe, document, service.served)
        return document

    def models() -> list[Mapping[str, Any]]:
        on_record = records()
        return [_model(service, served, on_record) for served in service.served.values()]

    def started_at() -> str | None:
        return records().get("started_at")

    add_pages(
        app,
        service,
        access,
        faults=all_faults,
        models=models,
        started=started_at,
        description=description,
        card_page_of=card_page_of,
    )
    return app


async def _healthz() -> dict[str, bool]:
    return {"alive": True}


class _ErrorBoundary:
    """Around all routes: refuses foreign hosts, and answers what fails without a trace. Plain ASGI costs least."""

    def __init__(self, app: ASGIApp, service: Service, access: Access) -> None:
        self._app, self._service, self._access = app, service, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if not self._access.names_this_machine(HTTPConnection(scope)):
            refused = RequestRefused(400, "The Host header does not name this machine.", "Name 127.0.0.1 or localhost.")
            await refused.response(self._service)(scope, receive, send)
            return
        response_started = False

        async def tracking_send(message: Message) -> None:
            nonlocal response_started
            response_started = True
            await send(message)

        try:
            await self._app(scope, receive, tracking_send)
        except Exception:  # a bug: the log has its trace, the caller has none
            if response_started:
                raise
            _log.exception("A request failed")
            refused = RequestRefused(500, "The service failed.", "Its log says why.")
            await refused.response(self._service)(scope, receive, send)


def _model(service: Service, served: ServedVersion, records: Mapping[str, Any]) -> Mapping[str, Any]:
    """All that is told of a version that answers. A record of another version, before or after it, says nothing."""
    deployment = served.deployment
    record = records.get("pipelines", {}).get(deployment.pipeline, {})
    record = record if record.get("version") == deployment.version else {}
    return {**_described(service, served), **{name: record.get(name, of) for name, of in _UNRECORDED.items()}}


_UNRECORDED: Mapping[str, Any] = {
    "promotion": None,
    "challenge": None,
    "metrics": {},
    "card": None,
    "lineage": None,
    "data": [],
    "reports": None,
}


def _described(service: Service, served: ServedVersion) -> Mapping[str, Any]:
    challenger = service.challengers.get(served.deployment.pipeline)
    horizon = served.predictor.horizon
    deployment, definition = served.deployment, served.predictor.definition
    return {
        "pipeline": deployment.pipeline,
        "version": deployment.version,
        "bundle": deployment.bundle,
        "deployed_at": deployment.deployed_at.isoformat(),
        "challenger": challenger.version if challenger else None,
        "canary": _canary(service, served.deployment.pipeline),
        "keys": list(definition.keys),
        "at": definition.at,
        "inputs": [name for name in definition.row_schema if name not in definition.identity],
        "answers_from": horizon.isoformat() if horizon else None,
        "features_by_polars": list(served.predictor.by_polars),
    }


def _canary(service: Service, pipeline: str) -> Mapping[str, Any] | None:
    canary, ended = service.canaries.get(pipeline), service.ended_canaries.get(pipeline)
    if canary is not None:
        return {"version": canary.deployment.version, "share": canary.terms.share, "taken_back": None}
    if ended is not None and ended.terms is not None:
        return {"version": ended.version, "share": 0.0, "taken_back": ended.terms.ended}
    return None
