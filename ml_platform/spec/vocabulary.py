"""How a word of the declaration is built: a frozen, type-checked dataclass whose errors are one sentence."""

import inspect
from collections.abc import Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, dataclass_transform

from pydantic import ConfigDict, ValidationError
from pydantic.dataclasses import dataclass
from pydantic_core import ErrorDetails

from ml_platform.errors import DeclarationError

T = TypeVar("T")

if TYPE_CHECKING:
    Several = Sequence
else:

    class Several:
        """`Several[str]`: a list or tuple as written, a tuple as kept, so that words never change."""

        def __class_getitem__(cls, item: Any) -> Any:
            return tuple[item, ...]


_UNKNOWN = frozenset({"unexpected_keyword_argument", "extra_forbidden"})
_MISSING = frozenset({"missing", "missing_argument"})

_WORDS = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "a Boolean",
    "list": "a list",
    "tuple": "a list",
    "dict": "a mapping",
    "Expr": "a polars expression",
}


@dataclass_transform(frozen_default=True, eq_default=False)
def word(cls: type[T]) -> type[T]:
    """Decorate a class as a declaration word: arguments by position or name, types checked, unknown names refused.

    A word with a class variable `others` takes further arguments by name, and keeps them in the field of that name.
    Compare two words by their canonical form, not by `==`: they may contain expressions.

    Raises:
        DeclarationError: By the decorated class, with the word, the parameter and what is allowed.

    >>> @word
    ... class Speed:
    ...     kmh: float
    >>> Speed(30).kmh
    30.0
    """
    config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")
    checked: Any = dataclass(frozen=True, eq=False, config=config)(cls)
    validated = checked.__init__
    own, others = inspect.signature(cls).parameters, getattr(cls, "others", None)

    @wraps(validated)
    def __init__(self: T, *arguments: Any, **named: Any) -> None:
        if others is not None:
            named = {name: value for name, value in named.items() if name in own} | {
                others: {**named.get(others, {}), **{name: named[name] for name in named if name not in own}}
            }
        try:
            validated(self, *arguments, **named)
        except ValidationError as error:
            raise _in_words(cls, arguments, named, error.errors(include_url=False)) from None

    checked.__init__ = __init__
    return checked  # type: ignore[no-any-return]  # it is `cls` itself


def _in_words(
    cls: type, arguments: tuple[Any, ...], named: dict[str, Any], errors: Sequence[ErrorDetails]
) -> DeclarationError:
    parameters = list(inspect.signature(cls).parameters)
    called = arguments[0] if arguments else named.get(parameters[0])
    where = f"{cls.__name__}({called!r})" if isinstance(called, str) else cls.__name__
    takes = f"It takes {', '.join(parameters)}."
    unknown = [str(error["loc"][-1]) for error in errors if error["type"] in _UNKNOWN]
    if unknown:  # a missing parameter is then usually a misspelt one
        return DeclarationError(where, f"there is no parameter {', '.join(map(repr, unknown))}", remedy=takes)
    if any(error["type"] == "unexpected_positional_argument" for error in errors):
        return DeclarationError(where, "more values than parameters", remedy=takes)
    missing = [_item(error, parameters) for error in errors if error["type"] in _MISSING]
    if missing:
        return DeclarationError(where, f"{', '.join(missing)} is missing", remedy=takes)
    by_item: dict[str, list[ErrorDetails]] = {}
    for error in errors:
        by_item.setdefault(_item(error, parameters), []).append(error)
    problems = [_problem(item, alike) for item, alike in by_item.items()]
    return DeclarationError(
        where,
        "; ".join(problem for problem, _ in problems),
        remedy=" ".join(dict.fromkeys(remedy for _, remedy in problems if remedy)),
    )


def _item(error: ErrorDetails, parameters: list[str]) -> str:
    """`agg[0]`: the parameter and the item in it. Which member of a union was tried does not matter to the user."""
    first, *rest = error["loc"] or ("",)
    name = parameters[first] if isinstance(first, int) and first < len(parameters) else str(first)
    return f"{name}[{rest[0]}]" if rest and isinstance(rest[0], int) else name


def _problem(item: str, alike: list[ErrorDetails]) -> tuple[str, str]:
    """What is wrong with one parameter, and what is allowed."""
    error = alike[0]
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    given = f"{item}={_short(value)}"
    if len(alike) > 1:  # no member of a union fits
        names = ", ".join(dict.fromkeys(_member(each) for each in alike))
        return f"{given} is {_kind(value)}", f"Allowed: {names}."
    match kind:
        case "literal_error":
            return f"{given} is not a known value", f"Allowed: {context['expected']}."
        case "tuple_type" | "list_type":
            return f"{given} is not a list", f"Write [{_short(value)}]." if isinstance(value, str) else "Write a list."
        case "dataclass_type" | "dataclass_exact_type":
            return f"{given} is {_kind(value)}", f"Write {context['class_name']}(…)."
        case "too_short":
            return f"{given} is empty", f"At least {context['min_length']} is needed."
        case "int_parsing" | "int_type" | "int_from_float":
            return f"{given} is not a whole number", ""
        case "float_parsing" | "float_type":
            return f"{given} is not a number", ""
        case "string_type":
            return f"{given} is not a text", ""
    if error["msg"].startswith("Input should be "):
        return f"{given} must be {error['msg'].removeprefix('Input should be ')}", ""
    return f"{given} does not fit", f"{error['msg']}."


def _member(error: ErrorDetails) -> str:
    """The member of a union that an error is about, as people write it."""
    for part in map(str, reversed(error["loc"][1:])):
        name = part.removeprefix("is-instance[").removesuffix("]").partition("[")[0]
        if name in _WORDS or name[:1].isupper():
            return _WORDS.get(name, name)
    return error["type"]


def _kind(value: Any) -> str:
    name = type(value).__name__
    return _WORDS.get(name, "nothing" if value is None else f"a {name}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
