"""Glob patterns over paths with `/`, as `Files` declares them: `*` within a folder, `**` for any folders or none."""

import re
from functools import cache
from pathlib import PurePosixPath

_SIGNS = ("*", "?", "[")


def matches(pattern: str, path: str) -> bool:
    """Whether the pattern covers the path.

    >>> matches("orders/**/*.csv", "orders/2024/jan/a.csv"), matches("orders/**/*.csv", "orders/a.csv")
    (True, True)
    >>> matches("orders/*.csv", "orders/jan/a.csv")
    False
    """
    return _expression(pattern).fullmatch(path) is not None


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


_SIGN = re.compile(r"\*|\?|\[!?\]?[^\]]*\]|.", re.DOTALL)


def _translated(sign: re.Match[str]) -> str:
    text = sign.group()
    if len(text) > 2:  # a set of signs
        inner = text[1:-1].replace("\\", "\\\\")
        return f"[^/{inner[1:]}]" if inner.startswith("!") else f"[{inner}]"
    return {"*": "[^/]*", "?": "[^/]"}.get(text, re.escape(text))


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    parts = PurePosixPath(pattern).parts
    expression = ""
    for i, part in enumerate(parts):
        last = i == len(parts) - 1
        if part == "**":
            expression += ".+" if last else "(?:[^/]+/)*"
        else:
            expression += _SIGN.sub(_translated, part) + ("" if last else "/")
    return re.compile(expression, re.DOTALL)
