"""Commands of the service: serve, compare."""

import signal
import threading
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ml_platform.cli import opening
from ml_platform.cli.arguments import AsJson, PipelineName
from ml_platform.cli.command import Command
from ml_platform.cli.output import emit_json, emit_lines, emit_table, note, say
from ml_platform.errors import ServingError

if TYPE_CHECKING:
    from ml_platform.serving.online_store import OnlineStore
    from ml_platform.spec.declarations import Declarations


_DECLARED_BY = "ml_platform.discovery:pipelines"


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    for command in (serve, compare):
        app.command(cls=Command)(command)


def serve(
    pipelines: Annotated[
        list[str] | None, typer.Argument(metavar="[PIPELINE]…", help="Pipelines; default all that are declared.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port; 0 takes a free one.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that answer.")] = 1,
    host: Annotated[
        str, typer.Option(help="IP address of this machine to listen on; others than 127.0.0.1 need API keys.")
    ] = "127.0.0.1",
    certificate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TLS certificate with its chain, PEM; https then.")
    ] = None,
    certificate_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The private key of the certificate, PEM.")
    ] = None,
) -> None:
    """Serve the champions until Ctrl-C: predictions, health and metrics over HTTP."""
    _require_extra()
    if (certificate is None) != (certificate_key is None):
        raise typer.BadParameter("--certificate and --certificate-key go together")
    from ml_platform.serving.rest.listening import Certificate, Listener
    from ml_platform.serving.rest.supervisor import Supervisor
    from ml_platform.serving.running import announced
    from ml_platform.views.served_record import served_card, served_record

    declared = opening.declarations()
    names = [declared.find(name).name for name in pipelines] if pipelines else _servable(declared)
    stop_requested = threading.Event()
    previous_handler = signal.signal(signal.SIGTERM, lambda *_: stop_requested.set())
    try:
        workspace = opening.writing(declared)
        tls = Certificate(certificate, certificate_key) if certificate and certificate_key else None

        def look_up(name: str, store: "OnlineStore") -> Mapping[str, Any]:
            return served_record(workspace, name, declared, store)

        def card_page(name: str, store: "OnlineStore") -> tuple[int, str] | None:
            return served_card(workspace, name, declared, store)

        listener = Listener(host, port, tls, has_keys=bool(workspace.settings.api_keys_by_client))
        if listener.sends_plaintext:
            note("Keys and rows are sent unencrypted: name a --certificate, or put a proxy with TLS in front.")
        with (
            announced(workspace.settings, listener.url, names),
            Supervisor(
                workspace, names, listener, workers, note, declared.pipelines, _DECLARED_BY, look_up, card_page
            ) as supervisor,
        ):
            while not supervisor.listens and not stop_requested.wait(0.1):
                supervisor.run_once()
            if not stop_requested.is_set():
                say(f"Service: {listener.url}")
                note("Press Ctrl-C to stop.")
            while not stop_requested.wait(1.0):
                supervisor.run_once()
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, previous_handler)
    note("Stopped.")


def compare(pipeline: PipelineName, as_json: AsJson = False) -> None:
    """Compute the newest logged answers of the service again from the lake, and compare them bit by bit.

    Each answer is compared once. Without new ones it shows the comparison before.
    """
    from ml_platform.state.results import ComparisonResult
    from ml_platform.steps.served_parity import compare_served

    workspace = opening.writing()
    name = opening.declared_or_recorded(workspace, pipeline).name
    outcome = compare_served(workspace, name, "")
    (check,) = outcome.checks
    result = outcome.result if isinstance(outcome.result, ComparisonResult) else ComparisonResult()
    counts = {key: getattr(result, key) for key in _COUNTS}
    differences = check.metadata.get("first differences", [])
    if as_json:
        emit_json({"pipeline": name, "passed": check.passed, **counts, "differences": differences})
    else:
        emit_lines({"pipeline": name, **counts})
        say(check.description)
        if differences:
            emit_table(differences)
    if not check.passed:
        raise typer.Exit(1)


_COUNTS = ("compared", "wrong", "late", "undecided", "other_inputs", "left_out")


def _servable(declared: "Declarations") -> list[str]:
    """The pipelines of all declarations: a champion on record answers although its declaration is broken now."""
    opening.tell_broken(declared)
    names = [*declared.pipelines, *(name for one in declared.broken for name in one.names)]
    if not names:
        raise ServingError(
            "No pipeline is declared, so there is nothing to serve.",
            remedy="Name the modules that declare pipelines in ML_PLATFORM_PIPELINES, as a JSON list.",
        )
    return names


def _require_extra() -> None:
    """Raise ServingError unless the libraries of the workers are installed."""
    for module in ("fastapi", "uvicorn", "prometheus_client"):
        if find_spec(module) is None:
            raise ServingError(
                f"The service needs {module}, which is not installed.", remedy="`pip install 'ml_platform[serving]'`."
            )
