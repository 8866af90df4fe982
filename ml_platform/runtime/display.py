"""Display values of a step: plots, previews and texts, stored as blobs and named by digest.

A value is then a `ShownBlob`, which keeps the blob as long as its record is the newest. Blobs keep the ledger small.
Display values are for people only, so no content key depends on them.
"""

from collections.abc import Callable
from importlib.util import find_spec

import polars as pl

from ml_platform.errors import first_line
from ml_platform.lake.data_files import PARTITION
from ml_platform.lake.pruning import rows_of
from ml_platform.lake.python_rows import python_rows
from ml_platform.lake.shown_blobs import ShownBlob
from ml_platform.naming import literal, quoted
from ml_platform.plots.markdown import ROWS, rows_table
from ml_platform.runtime.workspace import Workspace

UNDRAWN = "not drawn: matplotlib is missing; `pip install 'ml_platform[monitoring]'`"


def drawn(ws: Workspace, draw: Callable[[], bytes]) -> ShownBlob | str:
    """Store the plot that `draw` returns. Returns a message if it cannot be drawn."""
    svg = drawn_or_why_not(draw)
    return svg if isinstance(svg, str) else ShownBlob.picture(ws.blobs.put_bytes(svg))


def drawn_or_why_not(draw: Callable[[], bytes]) -> bytes | str:
    """The SVG that `draw` returns, or a message if it cannot be drawn."""
    if find_spec("matplotlib") is None:
        return UNDRAWN
    try:
        return draw()
    except (ValueError, ArithmeticError) as error:  # odd values, such as NaN: no step fails because of its plot
        return f"not drawn: {first_line(error)}"


def written(ws: Workspace, text: str) -> ShownBlob:
    """Store a Markdown text."""
    return ShownBlob.markdown(ws.blobs.put_bytes(text.encode()))


def previewed(ws: Workspace, first: pl.DataFrame, rows: int) -> ShownBlob:
    """Store the first of `rows` rows as Markdown."""
    return written(ws, rows_table(python_rows(first), rows))


def preview(ws: Workspace, table: str, *, rows: int, of: str, column: str = PARTITION) -> str:
    """The first of `rows` rows of a lake table (`schema.name`) where `column` equals `of`, as Markdown.

    Columns of the platform, which begin with `_`, are left out.
    """
    schema, _, name = table.partition(".")
    listed = [quoted(own) for own in ws.lake.columns(schema, name) if not own.startswith("_")]
    if not listed or not rows:
        return rows_table([])
    if column == PARTITION:
        chosen = rows_of(ws.lake, schema, name, of)
    else:
        chosen = f"{quoted(schema)}.{quoted(name)} WHERE {quoted(column)} = {literal(of)}"
    frame = ws.lake.frame(f"SELECT {', '.join(listed)} FROM {chosen} LIMIT {ROWS}")
    return rows_table(python_rows(frame), rows)
