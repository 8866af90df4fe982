"""The one table of conversions: from every family of types to every other, or refused.

Each conversion keeps the value: cast back, it is the same. What it would change is null, and named by the rule
under which it failed: "dtype" (there is no such value), "exact" (the type cannot hold it exactly), "double" (a double
that stands for several whole numbers), "fraction" (an identifier that is not whole), "zero" (a text with U+0000, which
no filter of the lake can name), and those of times.
"""

import polars as pl

from ml_platform.validation import calendar_values as calendar
from ml_platform.validation import numbers
from ml_platform.validation.conversion import Converted, Purpose, blank, nothing, refused


def convert(column: pl.Series, kind: pl.DataType, purpose: Purpose = Purpose()) -> Converted:  # noqa: B008  # frozen
    """`column` in the type `kind`.

    >>> convert(pl.Series(["2.0", "1.5"]), pl.Int64()).values.to_list()
    [2, None]
    """
    converted = _converted(column, kind, purpose)
    return _without_zeros(converted) if kind in (pl.String, pl.Categorical, pl.Enum) else converted


def _without_zeros(converted: Converted) -> Converted:
    """Texts without those that hold U+0000."""
    zeros = converted.values.cast(pl.String).str.contains("\0", literal=True).fill_null(False)
    if not zeros.any():
        return converted
    return Converted(blank(converted.values, zeros), {**converted.failed, "zero": zeros})


def _converted(column: pl.Series, kind: pl.DataType, purpose: Purpose) -> Converted:
    if column.dtype == kind:
        return Converted(column)
    if column.dtype in (pl.Categorical, pl.Enum):
        return convert(column.cast(pl.String), kind, purpose)
    if isinstance(column.dtype, pl.Map):
        entry = pl.Struct({"key": column.dtype.key, "value": column.dtype.value})
        return convert(column.cast(pl.List(entry)), kind, purpose)
    if column.dtype == pl.Null:
        return Converted(nothing(column, kind))
    if kind in (pl.Categorical, pl.Enum):
        text = convert(column, pl.String(), purpose)
        values = text.values.cast(kind, strict=False)
        unknown = text.values.is_not_null() & values.is_null()
        return Converted(values, {**text.failed, "dtype": text.failed.get("dtype", unknown) | unknown})
    conversion = _TABLE.get((family(column.dtype), family(kind)))
    if conversion is None:
        return refused(column, kind)
    converted = conversion(column, kind, purpose)
    return Converted(converted.values.alias(column.name), converted.failed)


def family(kind: pl.DataType) -> str:
    """The family of a type: its members convert alike."""
    if kind.is_integer():
        return "integer"
    if kind.is_float():
        return "float"
    if isinstance(kind, pl.List | pl.Array):
        return "list"
    return str(kind.base_type()).lower()


def _text_to_bytes(column: pl.Series, kind: pl.DataType, _: Purpose) -> Converted:
    return Converted(column.cast(pl.Binary))


def _bytes_to_text(column: pl.Series, kind: pl.DataType, _: Purpose) -> Converted:
    try:
        return Converted(column.cast(pl.String))
    except pl.exceptions.ComputeError:  # some cells are no UTF-8, and polars names no cell
        values = pl.Series(column.name, [_decoded(cell) for cell in column], dtype=pl.String)
        return Converted(values, {"dtype": column.is_not_null() & values.is_null()})


def _decoded(cell: bytes | None) -> str | None:
    try:
        return None if cell is None else cell.decode()
    except UnicodeDecodeError:
        return None


def _lists(column: pl.Series, kind: pl.DataType, purpose: Purpose) -> Converted:
    """Item by item; a list with one item that cannot be kept, or of another length than an array's, is refused."""
    inner = kind.inner  # type: ignore[attr-defined]  # the table gives lists and arrays only
    items = column.arr.to_list() if isinstance(column.dtype, pl.Array) else column
    lengths = items.list.len()
    wrong = pl.Series([False]).new_from_index(0, len(column))
    if isinstance(kind, pl.Array):
        wrong = (lengths != kind.size).fill_null(False)
    numbered = pl.DataFrame({"list": pl.Series(range(len(column)), dtype=pl.Int64), "item": items})
    flat = numbered.filter((lengths > 0).fill_null(False)).explode("item")
    converted = convert(flat["item"], inner, purpose)
    rebuilt = (
        flat.select("list")
        .with_columns(converted.values.alias("item"))
        .group_by("list", maintain_order=True)
        .agg(pl.col("item"))
    )
    joined = numbered.select("list").join(rebuilt, on="list", how="left", maintain_order="left")["item"]
    none = pl.Series([[]], dtype=pl.List(inner)).new_from_index(0, len(column))
    values = joined.zip_with((lengths != 0).fill_null(True), none)
    failed = {"dtype": wrong}
    for rule, where in converted.failed.items():
        rows = numbered["list"].is_in(flat["list"].filter(where).implode())
        failed[rule] = failed[rule] | rows if rule in failed else rows
    lost = pl.select(pl.any_horizontal(*failed.values())).to_series()
    values = blank(values, lost)
    return Converted(values.cast(kind) if isinstance(kind, pl.Array) else values, failed)


def _structs(column: pl.Series, kind: pl.DataType, purpose: Purpose) -> Converted:
    """Field by field; a field that the type lacks may only be null."""
    assert isinstance(kind, pl.Struct)
    wanted = {field.name: field.dtype for field in kind.fields}
    given = column.struct.unnest()
    failed: dict[str, pl.Series] = {}
    fields = []
    for name, inner in wanted.items():
        one = given[name] if name in given.columns else pl.Series(name, [None] * len(column))
        converted = convert(one, inner, purpose)  # type: ignore[arg-type]  # an instance, in a declared contract
        fields.append(converted.values.alias(name))
        for rule, where in converted.failed.items():
            failed[rule] = failed[rule] | where if rule in failed else where
    for name in given.columns:
        if name not in wanted:
            more = given[name].is_not_null()
            failed["exact"] = failed["exact"] | more if "exact" in failed else more
    values = pl.DataFrame(fields).to_struct(column.name)
    lost = pl.select(pl.any_horizontal(column.is_null(), *failed.values())).to_series()
    return Converted(blank(values, lost), failed)


_TABLE: dict[tuple[str, str], numbers.Conversion] = {
    ("string", "integer"): numbers.text_to_integer,
    ("string", "float"): numbers.text_to_float,
    ("string", "decimal"): numbers.text_to_decimal,
    ("string", "boolean"): numbers.text_to_boolean,
    ("string", "date"): calendar.text_to_date,
    ("string", "datetime"): calendar.to_moment,
    ("string", "time"): calendar.text_to_time,
    ("string", "duration"): calendar.text_to_duration,
    ("string", "binary"): _text_to_bytes,
    ("integer", "integer"): numbers.integer_to_integer,
    ("integer", "float"): numbers.integer_to_float,
    ("integer", "decimal"): numbers.integer_to_decimal,
    ("integer", "boolean"): numbers.number_to_boolean,
    ("integer", "string"): numbers.integer_to_text,
    ("float", "integer"): numbers.float_to_integer,
    ("float", "float"): numbers.float_to_float,
    ("float", "decimal"): numbers.float_to_decimal,
    ("float", "boolean"): numbers.number_to_boolean,
    ("float", "string"): numbers.float_to_text,
    ("decimal", "integer"): numbers.decimal_to_integer,
    ("decimal", "float"): numbers.decimal_to_float,
    ("decimal", "decimal"): numbers.decimal_to_decimal,
    ("decimal", "boolean"): numbers.number_to_boolean,
    ("decimal", "string"): numbers.decimal_to_text,
    ("boolean", "integer"): numbers.boolean_to_number,
    ("boolean", "float"): numbers.boolean_to_number,
    ("boolean", "decimal"): numbers.boolean_to_number,
    ("boolean", "string"): numbers.integer_to_text,
    ("date", "datetime"): calendar.to_moment,
    ("date", "string"): calendar.to_text,
    ("datetime", "datetime"): calendar.to_moment,
    ("datetime", "date"): calendar.moment_to_date,
    ("datetime", "string"): calendar.to_text,
    ("time", "string"): calendar.to_text,
    ("duration", "duration"): calendar.duration_to_duration,
    ("duration", "string"): calendar.to_text,
    ("binary", "string"): _bytes_to_text,
    ("list", "list"): _lists,
    ("struct", "struct"): _structs,
}
