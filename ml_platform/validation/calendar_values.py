"""Dates, moments, times of day and durations of one form in another. What would lose a part of it is refused."""

import polars as pl

from ml_platform.validation.conversion import Converted, Purpose, blank, nothing, stripped
from ml_platform.validation.times import to_utc

_CLOCK = r"(?P<clock>[0-9]+):(?P<minutes>[0-5][0-9]):(?P<seconds>[0-5][0-9](?:\.[0-9]{1,6}0*)?)"
_ISO = (
    r"^(?P<minus>-?)P(?:(?P<weeks>[0-9]+)W)?(?:(?P<days>[0-9]+)D)?(?:T(?:(?P<hours>[0-9]+)H)?"
    r"(?:(?P<minutes>[0-9]+)M)?(?:(?P<seconds>[0-9]+(?:\.[0-9]{1,6}0*)?)S)?)?$"
)
_SPOKEN = rf"^(?P<minus>-?)(?:(?P<days>[0-9]+) days? )?{_CLOCK}$"
_MICROSECONDS = {"weeks": 604_800_000_000, "days": 86_400_000_000, "hours": 3_600_000_000, "minutes": 60_000_000}


def to_moment(column: pl.Series, kind: pl.DataType, purpose: Purpose) -> Converted:
    """Moments in the unit and zone of `kind`; into a column without zone goes what the clocks of UTC show."""
    assert isinstance(kind, pl.Datetime)
    zone = "UTC" if kind.time_zone is None else purpose.zone
    if zone is None and kind.time_zone != "UTC":
        zone = kind.time_zone
    moments = to_utc(column, zone)
    local = moments.values.dt.convert_time_zone(kind.time_zone or "UTC")
    local = local if kind.time_zone else local.dt.replace_time_zone(None)
    values = local.cast(kind, strict=False)
    lost = local.is_not_null() & (values.cast(local.dtype, strict=False) != local).fill_null(True)
    return Converted(blank(values, lost), {**moments.failed, "exact": lost})


def text_to_date(column: pl.Series, kind: pl.DataType, _: Purpose) -> Converted:
    """A date, or a time at midnight as it is written."""
    text = stripped(column)
    values = text.str.to_date("%Y-%m-%d", strict=False)
    rest = text.is_not_null() & values.is_null()
    if not rest.any():
        return Converted(values)
    written = blank(text, ~rest).str.extract_groups(r"^([0-9]{4}-[0-9]{2}-[0-9]{2})[ T]([0-9:.]+)(?:Z|[+-][0-9:]+)?$")
    midnight = written.struct[1].str.contains(r"^00:00(?::00(?:\.0*)?)?$").fill_null(False)
    dates = written.struct[0].str.to_date("%Y-%m-%d", strict=False)
    values = values.zip_with(~midnight, dates)
    clock = written.struct[1].str.contains(r"^[0-9]{2}:[0-9]{2}").fill_null(False) & dates.is_not_null() & ~midnight
    return Converted(values, {"dtype": rest & values.is_null() & ~clock, "exact": clock})


def moment_to_date(column: pl.Series, kind: pl.DataType, purpose: Purpose) -> Converted:
    """The date of a moment at midnight, in the moment's own zone or that of the table."""
    assert isinstance(column.dtype, pl.Datetime)
    wall = column.dt.replace_time_zone(None)
    values = _midnights(wall)
    if column.dtype.time_zone is not None and purpose.zone is not None:
        there = _midnights(column.dt.convert_time_zone(purpose.zone).dt.replace_time_zone(None))
        values = values.zip_with(values.is_not_null(), there)
    return Converted(values, {"exact": column.is_not_null() & values.is_null()})


def _midnights(wall: pl.Series) -> pl.Series:
    return blank(wall.dt.date(), (wall.dt.truncate("1d") != wall).fill_null(True))


def text_to_time(column: pl.Series, kind: pl.DataType, _: Purpose) -> Converted:
    """`09:30`, `09:30:15` or `09:30:15.25`."""
    text = stripped(column)
    values = text.str.to_time("%H:%M:%S%.f", strict=False)
    values = values.zip_with(values.is_not_null(), text.str.to_time("%H:%M", strict=False))
    return Converted(values, {"dtype": column.is_not_null() & values.is_null()})


def text_to_duration(column: pl.Series, kind: pl.DataType, _: Purpose) -> Converted:
    """ISO 8601 (`P1DT2H`, the form in which raw tables keep durations) or `1 days 02:00:00`."""
    text = stripped(column)
    lengths = _microseconds(text, _ISO)
    lengths = lengths.zip_with(lengths.is_not_null(), _microseconds(text, _SPOKEN))
    durations = lengths.cast(pl.Duration("us"))
    given = column.is_not_null()
    converted = duration_to_duration(durations, kind, _)
    return Converted(converted.values, {"dtype": given & durations.is_null(), **converted.failed})


def _microseconds(text: pl.Series, form: str) -> pl.Series:
    parts = text.str.extract_groups(form).struct.unnest()
    if "clock" in parts.columns:
        parts = parts.rename({"clock": "hours"})
    amounts = [
        pl.col(part).cast(pl.Int64, strict=False).fill_null(0) * unit
        for part, unit in _MICROSECONDS.items()
        if part in parts.columns
    ]
    seconds = (pl.col("seconds").cast(pl.Decimal(24, 6), strict=False).fill_null(0) * 1_000_000).cast(pl.Int64)
    given = [part for part in (*_MICROSECONDS, "seconds") if part in parts.columns]
    some = pl.any_horizontal(pl.col(part).is_not_null() for part in given)
    sign = pl.when(pl.col("minus") == "-").then(-1).otherwise(1)
    return parts.select(pl.when(some).then(sign * (pl.sum_horizontal(amounts) + seconds))).to_series()


def duration_to_duration(column: pl.Series, kind: pl.DataType, _: Purpose) -> Converted:
    """In another unit, where it is a multiple of it."""
    values = column.cast(kind, strict=False)
    lost = column.is_not_null() & (values.cast(column.dtype, strict=False) != column).fill_null(True)
    return Converted(blank(values, lost), {"exact": lost})


def to_text(column: pl.Series, kind: pl.DataType, _: Purpose) -> Converted:
    """The ISO 8601 form of a date, moment, time of day or duration."""
    return Converted(column.dt.to_string("iso") if len(column) else nothing(column, pl.String()))
