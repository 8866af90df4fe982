"""Identifiers: what may be a name, and how a name is quoted in SQL."""

import re

from ml_platform.errors import DeclarationError

_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]{0,62}")
RESERVED = frozenset({"raw", "validated", "quarantine", "platform", "registry", "lineage", "main", "all"})


def check_identifier(name: str, where: str) -> str:
    """`name` unchanged, when it is lower snake case of at most 63 characters.

    Raises DeclarationError otherwise: names become schemas, asset keys and folders.
    """
    if not _IDENTIFIER.fullmatch(name):
        raise DeclarationError(
            where,
            f"{name!r} is not a usable name",
            remedy="Use lower case letters, digits and underscores, beginning with a letter.",
        )
    return name


def quoted(name: str) -> str:
    """`name` as a SQL identifier, whatever it contains."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """`text` as a SQL string literal."""
    return "'" + text.replace("'", "''") + "'"
