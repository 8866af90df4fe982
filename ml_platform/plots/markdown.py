"""Tables as Markdown: for cards and previews. Whatever a cell holds, the table stays a table."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from ml_platform.escaping import markdown_text

LENGTH, FINDING_LENGTH = 60, 600  # of a cell of data, of a cell of a finding; longer texts are cut
WIDE = 8  # columns; a wider table is shown upright, a line a column
ROWS, UPRIGHT_ROWS = 8, 4  # shown in either way
LINES = 120  # of a table


class Markdown(str):
    """A cell that is Markdown already. What it quotes of others has passed `escaping`."""

    __slots__ = ()


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """The lines of a table, an empty one before it; none at all without rows. Cells are text, unless `Markdown`."""
    return _table(heads, [[v if isinstance(v, Markdown) else markdown_text(str(v)) for v in row] for row in rows])


def rows_table(rows: Sequence[Mapping[str, Any]], total: int | None = None) -> str:
    """The first of some rows of data, with a note of how many there are; a wide table is turned upright."""
    if not rows:
        return "No rows."
    names = list(rows[0])
    upright = len(names) > WIDE
    shown = rows[: UPRIGHT_ROWS if upright else ROWS]
    cells_by_column = [[markdown_text(name, LENGTH), *(cell(row[name]) for row in shown)] for name in names]
    if upright:
        heads, body = ["column", *(f"row {number}" for number in range(1, len(shown) + 1))], cells_by_column[:LINES]
    else:
        heads, *body = ([row[index] for row in cells_by_column] for index in range(len(shown) + 1))
    lines = _table(heads, body)
    shown_of_total = f"{len(shown)} of {total:,} rows" if total is not None and total > len(shown) else ""
    hidden = f"{len(names) - LINES} more columns" if upright and len(names) > LINES else ""
    note = "; ".join(part for part in (shown_of_total, hidden) if part)
    return "\n".join([*lines, *(["", f"*{note}*"] if note else [])]).strip() + "\n"


def listing(rows: Sequence[Mapping[str, Any]]) -> str:
    """Findings, a line each, with their texts whole: columns are those that any row has."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    body = [[cell(row.get(name), FINDING_LENGTH) for name in names] for row in rows[:LINES]]
    more = ["", f"*and {len(rows) - LINES:,} more*"] if len(rows) > LINES else []
    return "\n".join([*_table([markdown_text(name, LENGTH) for name in names], body), *more]).strip() + "\n"


def cell(value: Any, length: int = LENGTH) -> str:
    """A value of data: nothing as a dash, numbers short, bytes in hex, texts cut and stripped of meaning."""
    match value:
        case None:
            return "–"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:.6g}"
        case int():
            return str(value)
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S}".removesuffix(":00")
        case bytes():
            return f"0x{value[:20].hex()}" + ("…" if len(value) > 20 else "")
    return markdown_text(str(value), length)


def _table(heads: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(cells)} |" for cells in body]
    return ["", f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}", *lines] if lines else []
