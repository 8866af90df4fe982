"""Spans of time as people write them: `90s`, `30m`, `3h`, `7d`, `2w`; and calendars: `6h`, `1d`, `1w`, `1mo`."""

import re
from datetime import UTC, datetime, timedelta

from ml_platform.errors import DeclarationError

SECOND = 1_000_000  # microseconds
_UNITS = {"s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND, "d": 86_400 * SECOND, "w": 604_800 * SECOND}
_SPAN = re.compile(r"([0-9]+)([smhdw])")
_CALENDAR = re.compile(r"([1-9][0-9]*)(h|d|w|mo)")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONDAY = datetime(1969, 12, 29, tzinfo=UTC)  # of the week of the epoch
_LENGTHS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(days=7), "mo": timedelta(days=28)}


def microseconds(span: str, where: str = "duration") -> int:
    """The length of a span of time.

    A day has 24 hours and a week 7 days: spans do not know time zones.

    Args:
        span: A positive whole number and a unit: `90s`, `30m`, `3h`, `7d` or `2w`.
        where: What an error names as the culprit.

    Returns:
        The length in microseconds.

    Raises:
        DeclarationError: For anything else.

    >>> microseconds("3h")
    10800000000
    """
    match = _SPAN.fullmatch(span)
    if match is None or int(match[1]) == 0:
        raise DeclarationError(
            where,
            f"{span!r} is not a span of time",
            remedy="Write a positive whole number and a unit: 90s, 30m, 3h, 7d or 2w.",
        )
    return int(match[1]) * _UNITS[match[2]]


def since_epoch(moment: datetime) -> int:
    """The microseconds from 1970-01-01 UTC to an aware moment; negative before it.

    >>> since_epoch(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    1000000
    """
    return (moment - EPOCH) // timedelta(microseconds=1)


def period(calendar: str, moment: datetime, where: str = "calendar") -> int:
    """The number of the calendar period that contains a moment.

    Periods are counted from 1970: hours and days from 1 January, weeks from a Monday, months from January.

    Args:
        calendar: `6h`, `1d`, `1w`, `1mo` or another multiple; `3mo` counts quarters.
        moment: A UTC time.
        where: What an error names as the culprit.

    Raises:
        DeclarationError: For a text that is not a calendar.

    >>> period("3mo", datetime(1970, 7, 1, tzinfo=UTC))
    2
    """
    count, unit = _calendar(calendar, where)
    if unit == "mo":
        return ((moment.year - 1970) * 12 + moment.month - 1) // count
    return (moment - (_MONDAY if unit == "w" else EPOCH)) // (count * _LENGTHS[unit])


def shortest(calendar: str, where: str = "calendar") -> timedelta:
    """The length of the shortest period of a calendar.

    Raises:
        DeclarationError: For a text that is not a calendar.

    >>> shortest("2w").days
    14
    """
    count, unit = _calendar(calendar, where)
    return count * _LENGTHS[unit]


def _calendar(text: str, where: str) -> tuple[int, str]:
    match = _CALENDAR.fullmatch(text)
    if match is None:
        raise DeclarationError(
            where, f"{text!r} is not a calendar", remedy="Write a positive whole number and a unit: 6h, 1d, 1w or 1mo."
        )
    return int(match[1]), match[2]
