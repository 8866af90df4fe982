"""One process that answers HTTP, on a socket that its supervisor bound."""

import os
import socket
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from ml_platform.serving.rest import freed_memory, metrics_folder
from ml_platform.serving.rest.folders import logs_folder

if TYPE_CHECKING:
    import uvicorn

    from ml_platform.spec.pipeline import ModelPipeline

READY = b"r"  # what a worker sends once it answers


def main() -> None:
    """Serve until SIGTERM or the end of the supervisor, then finish the requests that are under way.

    The arguments are the file descriptors of the listening socket and of the socket to the supervisor, the files of the
    TLS certificate and of its key (empty: none), the folder of figures, the function `module:name` that gives the
    declared pipelines by name, and the names of the pipelines that answer.
    """
    metrics_folder.use(sys.argv[5])
    freed_memory.keep_freed_memory()
    os.environ.setdefault("POLARS_MAX_THREADS", "1")  # one row at a time; threads would only wait for one another
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from ml_platform.lake.blobs import Blobs
    from ml_platform.serving.logged_predictions import LoggedPredictions
    from ml_platform.serving.opening_store import open_store
    from ml_platform.serving.rest import card_pages, filling_faults, version_records
    from ml_platform.serving.rest.access import Access
    from ml_platform.serving.rest.app import create_app
    from ml_platform.serving.rest.event_routes import EventRoutes
    from ml_platform.serving.rest.event_service import EventService
    from ml_platform.serving.rest.server import server_of
    from ml_platform.serving.rest.service import Service
    from ml_platform.settings import Settings

    settings = Settings()
    listening, lifeline = (socket.socket(fileno=int(number)) for number in sys.argv[1:3])
    store = open_store(settings)
    logs, budget, pipelines = logs_folder(settings.online), settings.log_budget_bytes, sys.argv[7:]
    service = Service(Blobs(settings), store, logs, budget, pipelines)
    certificate, certificate_key = sys.argv[3:5]
    events = EventService(partial(_declared, sys.argv[6]), settings.events, store, budget)
    app = create_app(
        service,
        Access(settings.api_keys_by_client),
        started=lambda: lifeline.sendall(READY),
        filling_faults=partial(filling_faults.read, settings.online),
        more=EventRoutes(events, LoggedPredictions(settings, logs)),
        records=partial(version_records.read, settings.online),
        card_page_of=partial(card_pages.read, settings.online),
    )
    server = server_of(app, certificate, certificate_key)
    threading.Thread(target=_stop_with_supervisor, args=(lifeline, server), name="supervisor", daemon=True).start()
    server.run(sockets=[listening])


def _declared(address: str) -> Mapping[str, "ModelPipeline"]:
    """The declared pipelines by name. Whoever finds them is no part of what serves them."""
    module, _, name = address.partition(":")
    pipelines: Mapping[str, ModelPipeline] = getattr(import_module(module), name)()
    return pipelines


def _stop_with_supervisor(lifeline: socket.socket, server: "uvicorn.Server") -> None:
    """Nobody fills the store or moves the log without a supervisor: end, and give the port back."""
    with suppress(ConnectionResetError):  # it never read that this worker is ready
        lifeline.recv(1)  # the supervisor sends nothing: this returns when it is gone, however it ended
    server.should_exit = True


if __name__ == "__main__":
    main()
