"""Names of columns: any that polars holds, as long as no two of one table look alike (S7).

DuckDB does not tell `At` from `at`, and nobody tells a composed letter from a decomposed one.
"""

import unicodedata
from collections.abc import Iterable

from ml_platform.errors import DeclarationError
from ml_platform.naming import FILLED_IN


def folded(name: str) -> str:
    """The name as a database and a reader tell it from others.

    >>> folded("At") == folded("at")
    True
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def check_name(name: str, where: str) -> None:
    """Raise DeclarationError, naming `where`, for a name that no column of the lake can have."""
    if not name:
        raise DeclarationError(where, "a column has an empty name", remedy="Name it in clean or with alias=.")
    if name.startswith("_"):
        raise DeclarationError(where, f"{name!r} begins with _", remedy="Those names are reserved for the platform.")
    if name == "*" or (name.startswith("^") and name.endswith("$")):
        raise DeclarationError(
            where, f"the column name {name!r} is a pattern of several columns to polars", remedy="Rename it in clean."
        )
    if FILLED_IN.search(name):
        raise DeclarationError(
            where, f"the column name {name!r} holds a word that DuckLake fills in", remedy="Rename it in clean."
        )
    if "\x00" in name or not _encodable(name):
        raise DeclarationError(
            where, f"the column name {name!r} cannot be stored as UTF-8 text", remedy="Rename it in clean."
        )


def check_apart(names: Iterable[str], where: str) -> None:
    """Raise DeclarationError for the first two names that are told apart by case or accents' spelling only."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(folded(name), name)
        if other != name:
            raise DeclarationError(
                where,
                f"the columns {other!r} and {name!r} differ in case or in the spelling of accents only",
                remedy="DuckDB does not tell them apart: rename one in clean.",
            )


def _encodable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
