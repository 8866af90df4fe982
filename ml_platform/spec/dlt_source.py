"""The word `Dlt`: rows of a resource of dlt, as of a REST API."""

import inspect
import sys
from collections.abc import Mapping
from typing import Any

from ml_platform.errors import DeclarationError
from ml_platform.escaping import markdown_code
from ml_platform.spec.declared_source import DeclaredSource
from ml_platform.spec.durations import microseconds
from ml_platform.spec.vocabulary import word


@word
class Dlt(DeclaredSource):
    """Rows of a resource of dlt, read as far as its cursor has grown. It needs the extra `dlt`.

    A resource with `dlt.sources.incremental` gives its new rows at every run, and its state is on record with them. One
    without is read whole at every run, and its rows take the old ones' place.

    Args:
        resource: A resource that `dlt.resource` made of a function of a module, or a function without parameters that
            returns a resource or a source, such as `rest_api_source({…})`.
        name: Which resource of a source; not needed where there is one.
        every: How often a sensor has the resource asked, such as `15m`. A run always asks.
        secrets: The names of environment variables that the functions read by themselves; no message tells what is in
            them. What dlt resolves as a secret need not be named.
        version: Raise it to read everything from the beginning, as under another name. The old versions are named then,
            until they are withdrawn.

    Raises:
        DeclarationError: For what is no function of a module, and for names that are no variables.

    >>> def orders():
    ...     from dlt.sources.rest_api import rest_api_resources
    ...     return rest_api_resources({"client": {"base_url": "https://shop.example.org"}, "resources": ["orders"]})[0]
    >>> Dlt(orders, every="15m").row_format
    'dlt'
    """

    resource: Any
    name: str = ""
    every: str = "1h"
    secrets: tuple[str, ...] = ()
    version: int = 1

    def __post_init__(self) -> None:
        where = f"Dlt({_name(self.resource)})"
        function = inspect.unwrap(self.resource) if callable(self.resource) else None
        if not inspect.isfunction(function) or function.__module__ not in sys.modules or "<" in function.__qualname__:
            raise DeclarationError(
                where,
                "resource= is no function of a module",
                remedy="Write @dlt.resource before a function of a module, or a function that returns the resource.",
            )
        microseconds(self.every, where)
        if any(not name.isidentifier() for name in self.secrets):  # it may be a secret: it is not told
            raise DeclarationError(
                where,
                "secrets= holds what is no name of an environment variable",
                remedy="Put the secret into the environment, and its variable's name here.",
            )

    @property
    def keyed_as(self) -> Mapping[str, Any]:
        """What stands for a field in the canonical form: of a resource, the function that it was made of."""
        return {"resource": inspect.unwrap(self.resource)}

    @property
    def label(self) -> str:
        """What messages call it: the function, and the resource of its source."""
        return f"{_name(self.resource)}/{self.name}" if self.name else _name(self.resource)

    @property
    def series(self) -> str:
        """What the paths of its versions begin with."""
        return self.label if self.version == 1 else f"{self.label} v{self.version}"

    @property
    def credentials(self) -> tuple[str, ...]:
        return tuple(self.secrets)

    @property
    def row_format(self) -> str:
        return "dlt"

    @property
    def reading(self) -> dict[str, Any]:
        return {"resource": self.label, "version": self.version}

    @property
    def may_lose_versions(self) -> bool:
        return True

    @property
    def lies_in(self) -> str:
        return f"what {self.series} has read"

    @property
    def phrase(self) -> str:
        return f"every row that {markdown_code(self.label)} gives, with the read that it came by and its number there"

    @property
    def changes_with(self) -> str:
        return f"rows that {markdown_code(self.label)} gives beyond what was read; it is asked every {self.every}"

    @property
    def advice(self) -> str:
        return (
            "a resource that fails is shown under *waiting* with the reason, and raises an alert; other tables go on, "
            "and the next run goes on where the last one ended."
        )

    @property
    def correction(self) -> str:
        return "Correct the resource: the next run reads it again."

    @property
    def taking_back(self) -> str:
        return "It stays out. Raise version= to read everything again."

    @property
    def absence(self) -> str:
        return f"`{self.label}` gave no row"


def _name(function: Any) -> str:
    return f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', type(function).__name__)}"
