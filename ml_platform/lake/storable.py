"""Frames in the types that the lake keeps: every type of polars in a stated form, whatever is nested in it.

| type in the file | form in the lake |
|---|---|
| Datetime in ms or ns, Time | in microseconds; digits beyond are cut |
| Categorical, Enum | text |
| Int128, UInt128 | text: its digits |
| Float16 | Float32 |
| Duration | text in ISO 8601: `P1DT2H` |
| Array | List |
| Map | List of Structs with `key` and `value` |
| Struct without fields, with fields of one name, or with a Duration or object in it | text: JSON |
| Null in a List or Struct | text, all null |
| extension types | their storage type |
| objects | text |
"""

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    import pyarrow as pa  # 0.1 s, which commands that only read do not need


def storable(frame: pl.DataFrame) -> pl.DataFrame:
    """`frame` with types that the lake keeps, as the module says.

    >>> storable(pl.DataFrame({"x": pl.Series([[1, 2]], dtype=pl.Array(pl.Int8, 2))}))["x"].dtype
    List(Int8)
    """
    changed = [
        _stored(column.alias("column")).alias(column.name)  # polars reads a name such as "*" as a pattern
        for column in frame
        if column.dtype != pl.Null and _form(column.dtype) != column.dtype
    ]
    return frame.with_columns(changed) if changed else frame


def to_arrow(frame: pl.DataFrame) -> "pa.Table":
    """`frame` as an Arrow table that DuckLake can write: times of day in microseconds, also where they are nested."""
    import pyarrow as pa

    table = frame.to_arrow()
    fields = [pa.field(field.name, _in_microseconds(field.type)) for field in table.schema]
    schema = pa.schema(fields)
    if schema.types == table.schema.types:
        return table
    columns = [
        column if column.type == field.type else column.cast(field.type, safe=False)
        for column, field in zip(table.columns, fields, strict=True)
    ]
    return pa.table(columns, schema=schema)


def _in_microseconds(kind: "pa.DataType") -> "pa.DataType":
    import pyarrow as pa

    if pa.types.is_time(kind):
        return pa.time64("us")
    if pa.types.is_large_list(kind):
        return pa.large_list(_in_microseconds(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(field.name, _in_microseconds(field.type)) for field in kind])
    return kind


def _stored(column: pl.Series) -> pl.Series:
    form = _form(column.dtype)
    if isinstance(column.dtype, pl.BaseExtension):
        column = column.ext.storage()
        return _stored(column) if _form(column.dtype) != column.dtype else column
    if isinstance(column.dtype, pl.Duration):
        return column.dt.to_string("iso")
    if column.dtype == pl.Object:
        return pl.Series(column.name, [None if v is None else str(v) for v in column], dtype=pl.String)
    if form == pl.String and column.dtype.is_nested():
        return pl.Series(column.name, [_json(value) for value in column], dtype=pl.String)
    return column.cast(form)


def _form(kind: pl.DataType) -> pl.DataType:
    """The type in which the lake keeps `kind`; text for what has no other form."""
    if isinstance(kind, pl.BaseExtension):
        return _form(kind.ext_storage())  # type: ignore[arg-type]  # an instance, in a frame
    if isinstance(kind, pl.Datetime):
        return pl.Datetime("us", kind.time_zone)
    if kind == pl.Float16:
        return pl.Float32()
    if isinstance(kind, pl.Map):
        return _form(pl.List(pl.Struct({"key": kind.key, "value": kind.value})))
    if isinstance(kind, pl.List | pl.Array):
        inner = kind.inner
        deeper = isinstance(kind, pl.Array) and len(kind.shape) > 1
        inner = pl.Array(inner, kind.shape[1:]) if deeper and not isinstance(inner, pl.Array) else inner  # type: ignore[union-attr]  # an array, then
        item = _nested_form(inner)  # type: ignore[arg-type]  # an instance, in a frame
        return pl.String() if item is None else pl.List(item)
    if isinstance(kind, pl.Struct):
        forms = {field.name: _nested_form(field.dtype) for field in kind.fields}  # type: ignore[arg-type]  # as above
        names = {name.lower() for name in forms}
        if not forms or len(names) < len(kind.fields) or "" in names or None in forms.values():
            return pl.String()
        return pl.Struct(forms)  # type: ignore[arg-type]  # None is excluded above
    if kind in (pl.Categorical, pl.Enum, pl.Int128, pl.UInt128, pl.Duration, pl.Object, pl.Unknown):
        return pl.String()
    return kind


def _nested_form(kind: pl.DataType) -> pl.DataType | None:
    """The form of what is nested; None where a cast does not give it, so that the whole becomes JSON."""
    if kind == pl.Null:
        return pl.String()
    form = _form(kind)
    plain = not kind.is_nested() and kind not in (pl.Duration, pl.Object, pl.Unknown)
    castable = plain and not isinstance(kind, pl.BaseExtension)
    return form if castable or (kind.is_nested() and form != pl.String) else None


def _json(value: Any) -> str | None:
    if value is None:
        return None
    plain = value.to_list() if isinstance(value, pl.Series) else value
    return json.dumps(plain, default=_as_text, ensure_ascii=False)


def _as_text(value: Any) -> str:
    if isinstance(value, timedelta):
        return str(pl.Series([value]).dt.to_string("iso")[0])
    return value.hex() if isinstance(value, bytes) else str(value)
