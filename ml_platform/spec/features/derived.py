"""`Derived`: expressions over the example and its other features (S7)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Self

import polars as pl

from ml_platform.errors import DeclarationError
from ml_platform.spec.expression_wording import expression_in_words
from ml_platform.spec.expressions import to_portable
from ml_platform.spec.features.word import FeatureWord, Phrases

_SHORT = 60  # characters of an expression that may stand beside a value


@dataclass(frozen=True, eq=False, init=False)
class Derived(FeatureWord):
    """Row-wise polars expressions over inputs and other features.

    The names of the arguments are the names of the features. A mapping serves names that are no Python identifiers.
    Expressions may read one another, in any order.

    Raises:
        DeclarationError: For a value that is not a polars expression, and for an expression that is not row-wise.

    >>> Derived(hour=pl.col("at").dt.hour(), late=pl.col("hour") > 21).outputs
    ('hour', 'late')
    """

    expressions: Mapping[str, pl.Expr]

    def __init__(self, expressions: Mapping[str, pl.Expr] | None = None, /, **named: pl.Expr) -> None:
        merged = {**(expressions or {}), **named}
        for name, expression in merged.items():
            if not isinstance(expression, pl.Expr):
                raise DeclarationError(
                    f"Derived({name}=…)",
                    f"{type(expression).__name__} is not a polars expression",
                    remedy="Write it with pl.col(…).",
                )
            to_portable(expression, f"Derived({name}=…)")
        object.__setattr__(self, "expressions", merged)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the expressions."""
        return tuple(self.expressions)

    def without(self, outputs: Collection[str]) -> tuple[Self, ...]:
        remaining = {name: expression for name, expression in self.expressions.items() if name not in outputs}
        return (type(self)(remaining),) if remaining else ()

    def in_words(self, phrases: Phrases) -> dict[str, str]:
        return {
            name: f"from the example: {expression_in_words(to_portable(expression, name))}"
            for name, expression in self.expressions.items()
        }

    def of_example(self, example: Mapping[str, Any], phrases: Phrases) -> dict[str, str]:
        words = {}
        for name, expression in self.expressions.items():
            phrase = expression_in_words(to_portable(expression, name))
            words[name] = f"{name} ({phrase})" if len(phrase) <= _SHORT else name
        return words
