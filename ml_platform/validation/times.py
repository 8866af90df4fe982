"""Times of every form into UTC microseconds (S1)."""

import polars as pl

from ml_platform.validation.conversion import Converted, blank, nothing, stripped

INSTANT = pl.Datetime("us", "UTC")
NAIVE = pl.Datetime("us")
_DATED = r"^\s*\d{4}-\d{2}-\d{2}"
_WITH_OFFSET = ("%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d %H:%M%#z")
_WITHOUT = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d")
_OFFSET = r"\d{2}:\d{2}.*(?:Z|[+-]\d{2}(?::?\d{2})?)$"


def to_utc(column: pl.Series, zone: str | None) -> Converted:
    """Text (ISO 8601), dates and times as moments in UTC.

    Naive times are in `zone`; without one they fail as "zone". A local time that a change of clocks
    skips fails as "gap"; one that comes twice is the first. Anything that is no time fails as "dtype".
    """
    kind = column.dtype
    given = column.is_not_null()
    if isinstance(kind, pl.Datetime) and kind.time_zone is not None:
        moments = column.cast(pl.Datetime("us", kind.time_zone), strict=False).dt.convert_time_zone("UTC")
        return Converted(moments, {"dtype": given & moments.is_null()})
    if isinstance(kind, pl.Datetime) or kind == pl.Date:
        naive = column.cast(NAIVE, strict=False)
        values, failed = _localized(naive, zone)
        return Converted(values, {**failed, "dtype": given & naive.is_null()})
    if kind != pl.String:  # a number does not say from when it counts, nor in which unit
        return Converted(nothing(column, INSTANT), {"dtype": given})
    text = stripped(column).str.replace("T", " ", literal=True).str.replace("Z$", "+00:00")
    dated = text.str.contains(_DATED).fill_null(False)
    text = blank(text, ~dated)
    offset = text.str.contains(_OFFSET).fill_null(False)
    fixed = _parsed(blank(text, ~offset), _WITH_OFFSET, INSTANT)
    naive = _parsed(blank(text, offset), _WITHOUT, NAIVE)
    local, failed = _localized(naive, zone)
    values = fixed.zip_with(fixed.is_not_null(), local)
    failed["dtype"] = given & fixed.is_null() & naive.is_null()
    return Converted(values.alias(column.name), failed)


def _parsed(text: pl.Series, forms: tuple[str, ...], kind: pl.Datetime) -> pl.Series:
    values = pl.Series(text.name, [None], dtype=kind).new_from_index(0, len(text))
    unread = text.is_not_null()
    for form in forms:
        if not unread.any():
            break
        parsed = text.str.to_datetime(form, strict=False, time_unit="us", time_zone=kind.time_zone)
        values = values.zip_with(values.is_not_null(), parsed)
        unread = text.is_not_null() & values.is_null()
    return values


def _localized(naive: pl.Series, zone: str | None) -> tuple[pl.Series, dict[str, pl.Series]]:
    given = naive.is_not_null()
    if not given.any():
        return naive.dt.replace_time_zone("UTC"), {}
    if zone is None:
        return pl.Series(naive.name, [None], dtype=INSTANT).new_from_index(0, len(naive)), {"zone": given}
    local = naive.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC")
    return local, {"gap": given & local.is_null()}
