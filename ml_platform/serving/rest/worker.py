"""One process that answers HTTP, on a socket that its supervisor bound."""

import os
import socket
import sys
from pathlib import Path


def main() -> None:
    """Serve until SIGTERM, then finish the requests that are under way.

    The arguments are the file descriptor of the listening socket and the names of the pipelines that answer.
    """
    os.environ.setdefault("POLARS_MAX_THREADS", "1")  # one row at a time; threads would only wait for one another
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import uvicorn

    from ml_platform.lake.blobs import Blobs
    from ml_platform.serving.rest.app import create_app
    from ml_platform.serving.rest.service import Service
    from ml_platform.serving.sqlite_store import SQLiteStore
    from ml_platform.settings import Settings

    settings = Settings()
    listening = socket.socket(fileno=int(sys.argv[1]))
    store = SQLiteStore(store_path(settings.online))
    logs, budget, pipelines = logs_folder(settings.online), settings.log_budget_bytes, sys.argv[2:]
    service = Service(Blobs(settings), store, logs, budget, pipelines)
    config = uvicorn.Config(
        create_app(service), log_level="warning", access_log=False, timeout_graceful_shutdown=20, server_header=False
    )
    uvicorn.Server(config).run(sockets=[listening])


def store_path(online: Path) -> Path:
    """Where the online store is in the folder of the service."""
    return online / "store.sqlite"


def logs_folder(online: Path) -> Path:
    """Where the prediction log is."""
    return online / "log"


if __name__ == "__main__":
    main()
