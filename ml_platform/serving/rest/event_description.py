"""The description of the routes of events and labels: one path a pipeline, with the fields of its tables."""

from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter

from ml_platform.errors import PlatformError
from ml_platform.serving.rest.description import body_in
from ml_platform.serving.rest.event_service import EventService

_PATH = "/v1/pipelines/{name}/%s"


def describe_events(document: dict[str, Any], pipelines: Iterable[str], events: EventService) -> None:
    """Put paths for the events and labels of each pipeline in place of the general ones; none for what it takes not."""
    generic = {route: document["paths"].pop(_PATH % route)["post"] for route in ("events", "labels")}
    for name in pipelines:
        try:
            taking = events.of_pipeline(name)
        except PlatformError:  # its declaration does not load; the others are described
            continue
        for route, request in (("events", taking.request), ("labels", taking.label_request)):
            if request is not None:
                document["paths"][(_PATH % route).format(name=name)] = {
                    "post": _operation(document, generic[route], name, route, request)
                }


def _operation(
    document: dict[str, Any], generic: dict[str, Any], name: str, route: str, request: TypeAdapter[Any]
) -> dict[str, Any]:
    prefix = f"{name}_{route}_"
    schema = request.json_schema(ref_template=f"#/components/schemas/{prefix}{{model}}")
    return {
        **{key: item for key, item in generic.items() if key != "parameters"},
        "requestBody": body_in(schema, document["components"]["schemas"], prefix),
        "operationId": f"{route}_{name}",
        "summary": f"{generic['summary']} of {name}",
    }
