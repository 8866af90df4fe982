"""MLflow's REST API over httpx: every request ends in bounded time, and every failure is an error with words.

MLflow's own client is not used: it brings SDKs of clouds, repeats a failed request for minutes, and packs a model
with a pickle.
"""

import json
import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from ml_platform import __version__
from ml_platform.errors import first_line
from ml_platform.escaping import one_line
from ml_platform.redaction import without_secrets
from ml_platform.tracking.address import TrackingAddress
from ml_platform.tracking.errors import ExportRefused, ServerUnavailable, TrackingError

CONNECT, WAIT = 3.0, 10.0  # seconds: to connect, and for each answer or part of one
LONGEST = 60.0  # seconds of one request as a whole
_LARGEST = 20_000_000  # bytes of an answer
_CHUNK = 262_144  # bytes of a file that are sent at a time
_LATER = "What is missing is sent by the next run, or by `ml-platform runs export`."
_SETTLED = frozenset({401, 403})  # the same for every run


class TrackingServer:
    """The REST API of one server, as a context manager.

    Args:
        address: Where it is.
        until: The moment of `time.monotonic` at which requests end, whatever they wait for; None: LONGEST each.

    Raises:
        TrackingError: Where httpx is not installed, or the certificates cannot be read.
    """

    def __init__(self, address: TrackingAddress, until: float | None = None) -> None:
        try:
            import httpx
        except ImportError:
            raise TrackingError("Exporting runs needs httpx.", remedy="pip install 'ml_platform[mlflow]'") from None
        self.url, self._until = address.url, until
        token = address.token.get_secret_value()
        headers = {"User-Agent": f"ml_platform/{__version__}"} | ({"Authorization": f"Bearer {token}"} if token else {})
        try:
            self._client = httpx.Client(
                base_url=self.url,
                headers=headers,
                auth=None if token else address.basic,
                verify=_verified(address),
                timeout=httpx.Timeout(WAIT, connect=CONNECT),
            )
        except OSError as error:
            raise TrackingError(
                f"The certificates of MLFLOW_TRACKING_SERVER_CERT_PATH cannot be read: {first_line(error)}.",
                remedy="Name a readable PEM file.",
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._client.close()

    def get(self, path: str, **parameters: str) -> dict[str, Any]:
        """The answer to a GET below /api/2.0/mlflow. Raises ServerUnavailable, ExportRefused."""
        return self._answer("GET", f"/api/2.0/mlflow/{path}", params=parameters)

    def post(self, path: str, body: Mapping[str, Any], method: str = "POST") -> dict[str, Any]:
        """The answer to a POST below /api/2.0/mlflow. Raises ServerUnavailable, ExportRefused."""
        content = json.dumps(body).encode()
        return self._answer(
            method, f"/api/2.0/mlflow/{path}", content=content, headers={"Content-Type": "application/json"}
        )

    def put_artifact(self, path: str, data: bytes) -> None:
        """Store a file through the server, below the root of its artifacts. Raises ServerUnavailable, ExportRefused."""
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(len(data))}
        where = f"/api/2.0/mlflow-artifacts/artifacts/{quote(path)}"
        self._answer("PUT", where, content=self._in_time(_chunks(data)), headers=headers)

    def part(self, answer: Mapping[str, Any], *names: str) -> Any:
        """What an answer has under these names, one within the other. Raises ServerUnavailable where it has nothing."""
        value: Any = answer
        for name in names:
            value = value.get(name) if isinstance(value, dict) else None
        if value is None:
            raise ServerUnavailable(
                f"{self.url} answers without {'.'.join(names)}, as no MLflow server does.",
                remedy="Check MLFLOW_TRACKING_URI, also its path.",
            )
        return value

    def _answer(self, method: str, path: str, **what: Any) -> dict[str, Any]:
        import httpx

        self._ends = min(self._until or float("inf"), time.monotonic() + LONGEST)
        self._check_time()
        try:
            with self._client.stream(method, path, **what) as answer:
                body = b""
                for part in self._in_time(answer.iter_bytes()):
                    body += part
                    if len(body) > _LARGEST:
                        raise ServerUnavailable(f"{self.url} answers with more than {_LARGEST:,} bytes.", remedy=_LATER)
        except httpx.TimeoutException:
            raise ServerUnavailable(f"{self.url} does not answer in time.", remedy=_LATER) from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise ServerUnavailable(f"{self.url} cannot be reached: {first_line(error)}.", remedy=_LATER) from None
        return self._read(answer.status_code, body)

    def _read(self, status: int, body: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(body or b"{}")
        except (ValueError, RecursionError):  # no JSON, or nested too deeply
            answer = None
        if status < 300 and isinstance(answer, dict):
            return answer
        said = answer if isinstance(answer, dict) else {}
        code, message = str(said.get("error_code", "")), one_line(without_secrets(str(said.get("message", ""))), 300)
        what = f"{self.url} answers {status}{f' ({code})' if code else ''}{f': {message}' if message else ''}"
        if status in _SETTLED:
            remedy = "Set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."
            raise ServerUnavailable(f"{what.rstrip('.')}.", remedy=remedy)
        if 400 <= status < 500 and code and status != 429:
            raise ExportRefused(f"{what.rstrip('.')}.", code)
        if status < 500 and status != 429:
            raise ServerUnavailable(
                f"{what.rstrip('.')}, as no MLflow server does.", remedy="Check MLFLOW_TRACKING_URI, also its path."
            )
        raise ServerUnavailable(f"{what.rstrip('.')}.", remedy=_LATER)

    def _in_time(self, parts: Iterator[bytes]) -> Iterator[bytes]:
        """The parts of a body while there is time: each may arrive just before it would be too late."""
        for part in parts:
            self._check_time()
            yield part

    def _check_time(self) -> None:
        if time.monotonic() > self._ends:
            raise ServerUnavailable(f"{self.url} takes too long.", remedy=_LATER)


def _chunks(data: bytes) -> Iterator[bytes]:
    yield from (data[start : start + _CHUNK] for start in range(0, max(len(data), 1), _CHUNK))


def _verified(address: TrackingAddress) -> Any:
    """How httpx checks certificates."""
    import ssl

    if address.insecure_tls:
        return False
    return ssl.create_default_context(cafile=address.server_cert_path) if address.server_cert_path else True
