"""The column names of what was read: each once, and those that the contract asks for."""

from collections import Counter
from difflib import get_close_matches

from ml_platform.errors import FileRefused
from ml_platform.spec.tables import Table


def check_names(names: list[str], path: str, where: str) -> None:
    """Refuse a version in which two columns have one name. `where` says in which part of it they stand."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise FileRefused(
            path,
            f"column names come twice: {', '.join(map(repr, twice))}",
            position=where,
            remedy="Give each column a name of its own.",
        )


def check_columns(table: Table, names: list[str], path: str) -> None:
    """Refuse a version without columns, with a name twice, or without those that the contract asks for."""
    check_names(names, path, "the schema")
    if not names:
        raise FileRefused(path, "there are no columns", remedy="Land it with at least a header, or remove it.")
    if table.clean is not None:
        return  # what clean needs is its own affair: see screening
    missing = [name for name in table.columns if name not in names]
    if missing:
        raise FileRefused(
            path,
            missing_columns(missing, names),
            position="the header",
            remedy="Land it with the contract's columns, or map them in clean.",
        )


def missing_columns(missing: list[str], present: list[str]) -> str:
    """A sentence about contracted columns that are not there, with the likely new names."""
    hints = []
    for name in missing:
        near = get_close_matches(name.lower(), [p.lower() for p in present], n=1, cutoff=0.75)
        renamed = [p for p in present if near and p.lower() == near[0]]
        hints.append(f"{name} (renamed to {renamed[0]!r}?)" if renamed else name)
    return f"contracted columns are missing: {', '.join(hints)}"
