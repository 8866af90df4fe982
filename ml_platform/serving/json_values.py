"""Values of features as JSON has them in answers and in the prediction log."""

from datetime import date, datetime
from decimal import Decimal
from math import isfinite
from typing import Any


def json_value(value: Any) -> Any:
    """A value as JSON has it; NaN and infinity as text.

    >>> json_value(float("nan")), json_value(date(2024, 1, 31)), json_value(Decimal("1.50"))
    ('nan', '2024-01-31', '1.50')
    """
    if isinstance(value, float):
        return value if isfinite(value) else str(value)
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    if isinstance(value, date | Decimal):
        return str(value)
    return value
