"""Spans of time as people write them: `90s`, `30m`, `3h`, `7d`, `2w`."""

import re

from ml_platform.errors import DeclarationError

SECOND = 1_000_000  # microseconds
_UNITS = {"s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND, "d": 86_400 * SECOND, "w": 604_800 * SECOND}
_SPAN = re.compile(r"([0-9]+)([smhdw])")


def microseconds(span: str, where: str = "duration") -> int:
    """`span` in microseconds.

    Raises DeclarationError for anything but a positive whole number with a unit. Days are
    24 hours and weeks are 7 days: spans do not know of time zones.
    """
    match = _SPAN.fullmatch(span)
    if match is None or int(match[1]) == 0:
        raise DeclarationError(
            where,
            f"{span!r} is not a span of time",
            remedy="Write a positive whole number and a unit: 90s, 30m, 3h, 7d or 2w.",
        )
    return int(match[1]) * _UNITS[match[2]]
