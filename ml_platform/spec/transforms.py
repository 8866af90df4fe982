"""The words for transforms: fitted on the training part, stored with the model, the same in batch and service (S60)."""

import math
from collections.abc import Collection
from typing import Literal, Self

import polars as pl
from pydantic import Field

from ml_platform.errors import DeclarationError
from ml_platform.spec.declared_transform import TransformWord, Types, is_category, is_number
from ml_platform.spec.hashed_text import Hashed
from ml_platform.spec.tasks import Task
from ml_platform.spec.vocabulary import Several, word

MOST_REDUCED = 200  # columns of one Reduced: fitting takes time by their cube


@word
class Scaled(TransformWord):
    """Numbers moved and divided, so that they are of one size. A missing one stays missing.

    Args:
        columns: Numbers or truth values of the model.
        by: "deviation" subtracts the mean and divides by the standard deviation, "quartiles" the median and the
            distance of the quartiles, "range" the least and the distance to the greatest. A column without any
            spread becomes 0.

    Raises:
        DeclarationError: For no column, one twice, and another `by`.

    >>> Scaled(["distance", "hour"]).by
    'deviation'
    """

    columns: str | Several[str]
    by: Literal["deviation", "quartiles", "range"] = "deviation"

    def __post_init__(self) -> None:
        self.check_names()


@word
class Log(TransformWord):
    """Numbers as log(1 + x), for long tails.

    Args:
        columns: Numbers of the model.
        negatives: What becomes of a number below 0: "mirrored" gives -log(1 + |x|), "missing" a missing value, and
            "zero" counts it as 0.

    Raises:
        DeclarationError: For no column, one twice, and another `negatives`.

    >>> Log("distance").negatives
    'mirrored'
    """

    columns: str | Several[str]
    negatives: Literal["mirrored", "missing", "zero"] = "mirrored"

    def __post_init__(self) -> None:
        self.check_names()


@word
class Imputed(TransformWord):
    """Missing values filled in.

    Args:
        columns: Columns of the model.
        by: "median" and "mean" are for numbers, "most_frequent" for any column; of equally frequent values the least
            is taken. Where training has no value at all, a number is 0, and a text stays missing.
        value: What to fill in instead: a number for numbers, a text for texts.
        indicator: Whether each column gets another beside it, 1 where the value was missing, else 0.

    Raises:
        DeclarationError: For no column, one twice, another `by`, and a `value` that is no finite number.

    >>> Imputed(["age"], by="mean", indicator=True).written()
    "Imputed('age', by='mean', indicator=True)"
    """

    columns: str | Several[str]
    by: Literal["median", "mean", "most_frequent"] = "median"
    value: float | str | None = None
    indicator: bool = False

    def __post_init__(self) -> None:
        self.check_names()
        if isinstance(self.value, float) and not math.isfinite(self.value):
            raise DeclarationError("Imputed", f"value={self.value} is not finite", remedy="Give a number.")

    def misfit(self, dtype: pl.DataType) -> str:
        if dtype == pl.String:
            suits = isinstance(self.value, str) or (self.value is None and self.by == "most_frequent")
            return "" if suits else f"by='most_frequent' or a text as value=, because a text has no {self.by}"
        if not is_number(dtype):
            return "a number or text"
        return "a number as value=" if isinstance(self.value, str) else ""

    def outputs(self, types: Types, task: Task) -> dict[str, pl.DataType]:
        return {name: types[name] if types[name] == pl.String else pl.Float64() for name in self.names}


@word
class OneHot(TransformWord):
    """A column for each of the most frequent categories, 1 where the row is of it, else 0.

    A missing, rarer or unseen category is 0 in all of them.

    Args:
        columns: Texts, whole numbers or truth values of the model.
        limit: The number of categories of a column that get one, 1 to 1,000; of equally frequent ones the first by
            name.

    Raises:
        DeclarationError: For no column, one twice, and a limit out of range.

    >>> OneHot("carrier", limit=10).names
    ('carrier',)
    """

    columns: str | Several[str]
    limit: int = Field(default=50, ge=1, le=1000)

    def __post_init__(self) -> None:
        self.check_names()

    def misfit(self, dtype: pl.DataType) -> str:
        return "" if is_category(dtype) else "a text, a whole number or a truth value"

    def outputs(self, types: Types, task: Task) -> dict[str, pl.DataType]:
        return {}


@word
class TargetEncoded(TransformWord):
    """A category as the mean label of its training examples; one column a class for a text label.

    Training examples get the mean of examples in other folds, never their own label. Where the split is by time, these
    are examples of earlier folds only; with `Split(group=…)`, a group is in one fold (S60).

    Args:
        columns: Texts, whole numbers or truth values of the model.
        smoothing: So many examples with the mean label of all are added to each category, so that rare ones stay near
            it. 0 or more.
        folds: The number of folds, 2 to 50.

    Raises:
        DeclarationError: For no column, one twice, and a number out of range.

    >>> TargetEncoded("carrier", smoothing=50).smoothing
    50.0
    """

    columns: str | Several[str]
    smoothing: float = Field(default=20.0, ge=0, allow_inf_nan=False)
    folds: int = Field(default=5, ge=2, le=50)

    def __post_init__(self) -> None:
        self.check_names()

    def misfit(self, dtype: pl.DataType) -> str:
        return "" if is_category(dtype) else "a text, a whole number or a truth value"

    def outputs(self, types: Types, task: Task) -> dict[str, pl.DataType]:
        return {} if task == "multiclass" else dict.fromkeys(self.names, pl.Float64())


@word
class Reduced(TransformWord):
    """Principal components of numbers: a few columns in the place of many that move together.

    Numbers are standardised first; a missing one counts as the mean. The largest loading of a component is positive.

    Args:
        columns: Numbers or truth values of the model, 2 to 200.
        components: How many columns come of them: `<name>_1`, `<name>_2`, ….
        name: What these are called.

    Raises:
        DeclarationError: For too few or too many columns, one twice, and more components than columns.

    >>> list(Reduced(["temp", "dewp", "humid"], components=2, name="weather").outputs({}, "binary"))
    ['weather_1', 'weather_2']
    """

    columns: Several[str]
    components: int = Field(default=2, ge=1)
    name: str = "reduced"

    def __post_init__(self) -> None:
        self.check_names()
        if not 2 <= len(self.names) <= MOST_REDUCED:
            raise DeclarationError(
                "Reduced", f"it names {len(self.names)} columns", remedy=f"Name 2 to {MOST_REDUCED} of them."
            )
        if self.components > len(self.names):
            raise DeclarationError(
                "Reduced",
                f"components={self.components} of {len(self.names)} columns",
                remedy="Ask for at most as many as there are columns.",
            )

    def outputs(self, types: Types, task: Task) -> dict[str, pl.DataType]:
        return {f"{self.name}_{index + 1}": pl.Float64() for index in range(self.components)}

    def without(self, dropped: Collection[str]) -> Self | None:
        """Of fewer columns there are no more components than columns; a single one stays as it is."""
        remaining = [name for name in self.names if name not in dropped]
        if len(remaining) < 2:
            return None
        return type(self)(remaining, components=min(self.components, len(remaining)), name=self.name)


Transform = Scaled | Log | Imputed | OneHot | TargetEncoded | Reduced | Hashed
