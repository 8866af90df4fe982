"""Texts that DuckLake would change: `{SNAPSHOT_ID}` and a dozen other words that it fills in with values of its own.

It does so in the whole statement that it sends to its catalog. Small rows, and the least and greatest text of a file,
are part of that statement: `{DATA_PATH}` ends the commit, `{SNAPSHOT_ID}` hides the rows from a filter on it. A version
that no longer does is noticed by `ml_platform_tests/lake/test_upstream_ducklake.py`.
"""

from collections.abc import Iterator
from typing import Any

import polars as pl

from ml_platform.naming import FILLED_IN


def column_filled_in(frame: pl.DataFrame) -> str | None:
    """The first column in which a text, a name, or something nested holds such a word; None without any."""
    with_braces = _with_braces(frame)
    for column in frame:
        plain_text = column.dtype == pl.String and column.name not in with_braces
        texts = (leaf for leaf in leaves(column.alias("column")) if leaf.dtype == pl.String and not plain_text)
        if _name_is(column.name, column.dtype) or any(_holds(leaf) for leaf in texts):
            return column.name
    return None


def plain(frame: pl.DataFrame) -> pl.DataFrame:
    """`frame` with a blank after the brace of each such word: for texts that people read, and nothing compares."""
    texts = [name for name, kind in frame.schema.items() if kind == pl.String and _holds(frame[name].alias("column"))]
    pattern = FILLED_IN.pattern
    return frame.with_columns(pl.col(name).str.replace_all(pattern, "{ $1}") for name in texts) if texts else frame


def _with_braces(frame: pl.DataFrame) -> set[str]:
    """The columns of texts of which one has a brace, asked for all of them in one call."""
    numbered = {f"c{i}": column for i, column in enumerate(frame) if column.dtype == pl.String}
    braces = pl.DataFrame(numbered).select(pl.all().str.contains("{", literal=True).any())
    return {numbered[name].name for name in braces.columns if braces.item(0, name)} if numbered else set()


def _holds(texts: pl.Series) -> bool:
    braces = texts.filter(texts.str.contains("{", literal=True).fill_null(False))
    return bool(len(braces)) and bool(braces.str.contains(FILLED_IN.pattern).any())


def leaves(column: pl.Series) -> Iterator[pl.Series]:
    """The column, or where it is nested the columns of what is in it."""
    kind = column.dtype
    if isinstance(kind, pl.List):
        yield from leaves(column.explode())
    elif isinstance(kind, pl.Struct):
        for field in kind.fields:
            yield from leaves(column.struct.field(field.name).alias("column"))
    else:
        yield column


def _name_is(name: str, kind: Any) -> bool:
    if isinstance(kind, pl.List):
        return _name_is(name, kind.inner)
    inner = isinstance(kind, pl.Struct) and any(_name_is(field.name, field.dtype) for field in kind.fields)
    return inner or FILLED_IN.search(name) is not None
