"""The description of the service in OpenAPI: one path a pipeline, with the fields of its request."""

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from ml_platform.serving.rest.answers import Answer, InvalidRequest, Refusal
from ml_platform.serving.rest.open_inference import InferenceRequest
from ml_platform.serving.rest.service import ServedVersion

READ_REFUSALS: dict[int, type[Answer]] = dict.fromkeys([401, 403, 503], Refusal)
PIPELINE_REFUSALS: dict[int, type[Answer]] = {**READ_REFUSALS, 404: Refusal, 503: Refusal}
PREDICT_REFUSALS: dict[int, type[Answer]] = {
    **PIPELINE_REFUSALS,
    **dict.fromkeys([408, 413, 415, 429, 500], Refusal),
    422: InvalidRequest,
}
_MEANINGS = {
    200: "The answer",
    400: "The Host of the request is another one",
    401: "The request has no API key that is known",
    403: "The API key lacks the scope",
    404: "There is no such pipeline or prediction",
    408: "The body did not arrive in time",
    413: "The body is too large",
    415: "The body is not declared as JSON, nor as an Arrow IPC stream",
    422: "The request is not valid",
    429: "Too many larger requests wait",
    500: "The service failed",
    503: "Not ready",
}
ARROW = "application/vnd.apache.arrow.stream"
_PART = "#/components/schemas/{model}"
_PREDICT = "/v1/pipelines/{name}/predict"
_SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}


def route(
    summary: str, answer: type[Answer] | None, refusals: Mapping[int, type[Answer] | None] | None = None
) -> dict[str, Any]:
    """What FastAPI is told of a route: its summary, its answer in JSON if it is one, and its refusals by code."""
    answers = {**({200: answer} if answer else {}), 400: Refusal, **(refusals or {})}
    responses = {
        code: {"description": _MEANINGS[code], **({"model": model} if model else {})} for code, model in answers.items()
    }
    return {"summary": summary, "response_model": None, "responses": responses}


def described(app: FastAPI, served: Iterable[ServedVersion], *, needs_key: bool) -> dict[str, Any]:
    """FastAPI's own description, and one path for the predictions of each pipeline."""
    document = get_openapi(title=app.title, version=app.version, routes=app.routes)
    for path in document["paths"].values():
        path.get("get", {"responses": {}})["responses"].pop("422", None)  # a name or a key may be any text
    _refuse_in_json(document)
    parts = document.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        parts.pop(unused, None)
    for path, operations in document["paths"].items():
        if path.endswith("/infer"):
            operations["post"]["requestBody"] = body_in(InferenceRequest.model_json_schema(ref_template=_PART), parts)
    generic = document["paths"].pop(_PREDICT)["post"]
    for served_version in served:
        name = served_version.deployment.pipeline
        schema = served_version.request.json_schema(ref_template=_PART.replace("{model}", f"{name}_{{model}}"))
        body = body_in(schema, parts, f"{name}_")
        body["content"][ARROW] = {"schema": {"type": "string", "format": "binary"}}
        post = {key: item for key, item in generic.items() if key != "parameters"}
        post |= {"requestBody": body, "operationId": f"predict_{name}", "summary": f"Predictions of {name}"}
        document["paths"][_PREDICT.format(name=name)] = {"post": post}
    if needs_key:
        document["components"]["securitySchemes"] = _SECURITY_SCHEMES
        operations = [operation for path in document["paths"].values() for operation in path.values()]
        for operation in operations:
            operation["security"] = (
                [{name: []} for name in _SECURITY_SCHEMES] if "401" in operation["responses"] else []
            )
    return document


def _refuse_in_json(document: dict[str, Any]) -> None:
    """Refusals are JSON, also of a route whose answer is a page, which FastAPI describes alike."""
    operations = (operation for path in document["paths"].values() for operation in path.values())
    for operation in operations:
        for code, answer in operation["responses"].items():
            if code != "200" and "content" in answer:
                (content,) = answer["content"].values()
                answer["content"] = {"application/json": content}


def body_in(schema: dict[str, Any], parts: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """A request body of that schema, whose definitions go to `parts`."""
    for part, definition in schema.pop("$defs", {}).items():
        parts[f"{prefix}{part}"] = definition
    return {"required": True, "content": {"application/json": {"schema": schema}}}
