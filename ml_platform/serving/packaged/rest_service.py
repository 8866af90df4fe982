"""The REST service of one packaged version: one process, no lake, and a store only where the settings name one."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from ml_platform.errors import PlatformError
from ml_platform.serving.online_store import Deployment, Role, ServedStore
from ml_platform.serving.packaged.manifest import BUNDLE, Manifest
from ml_platform.serving.packaged.stateless import NoState
from ml_platform.serving.rest.access import Access
from ml_platform.serving.rest.app import create_app
from ml_platform.serving.rest.folders import logs_folder
from ml_platform.serving.rest.listening import Listener
from ml_platform.serving.rest.server import server_of
from ml_platform.serving.rest.service import Service
from ml_platform.settings import Settings


class PackagedBundle:
    """The one bundle of a package, as a reader of blobs."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self._folder, self._manifest = folder, manifest

    def get(self, digest: str) -> Path:
        """Its path. Raises BlobError when it is missing or damaged."""
        self._manifest.bundle_bytes(self._folder)
        return self._folder / BUNDLE


class PackagedStore:
    """One version that answers for good, over the values of a store that others fill; without one nothing is stored."""

    def __init__(self, deployment: Deployment, values: ServedStore | None) -> None:
        self._deployment, self._others = deployment, values
        self._values = values or NoState()

    def read(self, names: Sequence[bytes | None]) -> list[bytes | None]:
        return self._values.read(names)

    def deployments(self, role: Role = "champion") -> Mapping[str, Deployment]:
        return {self._deployment.pipeline: self._deployment} if role == self._deployment.role else {}

    def changes(self) -> int:
        return self._others.changes() if self._others else 0


def main(folder: Path) -> None:
    """Serve the version in the folder of a package until SIGTERM. What is wrong at the start ends it with code 1."""
    parser = argparse.ArgumentParser(description="Serve the packaged model over HTTP.")
    parser.add_argument("--host", default="127.0.0.1", help="IP address; others than this machine's own need API keys")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one")
    options = parser.parse_args()
    try:
        settings = Settings()
        listener = Listener(options.host, options.port, None, has_keys=bool(settings.api_keys_by_client))
        manifest = Manifest.read(folder)
        service = _service(folder, settings, manifest)
    except PlatformError as error:
        sys.exit(f"error {error}")
    except ValidationError as error:  # of a setting, whose value may be a secret
        first = error.errors(include_input=False, include_context=False)[0]
        sys.exit(f"error ML_PLATFORM_{str(first['loc'][0]).upper()}: {first['msg']}")
    access = Access(settings.api_keys_by_client)
    record = {"version": manifest.version, "card": manifest.card}
    app = create_app(
        service,
        access,
        started=lambda: _announce(listener),
        filling_faults=dict,
        records=lambda: {"pipelines": {manifest.pipeline: record}},
    )
    server_of(app).run(sockets=[listener.socket])


def _service(folder: Path, settings: Settings, manifest: Manifest) -> Service:
    manifest.check_libraries()
    deployment = Deployment(manifest.pipeline, manifest.version, manifest.bundle, datetime.now(UTC))
    store = PackagedStore(deployment, _redis_store(settings))
    logs = logs_folder(settings.online)
    return Service(PackagedBundle(folder, manifest), store, logs, settings.log_budget_bytes, [manifest.pipeline])


def _redis_store(settings: Settings) -> ServedStore | None:
    """The store that `ml-platform serve` fills elsewhere, where the settings name one."""
    address = settings.online_store.get_secret_value()
    if not address:
        return None
    from ml_platform.serving.redis_store import RedisStore

    return RedisStore(address)


def _announce(listener: Listener) -> None:
    sys.stdout.write(f"Service: {listener.url}\n")
    sys.stdout.flush()
