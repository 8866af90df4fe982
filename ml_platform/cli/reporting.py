"""The command that serves reports: reports."""

from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ml_platform.cli import opening
from ml_platform.cli.arguments import AsJson
from ml_platform.cli.command import Command
from ml_platform.cli.output import emit_json, note, say
from ml_platform.errors import LakeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ml_platform.runtime.workspace import Workspace
    from ml_platform.settings import Settings
    from ml_platform.spec.pipeline import ModelPipeline


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(cls=Command)(reports)


def reports(
    pipeline: Annotated[str | None, typer.Argument(metavar="[PIPELINE]", help="A pipeline; default all.")] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="Port; 0 takes a free one. Default: the port of ML_PLATFORM_REPORTS_URL."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Serve the drift and performance reports on 127.0.0.1 until Ctrl-C. With --json, list them."""
    from ml_platform.discovery import pipelines as declared
    from ml_platform.views.report_index import reports as listed

    settings = opening.settings()
    one = opening.declared(pipeline) if pipeline else None

    def wanted() -> "list[ModelPipeline]":
        """Asked for by each page: a pipeline may be added while the server runs."""
        return [one] if one is not None else list(declared(settings).values())

    if as_json:
        workspace = opening.reading()
        emit_json([row for each in wanted() for row in listed(workspace, each)])
        return
    _serve(settings, wanted, port)


def _serve(settings: "Settings", wanted: "Callable[[], list[ModelPipeline]]", port: int | None) -> None:
    from urllib.parse import urlsplit

    from ml_platform.cli.report_server import ReportServer
    from ml_platform.views.report_index import INDEX, index_page, overview_page
    from ml_platform.views.report_index import reports as listed

    def _listed(declared: "ModelPipeline") -> list[dict[str, Any]]:
        try:
            return listed(workspace(), declared)
        except LakeError:  # nothing has run yet
            return []

    @cache
    def workspace() -> "Workspace":
        """Opened by the first page: the server may start before the first run."""
        return opening.reading()

    def page(path: str) -> str | None:
        name, _, rest = path.strip("/").partition("/")
        if rest not in ("", INDEX):
            return None
        if name in ("", INDEX):
            return overview_page({one.name: (one.description, _listed(one)) for one in wanted()})
        declared = next((one for one in wanted() if one.name == name), None)
        return None if declared is None else index_page(declared, _listed(declared))

    if port is None:
        port = urlsplit(settings.reports_url).port or 80
    name = urlsplit(settings.reports_url).hostname
    with ReportServer(settings.reports, page, port, [name] if name else []) as server:
        shown = wanted()
        where = f"{server.url}/{shown[0].name}/" if len(shown) == 1 else f"{server.url}/"
        say(f"Reports: {where}")
        note("Press Ctrl-C to stop.")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            note("Stopped.")
