"""The word `Frames`: rows that functions of the user's own give, as from an API."""

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import polars as pl

from ml_platform.errors import DeclarationError
from ml_platform.escaping import markdown_code
from ml_platform.spec.declared_source import DeclaredSource
from ml_platform.spec.durations import microseconds
from ml_platform.spec.vocabulary import Several, word


@word
class Frames(DeclaredSource):
    """Rows that two functions give: one says which versions there are, the other reads one of them.

    For an HTTP API, a program of another team, or whatever else no source is for. A version is what changes as a
    whole: a day, a page, an account.

    Args:
        versions: Without parameters; a mapping from the name of each version to a text that changes when its content
            does, such as a time of change. It must cost little.
        rows: Of one version, by its name: frames of polars. They are held on disk, one in memory at a time.
        every: How often a sensor asks for the versions at most, such as `5m`. A run always asks.
        secrets: The names of the environment variables that hold what these functions need; no message tells what is
            in them.
        version: Raise it when `rows` reads in another way, and all versions are read anew.

    Raises:
        DeclarationError: For a function that is not one of a module, and for names that are no variables.

    >>> def days():
    ...     return {"2024-05-01": "final", "2024-05-02": "as of 10:00"}
    >>> def visits(day):
    ...     yield pl.DataFrame({"day": [day], "visits": [7]})
    >>> Frames(days, visits, every="15m").row_format
    'frames'
    """

    versions: Callable[[], Mapping[str, str]]
    rows: Callable[[str], Iterable[pl.DataFrame]]
    every: str = "1m"
    secrets: Several[str] = ()
    version: int = 1

    def __post_init__(self) -> None:
        where = f"Frames({_name(self.versions)}, {_name(self.rows)})"
        for name, function in (("versions", self.versions), ("rows", self.rows)):
            module = sys.modules.get(getattr(function, "__module__", None) or "")
            if module is None or "<" in getattr(function, "__qualname__", "<"):
                raise DeclarationError(
                    where,
                    f"{name}={_name(function)} is no function of a module",
                    remedy="Write it with def at the top of a module: its name is on record.",
                )
        microseconds(self.every, where)
        for name in self.secrets:
            if not name.isidentifier():  # it may be a secret: it is not told
                raise DeclarationError(
                    where,
                    "secrets= holds what is no name of an environment variable",
                    remedy="Put the secret into the environment, and its variable's name here.",
                )

    @property
    def label(self) -> str:
        """What messages call it: the function that reads."""
        return _name(self.rows)

    @property
    def versions_label(self) -> str:
        """What messages call the function that names the versions."""
        return _name(self.versions)

    @property
    def credentials(self) -> tuple[str, ...]:
        return tuple(self.secrets)

    @property
    def row_format(self) -> str:
        return "frames"

    @property
    def reading(self) -> dict[str, Any]:
        return {"rows": self.label, "version": self.version}

    @property
    def may_lose_versions(self) -> bool:
        return True

    @property
    def lies_in(self) -> str:
        return f"what {self.versions_label} names"

    @property
    def phrase(self) -> str:
        return f"every row that {markdown_code(self.label)} gives, with its version and its number there"

    @property
    def changes_with(self) -> str:
        return f"a version that {markdown_code(self.versions_label)} names anew or with another text"

    @property
    def advice(self) -> str:
        return (
            "a function that fails is shown under *unavailable* or *waiting* with the reason, and raises an alert; "
            "other tables go on, and the next run tries again."
        )

    @property
    def correction(self) -> str:
        return "Correct the function, or what it reads, and raise version=."

    @property
    def taking_back(self) -> str:
        return f"It stays out until {markdown_code(self.versions_label)} gives it another text."

    @property
    def absence(self) -> str:
        return f"`{self.versions_label}` names no version"


def _name(function: Any) -> str:
    return f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', type(function).__name__)}"
