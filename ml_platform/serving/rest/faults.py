"""What is wrong with a service now, for its supervisor and the thread that fills the store."""

from collections.abc import Callable, Iterable

from ml_platform.errors import PlatformError, first_line


class Faults:
    """Faults by what they are of. Each is reported once, until it is another one. Threads may share it."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._texts: dict[str, str] = {}

    def note(self, what: str, error: Exception) -> None:
        """There is one."""
        text = str(error) if isinstance(error, PlatformError) else f"{type(error).__name__}: {first_line(error)}."
        if self._texts.get(what) != text:
            self._texts[what] = text
            self._report(f"{what}: {text}")

    def passed(self, what: str) -> None:
        """There is none any more."""
        self._texts.pop(what, None)

    def of(self, names: Iterable[str]) -> dict[str, str]:
        """The faults of these, of those that have one."""
        texts = dict(self._texts)
        return {name: texts[name] for name in names if name in texts}
