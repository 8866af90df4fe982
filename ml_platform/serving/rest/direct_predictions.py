"""Requests for predictions go to their function at once: matching all routes and resolving parameters cost FastAPI
more than a fifth of a request. Its own route of the same path describes the request, and answers other methods.
"""

from collections.abc import Awaitable, Callable

from fastapi import Request, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from ml_platform.errors import ServingError
from ml_platform.serving.rest.exchange import RequestRefused
from ml_platform.serving.rest.service import Service

_BEFORE, _AFTER = "/v1/pipelines/", "/predict"


class DirectPredictions:
    """Answers `POST /v1/pipelines/{name}/predict` and leaves every other request to the application.

    Args:
        app: The application.
        service: Counts refusals.
        predict: The function of the route: the name of the pipeline and the request → the answer.
    """

    def __init__(self, app: ASGIApp, service: Service, predict: Callable[[str, Request], Awaitable[Response]]) -> None:
        self._app, self._service, self._predict = app, service, predict

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = _pipeline_of(scope)
        if not name:
            await self._app(scope, receive, send)
            return
        try:
            response = await self._predict(name, Request(scope, receive))
        except RequestRefused as error:
            response = error.response(self._service)
        except HTTPException as error:
            response = RequestRefused.of_router(error).response(self._service)
        except ServingError as error:
            response = RequestRefused.of_platform(503, error).response(self._service)
        await response(scope, receive, send)


def _pipeline_of(scope: Scope) -> str:
    """The pipeline whose predictions a request asks for; empty for other requests."""
    if scope["type"] != "http" or scope["method"] != "POST":
        return ""
    path: str = scope["path"]
    name = path[len(_BEFORE) : -len(_AFTER)] if path.startswith(_BEFORE) and path.endswith(_AFTER) else ""
    return "" if "/" in name or scope.get("root_path") else name
