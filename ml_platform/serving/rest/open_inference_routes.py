"""The routes of the Open Inference Protocol (version 2, REST), for clients of KServe, Triton and their kin."""

import json
import time
from collections.abc import Callable, Mapping

from fastapi import FastAPI, Request, Response
from pydantic import TypeAdapter

from ml_platform import __version__
from ml_platform.serving.rest import open_inference
from ml_platform.serving.rest.access import Access
from ml_platform.serving.rest.description import PIPELINE_REFUSALS, PREDICT_REFUSALS, READ_REFUSALS, route
from ml_platform.serving.rest.exchange import RequestRefused, answers_of, as_json, body_of, served_version
from ml_platform.serving.rest.json_bodies import validated
from ml_platform.serving.rest.open_inference import InferenceRequest
from ml_platform.serving.rest.request_model import PredictRequest, to_predict_request
from ml_platform.serving.rest.service import ServedVersion, Service

_TENSORS = TypeAdapter(InferenceRequest)


def add_routes(app: FastAPI, service: Service, access: Access, faults: Callable[[], Mapping[str, str]]) -> None:
    """Add the routes. `faults` says what keeps pipelines from answering; a model of the protocol is a pipeline."""

    @app.get("/v2", **route("The server, by the Open Inference Protocol", None, READ_REFUSALS))
    async def server(request: Request) -> Response:
        access.require(request, "read")
        return as_json({"name": "ml_platform", "version": __version__, "extensions": []})

    @app.get("/v2/health/live", **route("Whether the process answers", None))
    async def live() -> Response:
        return as_json({"live": True})

    @app.get("/v2/health/ready", **route("Whether all models can be asked", None, {503: None}))
    async def ready() -> Response:
        is_ready = bool(service.served) and not faults()
        return as_json({"ready": is_ready}, 200 if is_ready else 503)

    @app.get("/v2/models/{name}", **route("A model's inputs and outputs", None, PIPELINE_REFUSALS))
    @app.get("/v2/models/{name}/versions/{number}", **route("A model's inputs and outputs", None, PIPELINE_REFUSALS))
    async def metadata(request: Request, name: str, number: str | None = None) -> Response:
        access.require(request, "read")
        served = _of_version(service, name, number)
        return as_json(open_inference.metadata(served.predictor, name))

    @app.get("/v2/models/{name}/ready", **route("Whether a model can be asked", None, PIPELINE_REFUSALS))
    @app.get("/v2/models/{name}/versions/{number}/ready", **route("Whether it can be asked", None, PIPELINE_REFUSALS))
    async def model_ready(request: Request, name: str, number: str | None = None) -> Response:
        access.require(request, "read")
        served = _of_version(service, name, number)
        return as_json({"name": name, "version": str(served.deployment.version), "ready": True})

    @app.post("/v2/models/{name}/infer", **route("Predictions for tensors", None, PREDICT_REFUSALS))
    @app.post("/v2/models/{name}/versions/{number}/infer", **route("Predictions for tensors", None, PREDICT_REFUSALS))
    async def infer(request: Request, name: str, number: str | None = None) -> Response:
        access.require(request, "predict")
        served, started = _of_version(service, name, number), time.perf_counter()
        if "inference-header-content-length" in request.headers:
            raise RequestRefused(415, "The request carries binary tensors.", "Send JSON: binary_data=False.", name)
        body = await body_of(request, name)
        tensors: list[InferenceRequest] = []

        def rows(body: bytes) -> PredictRequest:
            tensors.append(validated(_TENSORS, body))
            rows = open_inference.rows_of(tensors[0], served.predictor)
            open_inference.check_outputs(tensors[0], served.predictor)  # before anything is predicted and logged
            return to_predict_request(served.request.validate_json(json.dumps({"rows": rows})))

        answers = await answers_of(service, served, body, rows, started, alone=number is not None)
        return as_json(open_inference.response(tensors[0], served.predictor, name, answers))


def _of_version(service: Service, name: str, number: str | None) -> ServedVersion:
    """The version that answers, which a request may name. Raises RequestRefused for another one."""
    served = served_version(service, name)
    if number is not None and number != str(served.deployment.version):
        remedy = f"Ask for version {served.deployment.version}, or for none."
        raise RequestRefused(404, f"Version {number} does not answer.", remedy, name)
    return served
