"""How a word of the declaration is made: a frozen, type-checked dataclass."""

from collections.abc import Callable
from typing import TypeVar, dataclass_transform

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

T = TypeVar("T")


@dataclass_transform(frozen_default=True, eq_default=False)
def word(cls: type[T]) -> type[T]:
    """A declaration word: positional or keyword arguments, types checked, unknown names refused.

    Two words are compared by their canonical form, never by `==`: they may hold expressions.
    """
    decorate: Callable[[type[T]], type[T]] = dataclass(
        frozen=True, eq=False, config=ConfigDict(arbitrary_types_allowed=True, extra="forbid")
    )
    return decorate(cls)
