"""Which raw columns move which columns of a table (S41): `clean` runs again with one raw column drawn anew.

Nothing is stored, and nothing that `clean` returns is judged by the contract.
"""

import hashlib
import io
from collections import OrderedDict
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
_FILES = 32  # that are remembered: most files of one version are in the sample of the next one, too


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


@dataclass(frozen=True)
class _FileMovements:
    """What moved in the rows of one file; as `Movements`."""

    movers: Mapping[str, frozenset[str]]
    unjudged: tuple[str, ...]
    sample: pl.DataFrame


# A table (kept, so that its id is of no other) and the digest of what it was given → what moved.
_remembered: OrderedDict[tuple[int, str], tuple[Table, _FileMovements | None]] = OrderedDict()


def movements(table: Table, files: Sequence[tuple[str, pl.DataFrame]], needs: Mapping[str, pl.DataFrame]) -> Movements:
    """Draw each raw column anew, with a fixed seed, and see what moves; the same rows of a file once a process.

    files: path and some raw rows of each, with `_row`. A column that `clean` refuses with values drawn from itself is
    shuffled instead. Files that `clean` refuses as they are show nothing.
    """
    moved: dict[str, set[str]] = {name: set() for name in table.columns}
    unjudged: dict[str, None] = {}
    samples = []
    for path, raw in files:
        seen = _of_file(table, path, raw, needs)
        if seen is None:
            continue
        samples.append(seen.sample)
        unjudged |= dict.fromkeys(seen.unjudged)
        for column, by in seen.movers.items():
            moved[column] |= by
    sample = pl.concat(samples) if samples else pl.DataFrame(schema=dict(table.columns))
    return Movements({name: frozenset(by) for name, by in moved.items()}, tuple(unjudged), sample)


def _of_file(table: Table, path: str, raw: pl.DataFrame, needs: Mapping[str, pl.DataFrame]) -> _FileMovements | None:
    """What moves in the rows of a file; None for one that `clean` refuses."""
    key = (id(table), _digest(path, raw, needs))
    if key not in _remembered:
        _remembered[key] = (table, _drawn(table, path, table.source.with_nulls(raw), needs))
        if len(_remembered) > _FILES:
            _remembered.popitem(last=False)
    return _remembered[key][1]


def _digest(path: str, raw: pl.DataFrame, needs: Mapping[str, pl.DataFrame]) -> str:
    """SHA-256 of all that decides what moves, but for the table."""
    digest = hashlib.sha256(path.encode())
    for name, frame in {"": raw, **needs}.items():
        digest.update(name.encode())
        stream = io.BytesIO()
        frame.write_ipc(stream)
        digest.update(stream.getbuffer())
    return digest.hexdigest()


def _drawn(table: Table, path: str, rows: pl.DataFrame, needs: Mapping[str, pl.DataFrame]) -> _FileMovements | None:
    """What moves in the rows of a file, in which nulls are nulls; None for one that `clean` refuses."""
    try:
        before = _cleaned(table, rows, path, needs)
        unsteady = _differing(table, before, _cleaned(table, rows, path, needs))  # of a `clean` that draws lots itself
    except FileRefused:
        return None
    sample, _ = cast(before, table.columns, table.time_zone)
    if table.clean is None:
        return _FileMovements({name: frozenset([name]) for name in table.columns}, (), sample)
    drawn = [name for name in rows.columns if name != ROW]
    moved: dict[str, set[str]] = {}
    unjudged = drawn[MOST_COLUMNS:]
    for name in drawn[:MOST_COLUMNS]:
        after = _anew(table, rows, name, path, needs)
        if after is None:
            unjudged.append(name)
            continue
        for column in _differing(table, before, after) - unsteady:
            moved.setdefault(column, set()).add(name)
    movers = {name: frozenset(by) for name, by in moved.items()}
    return _FileMovements(movers, tuple(unjudged), sample)


def _cleaned(table: Table, rows: pl.DataFrame, path: str, needs: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    cleaned = cleaned_rows(table, rows, path, needs)
    missing = [name for name in table.columns if name not in cleaned.columns]
    if missing:
        raise FileRefused(path, f"clean made no {', '.join(missing)}", remedy="Let clean make every column.")
    return cleaned.select(*table.columns, ROW)


def _anew(
    table: Table, rows: pl.DataFrame, name: str, path: str, needs: Mapping[str, pl.DataFrame]
) -> pl.DataFrame | None:
    """The rows with values of one column drawn with replacement, else shuffled; None when `clean` refuses both.

    Drawn, because a mean over all rows does not move when they are shuffled.
    """
    random = np.random.default_rng([SEED, *name.encode()])
    for order in (random.integers(0, rows.height, rows.height), random.permutation(rows.height)):
        try:
            return _cleaned(table, rows.with_columns(rows[name].gather(order)), path, needs)
        except FileRefused:
            continue
    return None


def _differing(table: Table, before: pl.DataFrame, after: pl.DataFrame) -> set[str]:
    """The columns with another value, in the contract's type, in some row that both have."""
    old, new = before[ROW], after[ROW]
    in_both = old.equals(new)
    suspects = {
        name: kind for name, kind in table.columns.items() if not (in_both and _same(before[name], after[name]))
    }
    then, now = (cast(one, suspects, table.time_zone)[0] for one in (before, after))
    if not in_both:  # both are in the order of `_row`
        then, now = then.filter(old.is_in(new.implode())), now.filter(new.is_in(old.implode()))
    return {name for name in suspects if _moved(then[name], now[name])}


def _same(before: pl.Series, after: pl.Series) -> bool:
    """Whether two columns are the same, so that no type could tell them apart: most draws move few columns."""
    return before.dtype == after.dtype and not before.dtype.is_float() and before.equals(after)


def _moved(before: pl.Series, after: pl.Series) -> bool:
    differs = before.ne_missing(after)
    if before.dtype.is_float():
        near = (before - after).abs() <= _NEARLY * (before.abs() + after.abs())
        differs = differs & ~near.fill_null(False)
    return bool(differs.any())
