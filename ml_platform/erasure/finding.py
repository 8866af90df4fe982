"""Which raw rows are of an entity: those whose key `clean` makes of them, and those that came with it as it is.

The second finds what the contract rejects, and rows that `clean` drops: they are in files and raw tables all the same.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

import polars as pl

from ml_platform.errors import FileRefused
from ml_platform.lake.connection import Lake
from ml_platform.sources import chunks
from ml_platform.sources.raw_columns import ROW, read_raw, read_raw_between
from ml_platform.spec.tables import Table
from ml_platform.state import files as file_records
from ml_platform.state.files import FileVersion
from ml_platform.state.stores import Stores
from ml_platform.validation.casting import cast
from ml_platform.validation.conversion import Purpose
from ml_platform.validation.conversions import convert
from ml_platform.validation.screening import rows_to_judge
from ml_platform.validation.screenings import needed_rows

_COMPARED = 1000  # rows, by which a raw column is taken for a key under another name


@dataclass(frozen=True)
class TableRows:
    """The rows of an entity in one table.

    rows:     id of the file version → numbers of its raw rows.
    made:     what `clean` makes of them: the columns of the table's key and of `wanted`, typed.
    unread:   paths of versions in which nobody can look, because `clean` refuses them and no column is named so.
    """

    rows: Mapping[str, list[int]]
    made: pl.DataFrame
    unread: list[str] = field(default_factory=list)


class Matcher:
    """Finds an entity's rows among raw rows of one table.

    keys:   typed values, one column for each of the table's columns that names the entity.
    wanted: columns of the table that are asked for of the rows that are found.
    """

    def __init__(self, lake: Lake, table: Table, keys: pl.DataFrame, wanted: Sequence[str]) -> None:
        self._table, self._keys = table, keys
        self.wanted = tuple(dict.fromkeys([*keys.columns, *table.key, *wanted]))
        self._needs = needed_rows(lake, table)

    def matches(self, raw: pl.DataFrame, path: str) -> tuple[set[int], pl.DataFrame] | None:
        """The numbers of the rows that are of the entity, and what `clean` makes of them; None where nobody can tell.

        raw: with `_row`.
        """
        try:
            cleaned = rows_to_judge(self._table, raw, path, self._needs)
        except FileRefused:
            named = self._named_so(raw, {name: [name.lower()] for name in self._keys.columns})
            return None if named is None else (named, self.nothing)
        types = {name: self._table.columns[name] for name in self.wanted}
        typed, _ = cast(cleaned, types, self._table.time_zone, self._table.key)
        typed = typed.cast({name: self._table.stored_columns[name] for name in self.wanted})
        rows = typed.with_columns(cleaned[ROW])
        mine = rows.join(self._keys, on=self._keys.columns, how="semi")
        named = self._named_so(raw, {name: self._names(raw, rows, name) for name in self._keys.columns})
        return set(mine[ROW].to_list()) | (named or set()), mine.drop(ROW)

    @property
    def nothing(self) -> pl.DataFrame:
        """No rows, with the wanted columns."""
        return pl.DataFrame(schema={name: self._table.stored_columns[name] for name in self.wanted})

    def _names(self, raw: pl.DataFrame, rows: pl.DataFrame, name: str) -> list[str]:
        """Raw columns that hold a key: of its name, or with its values in every row that `clean` returned."""
        some = rows.filter(pl.col(name).is_not_null()).head(_COMPARED)
        alike = []
        for own in raw.columns if some.height else ():
            beside = some.select(ROW, name).join(raw.select(ROW, pl.col(own).alias("raw")), on=ROW, how="left")
            if own != ROW and self._typed(beside["raw"], name).equals(beside[name].alias("raw")):
                alike.append(own.lower())
        return [name.lower(), *alike]

    def _named_so(self, raw: pl.DataFrame, names: Mapping[str, Sequence[str]]) -> set[int] | None:
        """The rows that have the values in raw columns of these names; None where a key has no such column."""
        spelled = {name.lower(): name for name in raw.columns}
        columns = {
            key: [spelled[name] for name in dict.fromkeys(of_key) if name in spelled] for key, of_key in names.items()
        }
        if not all(columns.values()):
            return None
        matching = set[int]()
        for chosen in product(*columns.values()):
            typed = [self._typed(raw[own], key).alias(key) for own, key in zip(chosen, columns, strict=True)]
            rows = pl.DataFrame([*typed, raw[ROW]]).join(self._keys, on=self._keys.columns, how="semi")
            matching |= set(rows[ROW].to_list())
        return matching

    def _typed(self, values: pl.Series, name: str) -> pl.Series:
        typed = convert(values, self._table.columns[name], Purpose(self._table.time_zone, identifier=True)).values
        return typed.cast(self._table.stored_columns[name])


def rows_of(
    stores: Stores, table: Table, keys: pl.DataFrame, wanted: Sequence[str], on_file: Callable[[str], None]
) -> TableRows:
    """The entity's rows in the raw table, of every version of every file, also of those that were replaced."""
    matcher = Matcher(stores.lake, table, keys, wanted)
    rows: dict[str, list[int]] = {}
    frames, unread = [matcher.nothing], []
    if stores.lake.columns("raw", table.name):
        for version in file_records.versions(stores.state, table.name):
            if not version.rows:
                continue
            on_file(version.path)
            numbers: set[int] = set()
            for raw in _raw(stores.lake, table, version):
                matched = matcher.matches(raw, version.path)
                if matched is None:
                    unread.append(version.path)
                    break
                numbers |= matched[0]
                frames.append(matched[1])
            if numbers:
                rows[version.file_id] = sorted(numbers)
    return TableRows(rows, pl.concat(frames).unique(maintain_order=True), unread)


def _raw(lake: Lake, table: Table, version: FileVersion) -> Iterator[pl.DataFrame]:
    """The rows of a version, in frames where `clean` may see them in parts: it works row by row."""
    if version.rows <= chunks.ROWS:
        yield read_raw(lake, table.name, version.file_id, version.columns)
        return
    last = lake.value(f'SELECT max(_row) FROM raw."{table.name}" WHERE _file = ?', [version.file_id])
    for first in range(0, int(last or 0) + 1, chunks.ROWS):
        yield read_raw_between(lake, table.name, version.file_id, version.columns, first, first + chunks.ROWS)
