"""Which services run over a lake: each says so in a file, and holds a lock that ends with its process."""

import json
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

from ml_platform.lake.work_marks import at_work, marked
from ml_platform.private_files import create_private
from ml_platform.settings import Settings


@dataclass(frozen=True)
class RunningService:
    """A service whose process lives: where it listens, on which machine, and for which pipelines."""

    url: str
    host: str
    pipelines: tuple[str, ...]

    def address(self, settings: Settings) -> str:
        """Where this machine reaches it."""
        return self.url if self.host == socket.gethostname() else settings.service_url


@contextmanager
def announced(settings: Settings, url: str, pipelines: Sequence[str]) -> Iterator[None]:
    """Say that a service runs while the body does. What killed services left is removed."""
    folder, name = _folder(settings), f"serve-{uuid4().hex}"
    with marked(settings.lake, name):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        alive = set(at_work(settings.lake))
        for file in folder.glob("*.json"):
            if file.stem not in alive:
                file.unlink(missing_ok=True)
        unfinished, file = folder / f"{name}.new", folder / f"{name}.json"
        create_private(unfinished)
        unfinished.write_text(json.dumps(asdict(RunningService(url, socket.gethostname(), tuple(pipelines)))))
        unfinished.replace(file)
        try:
            yield
        finally:
            file.unlink(missing_ok=True)


def running(settings: Settings, pipeline: str) -> list[RunningService]:
    """The services that answer for a pipeline."""
    files = sorted(_folder(settings).glob("*.json"))
    alive = set(at_work(settings.lake)) if files else set()
    services = []
    for file in files:
        with suppress(FileNotFoundError):  # it ended meanwhile
            stored = json.loads(file.read_text())
            if file.stem in alive and pipeline in stored["pipelines"]:
                services.append(RunningService(stored["url"], stored["host"], tuple(stored["pipelines"])))
    return services


def _folder(settings: Settings) -> Path:
    return settings.online / "services"
