"""Operations on single texts. Where letters change or white space counts, only ASCII is computed here."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from ml_platform.features.scalars.values import Deferred, Row, Scalar, Unsupported, applied

_SPACE = " \t\n\v\f\r"
_PLAIN_PATTERN = re.compile(r"[A-Za-z0-9 _]*")  # a regular expression that means itself


def of_ascii(function: Callable[[str], str]) -> Callable[[Scalar], Scalar]:
    """A function of text that is computed here for ASCII only."""

    def computed(text: str) -> str:
        if text.isascii():
            return function(text)
        raise Deferred

    return lambda a: applied(pl.String(), computed, _texts(a)[0])


def length(a: Scalar) -> Scalar:
    """The number of characters."""
    return applied(pl.Int64(), len, *_texts(a))


def asked(function: Callable[[str, str], bool]) -> Callable[[Scalar, Scalar], Scalar]:
    """Whether a text begins or ends with another one."""
    return lambda a, b: applied(pl.Boolean(), function, *_texts(a, b))


def contains(a: Scalar, pattern: Mapping[str, Any], literal: bool) -> Scalar:
    """Whether a text contains a literal one."""
    part = pattern.get("value")
    if not isinstance(part, str) or not (literal or _PLAIN_PATTERN.fullmatch(part)):
        raise Unsupported
    return applied(pl.Boolean(), lambda text: part in text, *_texts(a))


def stripped(a: Scalar, characters: Mapping[str, Any]) -> Scalar:
    """A text without some characters at its ends; white space where they are null."""
    chars = characters.get("value", 0)
    if chars is None:
        return of_ascii(lambda text: text.strip(_SPACE))(a)
    if not isinstance(chars, str):
        raise Unsupported
    return applied(pl.String(), lambda text: text.strip(chars), *_texts(a))


def joined(*parts: Scalar, delimiter: str, ignore_nulls: bool) -> Scalar:
    """Texts with a delimiter between them."""
    functions = [part.of for part in _texts(*parts)]

    def of(row: Row) -> str | None:
        values = [function(row) for function in functions]
        if None in values:
            if not ignore_nulls:
                return None
            values = [value for value in values if value is not None]
        return delimiter.join(values)

    return Scalar(pl.String(), of)


def _texts(*scalars: Scalar) -> tuple[Scalar, ...]:
    if any(item.dtype != pl.String for item in scalars):
        raise Unsupported
    return scalars
