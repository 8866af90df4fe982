"""What commands print: a table for people, JSON for programs."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from rich.console import Console
from rich.table import Table

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


def emit(rows: Sequence[Mapping[str, Any]], *, as_json: bool, title: str = "", empty: str = "Nothing to show.") -> None:
    """A list of rows: JSON with the rows' own keys, or a table with one column a key."""
    if as_json:
        sys.stdout.write(json.dumps(list(rows), default=_plain, indent=2) + "\n")
        return
    if not rows:
        console.print(empty)
        return
    table = Table(title=title or None, title_justify="left", title_style="bold", header_style="bold", box=None,
                  pad_edge=False)  # fmt: skip
    for name in rows[0]:
        numbers = all(isinstance(row[name], int | float) and not isinstance(row[name], bool)
                      for row in rows if row[name] is not None)  # fmt: skip
        table.add_column(name.replace("_", " "), justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(cell(value) for value in row.values()))
    console.print(table)


def emit_one(value: Mapping[str, Any], *, as_json: bool) -> None:
    """One thing: JSON, or a line a key."""
    if as_json:
        sys.stdout.write(json.dumps(value, default=_plain, indent=2) + "\n")
        return
    width = max(map(len, value), default=0)
    for name, item in value.items():
        console.print(f"[bold]{name.replace('_', ' '):<{width}}[/bold]  {cell(item)}")


def cell(value: Any) -> str:
    """A value as people read it: numbers short, times in UTC to the second, nothing as a dash."""
    match value:
        case None | "":
            return "–"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.4g}"
        case int():
            return f"{value:,}"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S}"
        case list() | dict():
            return json.dumps(value, default=_plain)
    return str(value).replace("[", "\\[")


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime | date) else str(value)
