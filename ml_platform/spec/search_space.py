"""What a search may choose a parameter from, and a trainer with chosen parameters."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

from pydantic import Field

from ml_platform.errors import DeclarationError, did_you_mean
from ml_platform.spec.vocabulary import Several, word

_MOST_VALUES = 1_000


@word
class IntRange:
    """The whole numbers from `low` to `high`, both inclusive.

    Args:
        low: The least.
        high: The greatest, above `low`.
        log: Whether equal ratios count the same: from 8 to 16 as much as from 128 to 256. `low` is 1 or more then.
        step: The distance of neighbours, counted from `low`; 1 with `log`.

    Raises:
        DeclarationError: For an empty range, and bounds that `log` or `step` do not allow.

    >>> IntRange(8, 256, log=True).ends
    (8, 256)
    """

    low: int
    high: int
    log: bool = False
    step: int = Field(default=1, ge=1)

    def __post_init__(self) -> None:
        _check_range(self, least=1, whole=True)
        if self.log and self.step != 1:
            raise DeclarationError("IntRange", f"step={self.step} with log=True", remedy="Leave one of them out.")

    @property
    def ends(self) -> tuple[Any, ...]:
        """The values that show whether a trainer takes the range."""
        return self.low, self.high

    def has(self, value: Any) -> bool:
        """Whether the value is one of them."""
        whole = isinstance(value, int) and not isinstance(value, bool)
        return whole and self.low <= value <= self.high and (value - self.low) % self.step == 0


@word
class FloatRange:
    """The numbers from `low` to `high`, both inclusive.

    Args:
        low: The least.
        high: The greatest, above `low`.
        log: Whether equal ratios count the same: from .001 to .01 as much as from .1 to 1. `low` is above 0 then.

    Raises:
        DeclarationError: For an empty range, and a `low` that `log` does not allow.

    >>> FloatRange(0.01, 0.3, log=True).has(0.1)
    True
    """

    low: float = Field(allow_inf_nan=False)
    high: float = Field(allow_inf_nan=False)
    log: bool = False

    def __post_init__(self) -> None:
        _check_range(self, least=0, whole=False)

    @property
    def ends(self) -> tuple[Any, ...]:
        """The values that show whether a trainer takes the range."""
        return self.low, self.high

    def has(self, value: Any) -> bool:
        """Whether the value is one of them."""
        return isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high


@word
class OneOf:
    """One of the listed values, which have no order.

    Args:
        values: Two or more: numbers, texts, Booleans, None, or lists of them.

    Raises:
        DeclarationError: For fewer than two, one that is listed twice, and what is no plain value.

    >>> OneOf(["gbdt", "dart"]).has("dart")
    True
    """

    values: Several[Any]

    def __post_init__(self) -> None:
        check_values("OneOf", self.values, least=2)

    @property
    def ends(self) -> tuple[Any, ...]:
        """The values that show whether a trainer takes them: all."""
        return tuple(self.values)

    def has(self, value: Any) -> bool:
        """Whether the value is one of them."""
        return any(same(value, one) for one in self.values)


Dimension = IntRange | FloatRange | OneOf


def same(value: Any, other: Any) -> bool:
    """Whether two plain values are equal and of one type; a list is as a tuple.

    >>> same(1, True), same([1], (1,))
    (False, True)
    """
    if isinstance(value, list | tuple) and isinstance(other, list | tuple):
        return len(value) == len(other) and all(map(same, value, other))
    return type(value) is type(other) and bool(value == other)


def check_values(where: str, values: Sequence[Any], *, least: int) -> None:
    """Refuse fewer than `least` values, more than 1,000, equal ones, and what JSON cannot keep."""
    if not least <= len(values) <= _MOST_VALUES:
        raise DeclarationError(where, f"{len(values)} values", remedy=f"Give {least} to {_MOST_VALUES:,}.")
    for at, value in enumerate(values):
        if not _is_plain(value):
            raise DeclarationError(
                where, f"{value!r} is no plain value", remedy="Give numbers, texts, Booleans, None, or lists of them."
            )
        if any(same(value, earlier) for earlier in values[:at]):
            raise DeclarationError(where, f"{value!r} is listed twice", remedy="List it once.")


def value_at(trainer: Any, path: str) -> tuple[Any, bool]:
    """The declared value of a parameter such as "num_leaves" or "extra.lambda_l1", and whether it is declared."""
    *words, last = path.split(".")
    there = trainer
    for step in words:
        there = there.get(step, {}) if isinstance(there, Mapping) else getattr(there, step, {})
    others = getattr(type(there), "others", None)
    if others is not None and last not in _names(there):
        there = getattr(there, others)
    if isinstance(there, Mapping):
        return there.get(last), last in there
    return getattr(there, last, None), hasattr(there, last)


def with_values(trainer: Any, values: Mapping[str, Any], where: str) -> Any:
    """The trainer with other values, checked as it checks those that are written.

    Raises DeclarationError, about `where`, for a parameter that it does not have and a value that it refuses.
    """
    for path, value in values.items():
        try:
            trainer = _replaced(trainer, path.split("."), value, where)
        except DeclarationError as error:
            problem = error.problem if error.where == where else f"{path}={value!r}: {error.problem}"
            raise DeclarationError(where, problem, remedy=error.remedy) from None
    return trainer


def _replaced(there: Any, steps: Sequence[str], value: Any, where: str) -> Any:
    first, *rest = steps
    if isinstance(there, Mapping):
        return {**there, first: value if not rest else _replaced(there.get(first, {}), rest, value, where)}
    names = _names(there) if is_dataclass(there) else []
    others = getattr(type(there), "others", None)
    if others is not None and first not in names and not rest:
        return replace(there, **{others: {**getattr(there, others), first: value}})
    if first not in names:
        meant = f"{did_you_mean(first, names)} It has {', '.join(names)}.".strip()
        raise DeclarationError(where, f"{type(there).__name__} has no parameter {first!r}", remedy=meant)
    new = value if not rest else _replaced(getattr(there, first), rest, value, where)
    return replace(there, **{first: new})


def _names(word_: Any) -> list[str]:
    return [field.name for field in fields(word_) if field.init]


def _check_range(one: Any, *, least: float, whole: bool) -> None:
    name = type(one).__name__
    if one.low >= one.high:
        raise DeclarationError(name, f"low={one.low} is not below high={one.high}", remedy="Give a range.")
    if one.log and (one.low < least or one.low <= 0):
        bound = "1 or more" if whole else "above 0"
        raise DeclarationError(name, f"low={one.low} with log=True", remedy=f"Give a low of {bound}.")


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, str | bool | int)
