"""Valid names of columns, pipelines, tables and classes, which shadow nothing."""

import keyword
import re
import unicodedata
from collections.abc import Iterable

import dataframely as dy

import ml_platform
from ml_platform.errors import DeclarationError, UnfitArgument
from ml_platform.naming import RESERVED, check_identifier

LONGEST = 40  # characters of a column name, so that a line of the declaration holds it
_SIGNS = {"€": " eur", "$": " usd", "£": " gbp", "%": " pct", "#": " number ", "&": " and ", "ß": "ss", "°": " deg"}
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_IMPORTED = frozenset({"dy", "pl", "local_time"})  # what a declaration calls something else
# What a contract calls its own methods, the module its types come from, and `l`, which a linter takes for 1.
_TAKEN = frozenset(name for name in dir(dy.Schema) if not name.startswith("_")) | {"dy", "l"}


def column_names(names: Iterable[str]) -> list[str]:
    """One lower case identifier for each name, in order and each once: `Monthly Charges (€)` → `monthly_charges_eur`.

    A name that holds no Latin letter or digit becomes `column_<number from 1>`.
    """
    identifiers: list[str] = []
    for number, name in enumerate(names, 1):
        identifiers.append(unused(_plain(name) or f"column_{number}", identifiers))
    return identifiers


def _plain(name: str) -> str:
    text = "".join(_SIGNS.get(sign, sign) for sign in name)
    text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z0-9]+", _CAMEL.sub(" ", text).lower())
    plain = "_".join(words)[:LONGEST].strip("_")
    if plain[:1].isdigit():
        plain = f"n{plain}"
    return f"{plain}_" if keyword.iskeyword(plain) or keyword.issoftkeyword(plain) or plain in _TAKEN else plain


def unused(name: str, taken: Iterable[str]) -> str:
    """`name`, or with the first number from 2 on that makes it one that is not `taken`."""
    names, number, candidate = set(taken), 2, name
    while candidate in names:
        candidate, number = f"{name}_{number}", number + 1
    return candidate


def check_name(name: str, pipelines: Iterable[str]) -> str:
    """Return `name` if it is valid for a module, a variable and a pipeline.

    Raises UnfitArgument for what is no identifier of the platform, a Python keyword, a reserved or imported name, and
    that of a pipeline there is.
    """
    try:
        check_identifier(name, "")
    except DeclarationError as error:
        plain = _plain(name).rstrip("_")
        meant = f"Did you mean {plain!r}? " if plain else ""
        raise UnfitArgument(f"{error.problem}.", remedy=f"{meant}{error.remedy}") from None
    if keyword.iskeyword(name) or name in _IMPORTED:
        raise UnfitArgument(f"{name!r} is already a name in Python here.", remedy="Choose another name.")
    if name in RESERVED:
        raise UnfitArgument(f"{name!r} is a reserved name of the platform.", remedy="Choose another.")
    if name.startswith("test_"):
        raise UnfitArgument(f"{name!r} is what a test file is called.", remedy="Choose a name without test_.")
    if name in set(pipelines):
        raise UnfitArgument(f"There is a pipeline {name!r} already.", remedy="Choose another name, or edit that one.")
    return name


def table_name(stem: str, pipeline: str, tables: Iterable[str]) -> str:
    """A table's name from that of its file; `<pipeline>_rows` where that is none, or taken."""
    name = "_".join(re.findall(r"[a-z0-9]+", _CAMEL.sub(" ", stem).lower()))
    usable = re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name) and not keyword.iskeyword(name)
    if not usable or name in {pipeline, *tables, *_IMPORTED, *RESERVED}:
        return unused(f"{pipeline[:50]}_rows", tables)
    return name


def class_name(table: str) -> str:
    """The name of the contract class: `card_payments` → `CardPayments`; never a name that declarations import."""
    name = "".join(part.capitalize() for part in table.split("_"))
    return f"{name}Row" if name in ml_platform.__all__ or keyword.iskeyword(name) else name
