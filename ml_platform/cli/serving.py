"""The command that serves champions over HTTP: serve."""

import signal
import threading
from typing import Annotated

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
    from ml_platform.serving.rest.supervisor import Supervisor

    there = opening.declarations()
    names = [there.find(name).name for name in pipelines] if pipelines else list(there.pipelines)
    ended = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: ended.set())
    try:
        with Supervisor(opening.writing(there), names, port, workers, note) as supervisor:
            say(f"Service: {supervisor.url}")
            note("Press Ctrl-C to stop.")
            while not ended.wait(1.0):
                supervisor.turn()
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)
    note("Stopped.")
