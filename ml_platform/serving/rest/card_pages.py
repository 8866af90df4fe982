"""The pages of the model cards of the versions that answer: files that the supervisor writes and workers read."""

from collections.abc import Callable
from pathlib import Path

from ml_platform.lake import durable

_FOLDER = "cards"
LookUp = Callable[[str], tuple[int, str] | None]  # pipeline → the version that answers, and the page of its card


class CardPages:
    """Keeps the files up to date. A card takes seconds to measure, so that it is made after workers answer.

    Args:
        online: The folder of the service.
        look_up: The version of a pipeline that answers, and the page of its card; None where there is none.
    """

    def __init__(self, online: Path, look_up: LookUp) -> None:
        self._folder, self._look_up = online / _FOLDER, look_up
        self._marks: dict[str, object] = {}

    def publish(self, pipeline: str, mark: object) -> None:
        """Write the page of a pipeline, unless it was written under an equal mark, and remove those of other versions.

        Raises what the look-up raises, and OSError.
        """
        if pipeline in self._marks and self._marks[pipeline] == mark:
            return
        looked_up = self._look_up(pipeline)
        if looked_up is not None:
            version, page = looked_up
            self._folder.mkdir(parents=True, exist_ok=True)
            path = _path(self._folder, pipeline, version)
            durable.write(path, page.encode(), 0o600, synced=False)
            for other in self._folder.glob(f"{pipeline}@*.html"):
                if other != path:
                    other.unlink(missing_ok=True)
        self._marks[pipeline] = mark


def read(online: Path, pipeline: str, version: int) -> str | None:
    """The page of a version's card; None before it was made.

    >>> from tempfile import mkdtemp
    >>> folder = Path(mkdtemp())
    >>> CardPages(folder, lambda pipeline: (7, "<p>card</p>")).publish("flight_delay", 1)
    >>> read(folder, "flight_delay", 7), read(folder, "flight_delay", 6)
    ('<p>card</p>', None)
    """
    try:
        return _path(online / _FOLDER, pipeline, version).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _path(folder: Path, pipeline: str, version: int) -> Path:
    return folder / f"{pipeline}@{version}.html"
