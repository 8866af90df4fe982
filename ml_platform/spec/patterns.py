"""Glob patterns over paths with `/`, as `Files` declares them: `*` within a folder, `**` for any folders or none."""

from fnmatch import fnmatchcase
from pathlib import PurePosixPath

_SIGNS = ("*", "?", "[")


def matches(pattern: str, path: str) -> bool:
    """Whether the pattern covers the path.

    >>> matches("orders/**/*.csv", "orders/2024/jan/a.csv"), matches("orders/**/*.csv", "orders/a.csv")
    (True, True)
    >>> matches("orders/*.csv", "orders/jan/a.csv")
    False
    """
    return _fits(PurePosixPath(pattern).parts, PurePosixPath(path).parts)


def fixed_folders(pattern: str) -> tuple[str, ...]:
    """The folders that the pattern begins with, without any sign.

    >>> fixed_folders("shop/orders/**/*.csv")
    ('shop', 'orders')
    """
    parts = PurePosixPath(pattern).parts[:-1]
    first = next((i for i, part in enumerate(parts) if any(sign in part for sign in _SIGNS)), len(parts))
    return parts[:first]


def keeps_folders(pattern: str) -> bool:
    """Whether files may lie in any folder below the fixed ones."""
    return "**" in PurePosixPath(pattern).parts


def is_one_path(pattern: str) -> bool:
    """Whether the pattern is one path, without any sign."""
    return not any(sign in pattern for sign in _SIGNS)


def _fits(signs: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    """Folder by folder, as `Path.glob` does it, which lists the files."""
    if not signs or not parts:
        return not signs and not parts
    first, others = signs[0], signs[1:]
    if first != "**":
        return fnmatchcase(parts[0], first) and _fits(others, parts[1:])
    return not others or any(_fits(others, parts[i:]) for i in range(len(parts)))
