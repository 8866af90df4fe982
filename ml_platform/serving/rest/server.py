"""The HTTP server of one process, with its bounds."""

import uvicorn
from fastapi import FastAPI

from ml_platform.serving.rest.connections import ImpatientProtocol

_CONNECTIONS = 1_000  # of one process; each takes a file descriptor
_GRACE = 20  # seconds for requests under way after SIGTERM


def server_of(app: FastAPI, certificate: str = "", certificate_key: str = "") -> uvicorn.Server:
    """A server of the application, for sockets that are bound already. Files in PEM are for https; empty: http."""
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=_GRACE,
        server_header=False,
        limit_concurrency=_CONNECTIONS,
        http=ImpatientProtocol,
        ssl_certfile=certificate or None,
        ssl_keyfile=certificate_key or None,
    )
    return uvicorn.Server(config)
