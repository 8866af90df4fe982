"""How often each value of a column comes, of columns whose distinct values do not fit into memory beside them."""

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

_AT_ONCE = 1_000_000  # values of other types than numbers and times that are counted together


@dataclass(frozen=True)
class ValueCounts:
    """distinct:    the number of distinct values.
    most_common: how often the most frequent one comes; 0 of no values.
    frequent:    `value` and `n`, how often it comes: all values of at most `levels`, else those that make up at least
                 one of `levels` parts of the column.
    """

    distinct: int
    most_common: int
    frequent: pl.DataFrame


def value_counts(values: pl.Series, levels: int) -> ValueCounts:
    """The counts of a column without nulls.

    >>> value_counts(pl.Series([3, 1, 3]), 200).frequent.sort("value").rows()
    [(1, 1), (3, 2)]
    """
    distinct = most_common = 0
    kept: list[pl.DataFrame] = []
    for counts in _counted(values):
        distinct += counts.height
        most_common = max(most_common, int(counts["n"].max() or 0))  # type: ignore[arg-type]  # a number
        kept.append(counts)
        if distinct > levels:
            kept = [part.filter(pl.col("n").cast(pl.UInt64) * levels >= len(values)) for part in kept]
    return ValueCounts(distinct, most_common, pl.concat(kept))


def _counted(values: pl.Series) -> Iterator[pl.DataFrame]:
    """`value` and `n`, each value in one of the frames."""
    values = values.alias("value")
    kind = values.dtype
    if kind.is_integer() or kind.is_float() or kind.is_temporal():
        ordered = values.sort()  # a third of what it costs to hash numbers that are all different
        begins = (ordered != ordered.shift(1)).fill_null(True).arg_true()
        ends = pl.concat([begins.slice(1), pl.Series([len(ordered)], dtype=begins.dtype)])
        yield pl.DataFrame({"value": ordered.gather(begins), "n": ends[: len(begins)] - begins})
        return
    buckets = -(-len(values) // _AT_ONCE)
    if buckets <= 1 or kind.is_decimal():
        yield values.value_counts(name="n")
        return
    bucket = values.hash() % buckets
    for number in range(buckets):
        yield values.filter(bucket == number).value_counts(name="n")
