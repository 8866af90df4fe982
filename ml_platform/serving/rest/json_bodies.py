"""JSON bodies: what an adapter makes of them, unless a field comes twice in one object."""

import json
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError


def validated(adapter: TypeAdapter[Any], body: bytes | str) -> Any:
    """What an adapter makes of a body.

    Raises ValidationError for what the adapter refuses, and for a field that comes twice in one object: readers
    disagree about its value.
    """
    request = adapter.validate_json(body)  # first: it refuses what is no JSON, and what is nested too deeply
    text = body.decode() if isinstance(body, bytes) else body
    try:
        json.loads(text, object_pairs_hook=_check_once, parse_int=float)
    except _FieldTwiceError:
        place = _first_twice(json.loads(text, object_pairs_hook=_Fields, parse_int=float)) or ()
        twice = PydanticCustomError("twice", "The field comes twice in one object")
        raise ValidationError.from_exception_data("request", [{"type": twice, "loc": place, "input": None}]) from None
    return request


class _FieldTwiceError(Exception):
    pass


class _Fields(list[tuple[str, Any]]):
    """The fields of an object, in their order."""


def _check_once(fields: list[tuple[str, Any]]) -> None:
    if len(dict(fields)) != len(fields):
        raise _FieldTwiceError


def _first_twice(value: Any) -> tuple[str | int, ...] | None:
    """The place of the first field that comes twice in its object; None: there is none."""
    if not isinstance(value, list):
        return None
    names = set[str | int]()
    for place, inner in value if isinstance(value, _Fields) else enumerate(value):
        if isinstance(value, _Fields):
            if place in names:
                return (place,)
            names.add(place)
        below = _first_twice(inner)
        if below is not None:
            return (place, *below)
    return None
