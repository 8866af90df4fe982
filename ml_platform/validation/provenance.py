"""Which raw columns move which columns of a table (S41): `clean` runs again with one raw column drawn anew.

Nothing is stored, and nothing that `clean` returns is judged by the contract.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from ml_platform.errors import FileRefused
from ml_platform.sources.raw_columns import ROW
from ml_platform.spec.tables import Table
from ml_platform.validation.casting import cast
from ml_platform.validation.screening import cleaned_rows

SEED = 41
MOST_COLUMNS = 300  # raw columns that are drawn anew; each costs one run of `clean`
_NEARLY = 1e-9  # relative: numbers that differ by less did not move


@dataclass(frozen=True)
class Movements:
    """What moved in a sample of raw rows.

    movers:   column of the table → the raw columns that move it.
    unjudged: raw columns whose other values `clean` refuses, and those beyond MOST_COLUMNS.
    sample:   the rows as `clean` makes them, in the contract's types.
    """

    movers: Mapping[str, frozenset[str]]
    unjudged: tuple[str, ...]
    sample: pl.DataFrame

    def of(self, *columns: str) -> frozenset[str]:
        """The raw columns that move any of these."""
        return frozenset[str]().union(*(self.movers.get(column, frozenset()) for column in columns))


def movements(table: Table, files: Sequence[tuple[str, pl.DataFrame]], needs: Mapping[str, pl.DataFrame]) -> Movements:
    """Draw each raw column anew, with a fixed seed, and see what moves.

    files: path and some raw rows of each, with `_row`. A column that `clean` refuses with values drawn from itself is
    shuffled instead. Files that `clean` refuses as they are show nothing.
    """
    moved: dict[str, set[str]] = {name: set() for name in table.columns}
    unjudged: dict[str, None] = {}
    samples = []
    for path, raw in files:
        try:
            before = _values(table, raw, path, needs)
            unsteady = _differing(before, _values(table, raw, path, needs))  # of a `clean` that draws lots itself
        except FileRefused:
            continue
        samples.append(before.drop(ROW))
        drawn = [name for name in raw.columns if name != ROW]
        if table.clean is None:
            for name in table.columns:
                moved[name].add(name)
            continue
        unjudged |= dict.fromkeys(drawn[MOST_COLUMNS:])
        for name in drawn[:MOST_COLUMNS]:
            after = _anew(table, raw, name, path, needs)
            if after is None:
                unjudged[name] = None
                continue
            for column in _differing(before, after) - unsteady:
                moved[column].add(name)
    sample = pl.concat(samples) if samples else pl.DataFrame(schema=dict(table.columns))
    return Movements({name: frozenset(by) for name, by in moved.items()}, tuple(unjudged), sample)


def _values(table: Table, raw: pl.DataFrame, path: str, needs: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    cleaned = cleaned_rows(table, table.source.with_nulls(raw), path, needs)
    missing = [name for name in table.columns if name not in cleaned.columns]
    if missing:
        raise FileRefused(path, f"clean made no {', '.join(missing)}", remedy="Let clean make every column.")
    values, _ = cast(cleaned, table.columns, table.time_zone)
    return values.with_columns(cleaned[ROW])


def _anew(
    table: Table, raw: pl.DataFrame, name: str, path: str, needs: Mapping[str, pl.DataFrame]
) -> pl.DataFrame | None:
    """The rows with values of one column drawn with replacement, else shuffled; None when `clean` refuses both.

    Drawn, because a mean over all rows does not move when they are shuffled.
    """
    random = np.random.default_rng([SEED, *name.encode()])
    for order in (random.integers(0, raw.height, raw.height), random.permutation(raw.height)):
        try:
            return _values(table, raw.with_columns(raw[name].gather(order)), path, needs)
        except FileRefused:
            continue
    return None


def _differing(before: pl.DataFrame, after: pl.DataFrame) -> set[str]:
    """The columns with another value in some row that both have."""
    both = before.join(after, on=ROW, how="inner", suffix=" after")
    names = [name for name in before.columns if name != ROW]
    return {name for name in names if _moved(both[name], both[f"{name} after"])}


def _moved(before: pl.Series, after: pl.Series) -> bool:
    differs = before.ne_missing(after)
    if before.dtype.is_float():
        near = (before - after).abs() <= _NEARLY * (before.abs() + after.abs())
        differs = differs & ~near.fill_null(False)
    return bool(differs.any())
