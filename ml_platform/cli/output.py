"""Command output: tables and lines for people, JSON for programs, messages on standard error.

Every text passes `printable` on its way to a terminal, and rich takes none for markup. JSON is ASCII.
"""

import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from ml_platform.cli.layout import GAP, Column, fitted
from ml_platform.escaping import lines, printable
from ml_platform.naming import counted
from ml_platform.redaction import without_secrets

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

Rows = Sequence[Mapping[str, Any]]


@contextmanager
def counting(what: str, *, quiet: bool) -> Iterator[Callable[[], None]]:
    """Count things that are done: on a terminal in one line that moves, elsewhere a note every thousand."""
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    total, live = 0, errors.is_terminal and not quiet
    columns = (SpinnerColumn(), TextColumn("{task.completed:,} {task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True, disable=not live) as progress:
        task = progress.add_task(what, total=None)

        def count() -> None:
            nonlocal total
            total += 1
            progress.update(task, completed=total)
            if not live and not quiet and total % 1000 == 0:
                note(f"{total:,} {what}")

        yield count


def emit_json(value: Any) -> None:
    """Print JSON on standard output: times in ISO 8601, NaN and infinities as text."""
    sys.stdout.write(json.dumps(_jsonable(value), indent=2, allow_nan=False) + "\n")


def emit_table(rows: Rows, *, title: str = "", empty: str = "Nothing to show.", exact: bool = False) -> None:
    """Print one line per row. The keys of the first row are the headers. `exact`: see `cell`."""
    if not rows:
        say(empty)
        return
    columns = [_column(name, [row[name] for row in rows], exact) for name in rows[0]]
    widths = fitted(columns, _width())
    if title:
        say(title, style="bold")
    if len(widths) < len(columns) and len(rows) == 1:
        emit_lines(rows[0], exact=exact)
        return
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for column, width in zip(columns, widths, strict=False):
        table.add_column(
            Text(column.header),
            justify="right" if column.right else "left",
            width=width,
            no_wrap=True,
            overflow="ellipsis",
        )
    for cells in zip(*(column.cells for column in columns[: len(widths)]), strict=True):
        table.add_row(*(Text(text) for text in cells))
    total = sum(widths) + GAP * len(widths)
    # Rich cuts at its own width, which is 80 where nobody looks: what is piped is not cut.
    wide = console if total <= console.width else Console(width=total, highlight=False)
    wide.print(table, width=total, crop=False)
    if left_out := [column.header for column in columns[len(widths) :]]:
        rest = f" and {counted(len(left_out) - 5, 'more column')}" if len(left_out) > 5 else ""
        note(f"No room for {', '.join(left_out[:5])}{rest}: --json shows everything, a wider terminal more.")


def emit_lines(value: Mapping[str, Any], *, exact: bool = False) -> None:
    """Print a mapping, one line per key."""
    names = {name: printable(name if exact else name.replace("_", " ")) for name in value}
    width = max(map(len, names.values()), default=0)
    for name, item in value.items():
        line = Text(names[name].ljust(width), style="bold")
        console.print(line.append(f"  {cell(item, exact=exact)}", style="not bold"), soft_wrap=True)


def emit_tree(tree: Tree) -> None:
    """Print a tree, cut at the terminal's width if there is one."""
    # Rich cuts at its own width, which is 80 where nobody looks: what is piped is not cut.
    wide = console if _width() else Console(width=10_000, highlight=False)
    wide.print(tree, crop=False)


def say(*texts: str, style: str = "") -> None:
    """Print lines without wrapping, one for each text: a line break within a text is shown as an escape."""
    for text in texts:
        console.print(Text(printable(text), style=style), soft_wrap=True)


def note(text: str) -> None:
    """Print a note on standard error, so that piped output holds only the answer."""
    errors.print(Text(printable(without_secrets(text)), style="dim"), soft_wrap=True)


def alarm(line: str) -> None:
    """Print an alert's line, `severity: title. text`, on standard error."""
    severity, _, message = without_secrets(line).partition(": ")
    colour = "red" if severity == "error" else "yellow"
    errors.print(
        Text("alert ", style=f"bold {colour}").append(printable(message), style="default not bold"), soft_wrap=True
    )


def was_alarmed(sentence: str, alarms: Iterable[str]) -> bool:
    """Whether an alert's line that was printed holds the sentence, whatever its first letter.

    >>> was_alarmed("blocked by data: a.csv", ["error: Promotion blocked. Blocked by data: a.csv Land another."])
    True
    """
    return any(sentence[1:] in line for line in alarms)


def complain(what: str, remedy: str = "") -> None:
    """Print an error and its remedy on standard error. Only its first line begins at the margin."""
    first, *others = lines(without_secrets(what)).split("\n")
    errors.print(Text("error ", style="bold red").append(first, style="default not bold"), soft_wrap=True)
    for text in [*others, *(lines(without_secrets(remedy)).split("\n") if remedy else [])]:
        errors.print(Text(f"      {text}"), soft_wrap=True)


def cell(value: Any, *, exact: bool = False) -> str:
    """A value as text: None as a dash, short numbers, times in UTC without zero parts.

    `exact` distinguishes NULL from an empty text and groups no digits, which may be a year or an id.
    """
    match value:
        case None:
            return "NULL" if exact else "–"
        case "":
            return "" if exact else "–"
        case bool():
            return str(value).lower() if exact else "yes" if value else "no"
        case float():
            return f"{value:.10g}" if exact else f"{value:.4g}"
        case int():
            return str(value) if exact else f"{value:,}"
        case datetime():
            return _moment(value)
        case bytes():
            return f"\\x{value.hex()}"
        case list() | dict() if exact:
            return printable(json.dumps(_jsonable(value), ensure_ascii=False))
        case list():
            return printable(", ".join(map(str, value))) or "–"
    return printable(str(value))


def _moment(value: datetime) -> str:
    if value.microsecond:
        return f"{value:%Y-%m-%d %H:%M:%S.%f}".rstrip("0")
    if value.second:
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return f"{value:%Y-%m-%d %H:%M}" if value.hour or value.minute else f"{value:%Y-%m-%d}"


def _column(name: str, values: list[Any], exact: bool) -> Column:
    present = [value for value in values if value is not None]
    numbers = bool(present) and all(isinstance(v, int | float) and not isinstance(v, bool) for v in present)
    whole = numbers or all(isinstance(v, bool | date | datetime) for v in present)
    floor = None if whole else 20 if exact else 12
    return Column(printable(name), [cell(value, exact=exact) for value in values], right=numbers, floor=floor)


def _width() -> int | None:
    """The terminal's width; None without a terminal or a given width."""
    return console.width if console.is_terminal or os.environ.get("COLUMNS", "").isdecimal() else None


def _jsonable(value: Any) -> Any:
    match value:
        case float() if not math.isfinite(value):
            return str(value)
        case None | bool() | int() | float() | str():
            return value
        case datetime() | date():
            return value.isoformat()
        case bytes():
            return value.hex()
        case Mapping():
            return {str(name): _jsonable(item) for name, item in value.items()}
        case list() | tuple() | set():
            return [_jsonable(item) for item in value]
    return str(value)
