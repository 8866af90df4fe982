"""Reading one landed file: CSV as text, NDJSON, JSON and Parquet with their types."""

import codecs
import csv
import json
import math
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import polars as pl

from ml_platform.errors import FileRefused, first_line
from ml_platform.naming import literal
from ml_platform.sources.column_names import check_names
from ml_platform.sources.unpacking import LONGEST_LINE, check_text, in_utf8, unpacked
from ml_platform.spec.sources import Files

if TYPE_CHECKING:
    import pyarrow as pa

_AGAIN = "Mend the file and land it again; the other files go on."


def read(file: Path, path: str, source: Files) -> pl.DataFrame:
    """The rows of `file` in their order. CSV columns are text, unquoted and otherwise as they came.

    `path` is what messages call the file. Raises FileRefused for whatever cannot be read whole.
    """
    try:
        with unpacked(file, path) as packed, in_utf8(packed, path, source.encoding) as plain:
            if plain.stat().st_size == 0:
                raise FileRefused(path, "the file is empty", remedy="Land it with at least a header, or remove it.")
            if source.row_format == "parquet":
                return _read_parquet(plain, path)
            if source.row_format == "json":
                check_text(plain, path, longest_line=math.inf)  # an array may stand on one line
                return _read_json(plain, path)
            check_text(plain, path)
            if source.row_format == "ndjson":
                return _read_ndjson(plain, path)
            return _read_csv(plain, path, source.separator)
    except OSError as error:
        raise FileRefused(path, f"it cannot be opened: {error.strerror}", remedy="Make it readable.") from None


def _read_csv(plain: Path, path: str, separator: str) -> pl.DataFrame:
    names = header(plain, path, separator)
    try:
        frame = _reader().cursor().execute(csv_sql(plain, separator, len(names))).pl()
    except duckdb.Error:
        frame = _read_csv_slowly(plain, path, separator, len(names))
    frame.columns = names
    return frame


def csv_sql(plain: Path, separator: str, width: int) -> str:
    """The query that reads a plain CSV of `width` columns as text, named c0, c1, …; it fails on a broken line."""
    kinds = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(width))
    listed = ", ".join(f"'c{i}'" for i in range(width))
    return (
        f"SELECT * FROM read_csv({literal(str(plain))}, auto_detect=false, header=true, columns={{{kinds}}}, "
        f"delim={literal(separator)}, quote='\"', escape='\"', strict_mode=true, force_not_null=[{listed}], "
        f"max_line_size={LONGEST_LINE}, buffer_size={4 * LONGEST_LINE})"
    )


@cache
def _reader() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"autoinstall_known_extensions": False, "autoload_known_extensions": False})


def header(plain: Path, path: str, separator: str) -> list[str]:
    """The column names of a plain CSV. Raises FileRefused for a broken first line and for names that come twice."""
    with plain.open(encoding="utf-8-sig", newline="") as stream:
        try:
            cells = next(csv.reader(stream, delimiter=separator, strict=True))
        except (csv.Error, StopIteration) as error:
            raise FileRefused(path, f"the header cannot be read: {error}", position="line 1", remedy=_AGAIN) from None
    names = [cell or f"unnamed_{i}" for i, cell in enumerate(cells, 1)]
    check_names(names, path, "line 1")
    return names


def _read_csv_slowly(plain: Path, path: str, separator: str, width: int) -> pl.DataFrame:
    """What the fast reader would not read: mixed line ends are read, the first broken line is named."""
    columns: list[list[str]] = [[] for _ in range(width)]
    csv.field_size_limit(LONGEST_LINE)
    with plain.open(encoding="utf-8-sig", newline="") as stream:
        rows = csv.reader(stream, delimiter=separator, strict=True)
        first = 1
        try:
            next(rows)
            while True:
                first = rows.line_num + 1
                row = next(rows)
                if not row and width > 1:
                    continue
                if len(row) != width and row:
                    raise FileRefused(
                        path,
                        f"{len(row)} cells where the header has {width}",
                        position=f"line {first:,}",
                        remedy=_AGAIN,
                    )
                for column, cell in zip(columns, row or [""], strict=True):
                    column.append(cell)
        except StopIteration:
            pass
        except csv.Error as error:
            raise FileRefused(path, _in_words(str(error)), position=f"line {first:,}", remedy=_AGAIN) from None
    return pl.DataFrame({f"c{i}": pl.Series(column, dtype=pl.String) for i, column in enumerate(columns)})


def _in_words(error: str) -> str:
    if "unexpected end of data" in error:
        return "a quote is opened and never closed"
    if "field larger" in error:
        return f"a cell is longer than {LONGEST_LINE:,} bytes"
    return f"not well-formed CSV: {error}"


def _read_parquet(plain: Path, path: str) -> pl.DataFrame:
    with plain.open("rb") as stream:
        start = stream.read(4)
        stream.seek(-min(4, plain.stat().st_size), 2)
        end = stream.read(4)
    if start != b"PAR1":
        raise FileRefused(path, "not a Parquet file", position="byte 0", remedy=_AGAIN)
    if end != b"PAR1":
        raise FileRefused(
            path, "the Parquet file is truncated", position=f"byte {plain.stat().st_size:,}", remedy=_AGAIN
        )
    _refuse_wide_decimals(plain, path)
    try:
        frame = pl.read_parquet(plain, hive_partitioning=False, glob=False)
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise FileRefused(path, f"the Parquet file cannot be read: {first_line(error)}", remedy=_AGAIN) from None
    return frame


def _refuse_wide_decimals(plain: Path, path: str) -> None:
    """Raise FileRefused when columns hold numbers of more than 38 digits, nested ones too: the lake has none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(plain)
    except (pa.ArrowException, OSError):
        return  # it is damaged, as the reader says
    wide = [field.name for field in schema if _holds_wide_decimals(field.type)]
    if wide:
        raise FileRefused(
            path,
            "numbers of more than 38 digits cannot be stored",
            position=", ".join(map(repr, wide[:5])),
            remedy="Write these columns as text, or with at most 38 digits.",
        )


def _holds_wide_decimals(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    if pa.types.is_nested(kind):
        return any(_holds_wide_decimals(kind.field(i).type) for i in range(kind.num_fields))
    return bool(pa.types.is_decimal256(kind) and kind.precision > 38)


def _read_ndjson(plain: Path, path: str) -> pl.DataFrame:
    with plain.open("rb") as stream:
        marked = stream.read(3) == codecs.BOM_UTF8
    try:
        return pl.read_ndjson(plain.read_bytes()[3:] if marked else plain, infer_schema_length=None)
    except (pl.exceptions.PolarsError, ValueError) as error:
        _name_the_line(plain, path)
        raise FileRefused(
            path,
            f"the objects do not fit one table: {first_line(error)}",
            remedy="Give each field one type in all lines.",
        ) from None


def _read_json(plain: Path, path: str) -> pl.DataFrame:
    """An array of objects, or one object a line."""
    with plain.open("rb") as stream:
        start = stream.read(4096)
    marked = start.startswith(codecs.BOM_UTF8)
    if not start.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"["):
        return _read_lines_or_say_why(plain, path)
    try:
        return pl.read_json(plain.read_bytes()[3:] if marked else plain, infer_schema_length=None)
    except (pl.exceptions.PolarsError, ValueError) as error:
        _check_array(plain, path)
        raise FileRefused(
            path,
            f"the objects do not fit one table: {first_line(error)}",
            remedy="Give each field one type in all objects.",
        ) from None


def _read_lines_or_say_why(plain: Path, path: str) -> pl.DataFrame:
    """One object a line; a single object that holds an array of objects is refused, wherever its lines end."""
    try:
        frame = _read_ndjson(plain, path)
    except FileRefused:
        try:
            whole = json.loads(plain.read_text(encoding="utf-8-sig"))
        except ValueError:
            whole = None
        if not isinstance(whole, dict):
            raise
        arrays = [name for name, value in whole.items() if isinstance(value, list)]
    else:
        arrays = [name for name, kind in frame.schema.items() if _of_objects(kind)]
        if frame.height != 1 or not arrays:
            return frame
    rows = json.dumps(arrays[0] if arrays else "rows", ensure_ascii=False)
    raise FileRefused(
        path,
        "it is one JSON object, and no array of objects",
        position="byte 0",
        remedy=f"Take the array out of it, as with jq '.[{rows}]'.",
    )


def _of_objects(kind: pl.DataType) -> bool:
    return isinstance(kind, pl.List) and isinstance(kind.inner, pl.Struct)


def _check_array(plain: Path, path: str) -> None:
    """Raise FileRefused for what is no JSON, and for the first item that is no object."""
    try:
        items = json.loads(plain.read_text(encoding="utf-8-sig"), parse_constant=_no_constant)
    except ValueError as error:
        raise FileRefused(path, f"not JSON: {error}", remedy=_AGAIN) from None
    for number, item in enumerate(items, 1):
        if not isinstance(item, dict):
            raise FileRefused(
                path,
                f"a {type(item).__name__} where an object should be",
                position=f"item {number:,} of the array",
                remedy=_AGAIN,
            )


def _name_the_line(plain: Path, path: str) -> None:
    """Raise FileRefused for the first line that is not a JSON object."""
    with plain.open(encoding="utf-8-sig") as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                value = json.loads(line, parse_constant=_no_constant)
            except ValueError as error:
                raise FileRefused(path, f"not JSON: {error}", position=f"line {number:,}", remedy=_AGAIN) from None
            if not isinstance(value, dict):
                raise FileRefused(
                    path,
                    f"a {type(value).__name__} where an object should be",
                    position=f"line {number:,}",
                    remedy=_AGAIN,
                )


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")
