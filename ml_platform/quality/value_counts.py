"""How often each value of a column comes, of columns whose distinct values do not fit into memory beside them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import polars as pl

_AT_ONCE = 1_000_000  # values that are counted together, or a few more
_HELD = 16_000_000  # texts that are held at once, of those that are read for them


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
    """The counts of a column without nulls. One that polars knows to be sorted costs no other sort.

    >>> value_counts(pl.Series([3, 1, 3]), 200).frequent.sort("value").rows()
    [(1, 1), (3, 2)]
    """
    return _gathered(_counted(values), len(values), levels)


def text_counts(parts: Callable[[], Iterable[pl.Series]], count: int, levels: int) -> ValueCounts:
    """The counts of the values in the parts of a column of texts, without nulls; `count`: how many values there are.

    >>> text_counts(lambda: [pl.Series(["a", None]), pl.Series(["b", "a"])], 3, 200).frequent.sort("value").rows()
    [('a', 2), ('b', 1)]
    """
    return _gathered(_counted_texts(parts, count), count, levels)


def _gathered(counted: Iterable[pl.DataFrame], count: int, levels: int) -> ValueCounts:
    distinct = most_common = 0
    kept: list[pl.DataFrame] = []
    for counts in counted:
        distinct += counts.height
        most_common = max(most_common, int(counts["n"].max() or 0))  # type: ignore[arg-type]  # a number
        kept.append(counts)
        if distinct > levels:
            kept = [part.filter(pl.col("n").cast(pl.UInt64) * levels >= count) for part in kept]
    return ValueCounts(distinct, most_common, pl.concat(kept))


def _counted(values: pl.Series) -> Iterator[pl.DataFrame]:
    """`value` and `n`, each value in one of the frames."""
    values = values.alias("value")
    kind = values.dtype
    if kind.is_integer() or kind.is_float() or kind.is_temporal():
        yield from _runs(values.sort())  # a third of what it costs to hash numbers that are all different
        return
    yield values.value_counts(name="n")


def _counted_texts(parts: Callable[[], Iterable[pl.Series]], count: int) -> Iterator[pl.DataFrame]:
    """`value` and `n`, each value in one of the frames. The parts are read once for every _HELD values."""
    buckets, turns = max(1, -(-count // _AT_ONCE)), max(1, -(-count // _HELD))
    for turn in range(turns):
        counted = []
        for part in parts():
            values = part.drop_nulls().alias("value")
            if turns > 1:
                values = values.filter(values.hash() % buckets % turns == turn)
            counted.append(values.value_counts(name="n"))  # few values that come often take no room then
        together = pl.concat(counted)
        several = len(counted) > 1
        del counted
        bucket = together["value"].hash() % buckets
        for number in range(turn, buckets, turns):
            mine = together.filter(bucket == number) if buckets > 1 else together
            yield mine.group_by("value").agg(pl.col("n").sum()) if several else mine


def _runs(ordered: pl.Series) -> Iterator[pl.DataFrame]:
    """The runs of equal values of a column in order, some at a time; at least one frame."""
    numbers, start = ordered.to_physical(), 0
    while True:
        end = start + _AT_ONCE
        if end < len(ordered):
            end = int(numbers.search_sorted(numbers[end - 1], side="right"))
        part = ordered.slice(start, end - start)
        begins = (part != part.shift(1)).fill_null(True).arg_true()
        ends = pl.concat([begins.slice(1), pl.Series([len(part)], dtype=begins.dtype)])
        yield pl.DataFrame({"value": part.gather(begins), "n": ends[: len(begins)] - begins})
        start = end
        if start >= len(ordered):
            return
