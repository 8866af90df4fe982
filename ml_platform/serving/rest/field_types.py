"""The fields of a request: a value of JSON becomes exactly the value that the batch reads from the lake (S13)."""

from datetime import UTC, datetime
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation
from struct import pack, unpack
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from pydantic import AfterValidator, BeforeValidator, GetPydanticSchema, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError, core_schema

_WHOLE = 2**53
_EXACT = 10**15  # below it a JSON number, which is read as a double, keeps every digit


def field_type(dtype: pl.DataType) -> Any:
    """The type of a pydantic field for a column of that type. What the type cannot hold unchanged is refused.

    Numbers of 32 bits are rounded to 32 bits, decimals get the scale of the column, and times its zone.
    """
    if isinstance(dtype, pl.Datetime):
        return _time(dtype.time_zone)
    if isinstance(dtype, pl.Decimal):
        return _decimal(dtype.precision or 38, dtype.scale)
    if dtype == pl.Date:
        # Not strict: a validator before it hands over text that is no longer JSON, which strict fields refuse.
        return Annotated[Any, GetPydanticSchema(lambda *_: core_schema.date_schema(strict=False)), _TEXT_OF_DATE]
    if dtype.is_integer():
        bounds = np.iinfo(str(dtype).lower())
        whole = GetPydanticSchema(lambda *_: core_schema.int_schema(strict=False, ge=bounds.min, le=bounds.max))
        return Annotated[Any, whole, BeforeValidator(_whole)]
    if dtype == pl.Float32:
        return Annotated[float, AfterValidator(_single)]
    if dtype == pl.Boolean or dtype.is_numeric():
        return bool if dtype == pl.Boolean else float
    return Annotated[str, AfterValidator(_text)]


def _text(value: str) -> str:
    """Refuse U+0000, at which a filter that the lake pushes down to its catalog would end."""
    if "\0" in value:
        raise PydanticCustomError("text", "Input should be text without the character U+0000")
    return value


def _whole(value: Any) -> Any:
    """Refuse what is no JSON number. 7.0 is 7; a double from 2^53 on may stand for several whole numbers (S1a)."""
    if type(value) is int or (type(value) is float and abs(value) < _WHOLE):
        return value
    raise PydanticCustomError("int", "Input should be a whole number; from 2^53 on without point and exponent")


def _time(zone: str | None) -> Any:
    constraint: Any = "aware" if zone else "naive"
    described = core_schema.datetime_schema(strict=False, tz_constraint=constraint, microseconds_precision="error")
    kind: Any = Annotated[Any, GetPydanticSchema(lambda *_: described), _TEXT_OF_DATE]
    if zone is None:
        return kind
    tzinfo = UTC if zone == "UTC" else ZoneInfo(zone)

    def of_column(moment: datetime) -> datetime:
        try:
            return moment.astimezone(tzinfo)
        except OverflowError:
            raise PydanticCustomError("datetime", "Input should be a time of the years 1 to 9999 in UTC") from None

    return Annotated[kind, AfterValidator(of_column)]


def _text_of_date(value: Any) -> Any:
    """Refuse numbers, also as text: nobody said whether they are seconds or milliseconds."""
    if isinstance(value, str) and value[4:5] == "-":
        return value
    raise PydanticCustomError("datetime", "Input should be text that begins with a date such as 2024-01-31")


_TEXT_OF_DATE = BeforeValidator(_text_of_date)


def _decimal(precision: int, scale: int) -> Any:
    unit = Decimal(1).scaleb(-scale)
    context = Context(prec=precision, traps=[Inexact, InvalidOperation])

    def of_column(value: Any) -> Decimal:
        if type(value) not in (int, float, str):
            raise PydanticCustomError("decimal", "Input should be a number, or a number as text")
        if isinstance(value, float) and not abs(value) * 10**scale < _EXACT:
            raise PydanticCustomError(
                "decimal", "Input should be text, because a JSON number of that size loses digits"
            )
        try:
            exact = Decimal(str(value)).quantize(unit, context=context)
        except DecimalException:
            raise PydanticCustomError(
                "decimal",
                "Input should be a number of at most {precision} digits, {scale} of them after the point",
                {"precision": precision, "scale": scale},
            ) from None
        if exact.is_finite():
            return exact or abs(exact)  # the lake knows no negative zero
        raise PydanticCustomError("decimal", "Input should be a finite number")

    described = {"anyOf": [{"type": "number"}, {"type": "string"}], "description": f"Decimal({precision}, {scale})"}
    return Annotated[Decimal, PlainValidator(of_column), WithJsonSchema(described)]


def _single(value: float) -> float:
    try:
        (single,) = unpack("<f", pack("<f", value))
    except OverflowError:
        raise PydanticCustomError("float", "Input should be a number of 32 bits") from None
    return float(single)
