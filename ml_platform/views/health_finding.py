"""The result of one health check, and looking without failing."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from ml_platform import interrupts
from ml_platform.errors import PlatformError, first_line

Severity = Literal["ok", "warn", "bad"]


@dataclass(frozen=True)
class Finding:
    """The result of one health check.

    state:  `bad` needs a person now; `warn` may later, or something waits that goes on by itself.
    remedy: what to do when the state is not `ok`.
    """

    name: str
    state: Severity
    detail: str
    remedy: str = ""


def surveyed(name: str, look: Callable[[], Iterable[Finding]], remedy: str) -> Iterator[Finding]:
    """The findings of `look`. If it fails, those before the failure, and the failure as a finding called `name`.

    Only an interrupt ends the examination: what is damaged may raise anything, and must not hide the rest.
    """
    try:
        yield from look()
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except PlatformError as error:
        interrupts.stop_if_arrived()
        yield Finding(name, "bad", error.what, error.remedy or remedy)
    except BaseException as error:  # panics of polars are no Exception
        interrupts.stop_if_arrived()
        yield Finding(name, "bad", f"could not be examined: {first_line(error)}", remedy)
