"""Python as text, laid out as the formatter of this repository lays it out: 120 columns, no magic commas."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 120
_INDENT = "    "


@dataclass(frozen=True)
class Item:
    """What stands between two commas; `name=` before it where there is one, comment lines above it."""

    value: "Source"
    name: str = ""
    comment: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bracketed:
    """A call (`opening` ends in its bracket), list, tuple or dict."""

    opening: str
    items: tuple[Item, ...]
    closing: str = ")"


Source = str | Bracketed


def call(function: str, *values: Source, **named: Source) -> Bracketed:
    """`function(value, …, name=value, …)`."""
    items = [Item(value) for value in values] + [Item(value, f"{name}=") for name, value in named.items()]
    return Bracketed(f"{function}(", tuple(items))


def listed(values: Sequence[Source]) -> Bracketed:
    """`[value, …]`."""
    return Bracketed("[", tuple(Item(value) for value in values), "]")


def mapping(pairs: dict[str, str]) -> Bracketed:
    """A dict of texts."""
    return Bracketed("{", tuple(Item(text(value), f"{text(key)}: ") for key, value in pairs.items()), "}")


def text(value: str) -> str:
    """A string literal: in double quotes, unless that needs more escapes than single ones."""
    quote = "'" if value.count('"') > value.count("'") else '"'
    signs = []
    for sign in value:
        if sign in (quote, "\\"):
            signs.append(f"\\{sign}")
        elif sign.isprintable():
            signs.append(sign)
        else:
            signs.append(sign.encode("unicode_escape").decode())
    return f"{quote}{''.join(signs)}{quote}"


def written(source: Source, prefix: str = "", suffix: str = "", depth: int = 0) -> str:
    """The lines of a statement or an item, without the last line break.

    On one line where it fits; else a call's arguments on one line of their own; else one item a line.
    """
    margin = _INDENT * depth
    line = f"{margin}{prefix}{_flat(source)}{suffix}"
    if isinstance(source, str) or (len(line) <= WIDTH and not _commented(source)) or not source.items:
        return line
    within = f"{margin}{_INDENT}{', '.join(_flat(item.value, item.name) for item in source.items)}"
    if source.opening.endswith("(") and source.opening != "(" and len(within) <= WIDTH and not _commented(source):
        return "\n".join([f"{margin}{prefix}{source.opening}", within, f"{margin}{source.closing}{suffix}"])
    lines = [f"{margin}{prefix}{source.opening}"]
    for item in source.items:
        lines += [f"{margin}{_INDENT}{line}" for line in item.comment]
        lines.append(written(item.value, item.name, "," if len(source.items) > 1 else "", depth + 1))
    return "\n".join([*lines, f"{margin}{source.closing}{suffix}"])


def comment(said: str, depth: int = 0) -> tuple[str, ...]:
    """A remark as comment lines that fit at that depth, without their margin."""
    return tuple(textwrap.wrap(_printable(said), WIDTH - 4 * depth, initial_indent="# ", subsequent_indent="# "))


def docstring(said: str, depth: int = 0) -> str:
    """A docstring of one or several lines, with its margin."""
    margin, said = _INDENT * depth, _printable(said).replace("\\", "/").replace('"""', "'''")
    said = said.removesuffix('"') + "'" if said.endswith('"') else said
    if len(margin) + len(said) + 6 <= WIDTH:
        return f'{margin}"""{said}"""'
    lines = textwrap.wrap(said, WIDTH - len(margin) - 9)  # so that it is two lines at least
    return "\n".join([f'{margin}"""{lines[0]}', *(f"{margin}{line}" for line in lines[1:]), f'{margin}"""'])


def finished(source: str) -> str:
    """The text of a module: a line that no layout can shorten says so."""
    lines = [f"{line}  # noqa: E501" if len(line) > WIDTH else line for line in source.rstrip().split("\n")]
    return "\n".join(lines) + "\n"


def _printable(said: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in said)


def _flat(source: Source, name: str = "") -> str:
    if isinstance(source, str):
        return f"{name}{source}"
    return f"{name}{source.opening}{', '.join(_flat(item.value, item.name) for item in source.items)}{source.closing}"


def _commented(source: Source) -> bool:
    return not isinstance(source, str) and any(item.comment or _commented(item.value) for item in source.items)
