"""Which fields of a request are wrong, and why, without what was sent."""

from typing import Any

from pydantic import ValidationError

_NAMED = 1_000  # where more are wrong, to name them would take seconds


def wrong_fields(error: ValidationError) -> dict[str, Any]:
    """`fields`: the first ten, each with `field` and `reason`; `count`: how many are wrong."""
    fields = (
        []
        if error.error_count() > _NAMED
        else [
            {"field": ".".join(str(part) for part in one["loc"]) or "body", "reason": one["msg"]}
            for one in error.errors(include_url=False, include_context=False, include_input=False)[:10]
        ]
    )
    return {"fields": fields, "count": error.error_count()}
