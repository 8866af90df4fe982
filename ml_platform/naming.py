"""Valid names, and their quoting in SQL."""

import re
from collections.abc import Sequence

from ml_platform.errors import DeclarationError

# DuckLake fills these words in wherever they stand in a statement to its catalog, in values and names of ours, too.
FILLED_IN = re.compile(
    r"\{(AUTHOR|COMMIT_EXTRA_INFO|COMMIT_MESSAGE|DATA_PATH|METADATA_[A-Z_]+|NEXT_[A-Z]+_ID|SCHEMA_VERSION|SNAPSHOT_ID)\}"
)
_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]{0,62}")
RESERVED = frozenset(
    {
        *("raw", "validated", "quarantine", "platform", "registry", "lineage", "main", "all"),
        # Of DuckDB's databases and schemas, where `name.table` would mean another one.
        *("lake", "state", "memory", "temp", "system", "information_schema", "pg_catalog"),
    }
)


def check_identifier(name: str, where: str) -> str:
    """Return `name` if it is lower snake case of at most 63 characters.

    Raises DeclarationError otherwise, because names become schemas, asset keys and folders.
    """
    if not _IDENTIFIER.fullmatch(name):
        raise DeclarationError(
            where,
            f"{name!r} is not a valid name",
            remedy="Use lower case letters, digits and underscores, beginning with a letter.",
        )
    return name


def listed(names: Sequence[str], most: int = 3) -> str:
    """The first names, and how many more there are.

    >>> listed(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun.

    >>> counted(1, "file"), counted(2_000, "file"), counted(2, "other", "others")
    ('1 file', '2,000 files', '2 others')
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def capitalized(text: str) -> str:
    """`text` with a capital first letter; all others stay as they are, unlike with `str.capitalize`.

    >>> capitalized("blocked by data: Orders.csv is not UTF-8")
    'Blocked by data: Orders.csv is not UTF-8'
    """
    return text[:1].upper() + text[1:]


def quoted(name: str) -> str:
    """`name` as a SQL identifier, whatever it contains."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """`text` as a SQL string literal."""
    return "'" + text.replace("'", "''") + "'"
