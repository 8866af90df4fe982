"""Which fields of a request are wrong, and why, without what was sent."""

from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ml_platform.errors import did_you_mean

_NAMED = 1_000  # where more are wrong, to name them would take seconds
_LONGEST = 100  # characters of a name that is compared with others


def wrong_fields(error: ValidationError) -> dict[str, Any]:
    """`fields`: the first ten, each with `field` and `reason`; `count`: how many are wrong."""
    if error.error_count() > _NAMED:
        return {"fields": [], "count": error.error_count()}
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    missing = [one["loc"] for one in errors if one["type"] == "missing"]
    fields = [
        {"field": ".".join(str(part) for part in one["loc"]) or "body", "reason": _reason(one, missing)}
        for one in errors[:10]
    ]
    return {"fields": fields, "count": error.error_count()}


def _reason(error: ErrorDetails, missing: list[tuple[int | str, ...]]) -> str:
    """Why a field is wrong; of one that is not known, which missing field of the same row may be meant."""
    *row, name = error["loc"] or ("",)
    if error["type"] != "extra_forbidden" or len(str(name)) > _LONGEST:
        return error["msg"]
    meant = did_you_mean(name, [str(loc[-1]) for loc in missing if list(loc[:-1]) == row])
    return f"{error['msg']}. {meant}" if meant else error["msg"]
