"""The command that serves champions over HTTP: serve."""

import signal
import threading
from importlib.util import find_spec
from typing import Annotated
from uuid import uuid4

import typer

from ml_platform.cli import opening
from ml_platform.cli.command import Command
from ml_platform.cli.output import note, say


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(cls=Command)(serve)


def serve(
    pipelines: Annotated[
        list[str] | None, typer.Argument(metavar="[PIPELINE]…", help="Pipelines; default all that are declared.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port of 127.0.0.1; 0 takes a free one.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that answer.")] = 1,
) -> None:
    """Serve the champions on 127.0.0.1 until Ctrl-C: predictions, health and metrics over HTTP."""
    _require_extra()
    from ml_platform.lake.work_marks import marked
    from ml_platform.serving.rest.supervisor import Supervisor

    declared = opening.declarations()
    names = [declared.find(name).name for name in pipelines] if pipelines else list(declared.pipelines)
    stop_requested = threading.Event()
    previous_handler = signal.signal(signal.SIGTERM, lambda *_: stop_requested.set())
    try:
        workspace = opening.writing(declared)
        with (
            marked(workspace.settings.lake, f"serve-{uuid4().hex}"),
            Supervisor(workspace, names, port, workers, note) as supervisor,
        ):
            while not supervisor.listens and not stop_requested.wait(0.1):
                supervisor.run_once()
            if not stop_requested.is_set():
                say(f"Service: {supervisor.url}")
                note("Press Ctrl-C to stop.")
            while not stop_requested.wait(1.0):
                supervisor.run_once()
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, previous_handler)
    note("Stopped.")


def _require_extra() -> None:
    """Raise ServingError unless the libraries of the workers are installed."""
    from ml_platform.errors import ServingError

    for module in ("fastapi", "uvicorn", "prometheus_client"):
        if find_spec(module) is None:
            raise ServingError(
                f"The service needs {module}, which is not installed.", remedy="`pip install 'ml_platform[serving]'`."
            )
