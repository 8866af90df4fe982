"""Examples from an Arrow IPC stream: the columns of a request, with the rules of `request_model` for each value."""

import io
from dataclasses import dataclass
from datetime import UTC, date, datetime

import polars as pl

from ml_platform.errors import first_line
from ml_platform.features.definition import FeatureDefinition
from ml_platform.serving.rest import arrow_stream
from ml_platform.spec.durations import since_epoch

MAX_ROWS = 100_000
_NAMED = 10  # wrong fields in a refusal
# Numbers of Schema.fbs: Null, Int, FloatingPoint, Utf8, Bool, Decimal, Date, Timestamp, LargeUtf8, Utf8View.
_KINDS = frozenset({1, 2, 3, 5, 6, 7, 8, 10, 20, 24})
_WHOLE = 2**53  # from here on a double may stand for several whole numbers
_FIRST, _LAST = (since_epoch(moment) for moment in (datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)))
_PER_SECOND = {"ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


@dataclass(frozen=True)
class WrongValue:
    """A field such as `rows.17.distance` or `distance`, and what is wrong with it."""

    field: str
    reason: str


class RowsRefused(ValueError):
    """Rows that are not valid.

    `wrong` are the first of `count` wrong fields; without any, the text says what is wrong.
    """

    def __init__(self, text: str, wrong: list[WrongValue] | None = None) -> None:
        super().__init__(text)
        self.wrong, self.count = (wrong or [])[:_NAMED], len(wrong or [])


def rows_of(data: bytes, definition: FeatureDefinition) -> pl.DataFrame:
    """The examples of a stream: the columns of `definition.row_schema`, of its types.

    Raises RowsRefused for a stream that is damaged, has other columns, or holds what a column cannot hold unchanged.
    """
    try:
        stream = arrow_stream.checked(data)
    except arrow_stream.StreamRefused as error:
        raise RowsRefused(str(error)) from None
    _check_columns(stream, definition)
    try:
        frame = pl.read_ipc_stream(io.BytesIO(data)).rechunk()
        text = sum(int(texts.str.len_bytes().sum()) for texts in frame.select(pl.col(pl.String)).get_columns())
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError, OSError) as error:
        raise RowsRefused(f"The stream cannot be read: {first_line(error)[:200]}.") from None
    if frame.height != stream.rows:
        raise RowsRefused("The stream is damaged.")
    if text > len(data):  # views may name the same bytes again and again
        raise RowsRefused("The texts of the stream are longer than the stream.")
    return _typed(frame, definition)


def _check_columns(stream: arrow_stream.Stream, definition: FeatureDefinition) -> None:
    names = [column.name for column in stream.columns]
    wrong = [WrongValue(name, "There is no such field") for name in names if name not in definition.row_schema]
    wrong += [WrongValue(name, "Field required") for name in definition.row_schema if name not in names]
    wrong += [WrongValue(name, "The column is there twice") for name in sorted(set(names)) if names.count(name) > 1]
    wrong += [
        WrongValue(column.name, _expected(definition.row_schema[column.name]))
        for column in stream.columns
        if column.name in definition.row_schema and column.kind not in _KINDS
    ]
    if wrong:
        raise RowsRefused("", wrong)
    if not 1 <= stream.rows <= MAX_ROWS:
        raise RowsRefused("", [WrongValue("rows", f"There should be 1 to {MAX_ROWS:,}; there are {stream.rows:,}")])


def _typed(frame: pl.DataFrame, definition: FeatureDefinition) -> pl.DataFrame:
    required = {*definition.keys, definition.at}
    columns, wrong = {}, list[WrongValue]()
    for name, dtype in definition.row_schema.items():
        given = frame[name]
        typed, fits = _columns_of(given, dtype) if given.dtype != pl.Null else (given.cast(dtype), None)
        if typed is None:
            wrong.append(WrongValue(name, f"{_expected(dtype)}; it is {given.dtype}"))
            continue
        if name in required and given.null_count():
            wrong += _at_rows(name, given.is_null(), "Input should not be null")
        if fits is not None and not fits.all():
            wrong += _at_rows(name, ~fits, _expected(dtype))
        columns[name] = typed
    if wrong:
        raise RowsRefused("", wrong)
    return pl.DataFrame(columns)


def _at_rows(name: str, where: pl.Series, reason: str) -> list[WrongValue]:
    return [WrongValue(f"rows.{row}.{name}", reason) for row in where.fill_null(value=False).arg_true().to_list()]


def _expected(dtype: pl.DataType) -> str:
    """What a value of a column has to be, as a sentence."""
    if dtype.is_integer():
        return f"Input should be a whole number of {dtype}"
    if dtype.is_float():
        return f"Input should be a finite number of {dtype}"
    if isinstance(dtype, pl.Datetime):
        zone = "with a zone" if dtype.time_zone else "without a zone"
        return f"Input should be a time {zone}, in whole microseconds, of the years 1 to 9999"
    if dtype == pl.String:
        return "Input should be String without the character U+0000"
    return f"Input should be {dtype}"


def _columns_of(given: pl.Series, dtype: pl.DataType) -> tuple[pl.Series | None, pl.Series | None]:
    """The column as values of its type, and which of them it holds unchanged (None: all).

    Neither for a column of another kind. Null fits.
    """
    if dtype.is_integer():
        return _whole(given, dtype) if given.dtype.is_integer() else (None, None)
    if dtype.is_float():
        return _fraction(given, dtype) if given.dtype.is_numeric() and not given.dtype.is_decimal() else (None, None)
    if isinstance(dtype, pl.Decimal):
        return _decimal(given, dtype) if given.dtype.is_integer() or given.dtype.is_decimal() else (None, None)
    if isinstance(dtype, pl.Datetime):
        aware = isinstance(given.dtype, pl.Datetime) and (given.dtype.time_zone is None) == (dtype.time_zone is None)
        return _time(given, dtype) if aware else (None, None)
    if dtype == pl.Date and given.dtype == pl.Date:
        return given, given.is_between(date.min, date.max)
    if dtype == pl.String and given.dtype == pl.String:
        return given, ~given.str.contains("\0", literal=True)
    return (given, None) if given.dtype == dtype else (None, None)


def _whole(given: pl.Series, dtype: pl.DataType) -> tuple[pl.Series, pl.Series]:
    typed = given.cast(dtype, strict=False)
    return typed, typed.is_not_null() | given.is_null()


def _fraction(given: pl.Series, dtype: pl.DataType) -> tuple[pl.Series, pl.Series]:
    typed = given.cast(dtype, strict=False)  # of 32 bits: rounded, as JSON numbers are
    fits = typed.is_finite()
    return typed, fits & given.is_between(-_WHOLE, _WHOLE) if given.dtype.is_integer() else fits


def _decimal(given: pl.Series, dtype: pl.Decimal) -> tuple[pl.Series, pl.Series]:
    typed = given.cast(dtype, strict=False)
    scale = max(dtype.scale, given.dtype.scale if isinstance(given.dtype, pl.Decimal) else 0)
    widest = pl.Decimal(38, scale)
    exact = given.cast(widest, strict=False)
    return typed, (exact.is_not_null() & exact.eq_missing(typed.cast(widest, strict=False))) | given.is_null()


def _time(given: pl.Series, dtype: pl.Datetime) -> tuple[pl.Series, pl.Series]:
    assert isinstance(given.dtype, pl.Datetime)  # the caller looked
    numbers, unit = given.to_physical(), _PER_SECOND[given.dtype.time_unit]
    microseconds = _PER_SECOND["us"]
    first, last = ((moment * unit) // microseconds for moment in (_FIRST, _LAST))
    bounds = (max(first, -(2**63)), min(last, 2**63 - 1))
    fits = numbers.is_between(*bounds)
    if unit > microseconds:
        fits = fits & (numbers % (unit // microseconds) == 0)
    within = pl.select(pl.when(fits).then(given)).to_series()
    typed = within.cast(pl.Datetime("us", given.dtype.time_zone))
    return (typed.dt.convert_time_zone(dtype.time_zone) if dtype.time_zone else typed).cast(dtype), fits
