"""Serves a folder of reports and generated index pages over HTTP, on this machine only.

A page of another site must not read what this machine serves: a request whose Host names neither this machine nor
the declared address is refused, since the other site may have pointed its own name here (DNS rebinding). Every answer
says what it may load and run: a page what its own policy names, anything else nothing.
"""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from ml_platform.errors import PlatformError
from ml_platform.escaping import NO_SCRIPT, policy_of

_THIS_MACHINE = ("127.0.0.1", "localhost", "::1")
_HEAD = 4_096  # bytes at the beginning of a page, which hold its policy
Page = Callable[[str], str | None]  # path of a URL → HTML, or None when it is no page but a file


class ReportServer(ThreadingHTTPServer):
    """Serves on 127.0.0.1; port 0 takes a free one. Raises PlatformError when the port is taken.

    `hosts` are names under which people reach it, beside those of this machine.
    """

    daemon_threads = True

    def __init__(self, folder: Path, page: Page, port: int, hosts: Iterable[str] = ()) -> None:
        self.folder = folder.resolve()
        self.page = page
        self.hosts = frozenset((*_THIS_MACHINE, *hosts))
        try:
            super().__init__(("127.0.0.1", port), _Handler)
        except OSError as error:
            raise PlatformError(
                f"Port {port} of 127.0.0.1 cannot be used: {error.strerror}.", remedy="--port 0 takes a free one."
            ) from None

    @property
    def url(self) -> str:
        """The address of the server."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(SimpleHTTPRequestHandler):
    """Handles GET and HEAD requests."""

    server: ReportServer
    extensions_map = {  # noqa: RUF012  # as the base class has it; this machine's own table may say otherwise
        "": "application/octet-stream",
        ".html": "text/html; charset=utf-8",
        ".json": "application/json",
        ".svg": "image/svg+xml",
    }

    _policy = NO_SCRIPT

    def send_head(self) -> BytesIO | BinaryIO | None:
        if not self._meant_for_us():
            self.send_error(
                HTTPStatus.MISDIRECTED_REQUEST, "Open the reports under the address that the command prints"
            )
            return None
        path = unquote(urlsplit(self.path).path)
        html = self.server.page(path)
        if html is not None:
            self._policy = policy_of(html)
            return self._page(html.encode())
        if not self._served(path):
            self.send_error(HTTPStatus.NOT_FOUND, "There is no such report")
            return None
        if path.endswith(".html"):
            with Path(self.translate_path(self.path)).open("rb") as file:
                self._policy = policy_of(file.read(_HEAD).decode(errors="replace"))
        return super().send_head()

    def _meant_for_us(self) -> bool:
        """Whether the one Host header names this machine or a declared name; the port may be that of a tunnel."""
        hosts = self.headers.get_all("Host") or []
        try:
            return len(hosts) == 1 and urlsplit(f"//{hosts[0]}").hostname in self.server.hosts
        except ValueError:  # such as a bracket that does not close
            return False

    def _served(self, path: str) -> bool:
        """Whether the path is a file below the folder, after resolving `..` and links."""
        parts = path.split("/")
        if "\0" in path or any(part.startswith(".") for part in parts):
            return False
        try:
            wanted = self.server.folder.joinpath(*parts).resolve()
            return wanted.is_relative_to(self.server.folder) and wanted.is_file()
        except OSError:  # such as a name that is too long
            return False

    def translate_path(self, path: str) -> str:
        return str(self.server.folder.joinpath(*unquote(urlsplit(path).path).split("/")))

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", f"{self._policy}; frame-ancestors 'none'")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-cache")  # a report that was drawn again is another under the same name
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Log no requests."""

    def _page(self, body: bytes) -> BytesIO:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", self.extensions_map[".html"])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        return BytesIO(body)
