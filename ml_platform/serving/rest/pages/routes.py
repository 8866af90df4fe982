"""The routes of the pages: `/`, `/docs` and the model card. They ask for the scope `read`."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse

from ml_platform.escaping import NO_SCRIPT
from ml_platform.serving.rest.access import Access
from ml_platform.serving.rest.description import PIPELINE_REFUSALS, READ_REFUSALS, route
from ml_platform.serving.rest.exchange import RequestRefused, served_version
from ml_platform.serving.rest.pages.api import api_page
from ml_platform.serving.rest.pages.card import card_page
from ml_platform.serving.rest.pages.figures import figures
from ml_platform.serving.rest.pages.home import home_page
from ml_platform.serving.rest.service import Service

_HEADERS = {
    "content-security-policy": f"{NO_SCRIPT}; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}
_HTML = {"response_class": HTMLResponse}


def add_pages(
    app: FastAPI,
    service: Service,
    access: Access,
    *,
    faults: Callable[[], Mapping[str, str]],
    models: Callable[[], list[Mapping[str, Any]]],
    started: Callable[[], str | None],
    description: Callable[[], Awaitable[Mapping[str, Any]]],
    card_page_of: Callable[[str, int], str | None],
) -> None:
    """Add them.

    Args:
        app: Gets the routes.
        service: Answers.
        access: Who may ask.
        faults: What keeps pipelines from answering.
        models: What `GET …/model` answers, of each pipeline.
        started: When the service started; None: not on record.
        description: The document of OpenAPI.
        card_page_of: The page of the card of a pipeline's version; None before it is made.
    """

    @app.get("/", **route("The service as a page", None, READ_REFUSALS) | _HTML)
    async def home(request: Request) -> HTMLResponse:
        access.require(request, "read", by_browser=True)

        def rendered() -> str:
            service.note_backlogs()
            return home_page(models(), faults(), figures(service.metrics.families()), started())

        return HTMLResponse(await run_in_threadpool(rendered), headers=_HEADERS)

    @app.get("/docs", **route("This description as a page", None, READ_REFUSALS) | _HTML)
    async def docs(request: Request) -> HTMLResponse:
        access.require(request, "read", by_browser=True)
        document = await description()
        return HTMLResponse(await run_in_threadpool(api_page, document), headers=_HEADERS)

    @app.get("/v1/pipelines/{name}/card", **route("The model card as a page", None, PIPELINE_REFUSALS) | _HTML)
    async def card(name: str, request: Request) -> HTMLResponse:
        access.require(request, "read", by_browser=True)
        served_version(service, name)
        (model,) = [one for one in models() if one["pipeline"] == name]
        whole = await run_in_threadpool(card_page_of, name, model["version"])
        if whole is not None:
            return HTMLResponse(whole, headers=_HEADERS)
        if model["card"] is None:
            remedy = "`ml-platform models` shows it where the declaration loads."
            raise RequestRefused(404, "The version that answers has no model card on record.", remedy, name)
        return HTMLResponse(card_page(name, model["version"], model["card"]), headers=_HEADERS)
