"""How a model is trained, split and retrained (S17 to S20)."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from ml_platform.errors import DeclarationError
from ml_platform.spec.canonical import canonical
from ml_platform.spec.class_weights import ClassWeights
from ml_platform.spec.declared_trainer import TrainerWord
from ml_platform.spec.durations import microseconds, shortest
from ml_platform.spec.vocabulary import word


def _with_canonical_form(values: dict[str, Any]) -> dict[str, Any]:
    try:
        canonical(values)
    except TypeError as error:
        raise PydanticCustomError("value", "{why}", {"why": f"it takes numbers, texts and lists: {error}"}) from None
    return values


_Extra = Annotated[dict[str, Any], AfterValidator(_with_canonical_form)]


@word
class LightGBM(TrainerWord):
    """Gradient-boosted trees.

    Args:
        num_leaves: Leaves of a tree; 2 to 131,072.
        learning_rate: Above 0, at most 1.
        rounds: The number of trees, at most 100,000.
        min_data_in_leaf: Examples of a leaf; 1 or more.
        early_stopping: Stop after so many rounds without gain on the validation part; None: never.
        seed: Of everything that is drawn at random.
        extra: Further parameters by LightGBM's names. An unknown one is refused.
        class_weights: How much an example of each class counts: "balanced" for all classes alike, or class → weight,
            such as {True: 10.0}. They move the probabilities; `Calibrated(…)` moves them back. None: all count 1.

    Raises:
        DeclarationError: For a value out of range.

    >>> LightGBM(rounds=300, early_stopping=30).num_leaves
    31
    """

    num_leaves: int = Field(default=31, ge=2, le=131_072)
    learning_rate: float = Field(default=0.1, gt=0, le=1)
    rounds: int = Field(default=100, ge=1, le=100_000)
    min_data_in_leaf: int = Field(default=20, ge=1)
    early_stopping: int | None = Field(default=None, ge=1)
    seed: int = 0
    extra: _Extra = Field(default_factory=dict)
    class_weights: ClassWeights = None


@word
class XGBoost(TrainerWord):
    """Gradient-boosted trees of XGBoost, which sees numbers as float32. It is installed by `ml_platform[xgboost]`.

    Args:
        max_depth: Of a tree; 1 to 30.
        learning_rate: Above 0, at most 1.
        rounds: The number of boosting rounds, at most 100,000. Each adds a tree, or one a class.
        min_child_weight: The least sum of second derivatives in a leaf; 0 or more.
        early_stopping: Stop after so many rounds without gain on the validation part; None: never.
        seed: Of everything that is drawn at random; 0 or more.
        extra: Further parameters by XGBoost's names. An unknown one is refused.
        class_weights: How much an example of each class counts: "balanced" for all classes alike, or class → weight,
            such as {True: 10.0}. They move the probabilities; `Calibrated(…)` moves them back. None: all count 1.

    Raises:
        DeclarationError: For a value out of range.

    >>> XGBoost(rounds=300, extra={"subsample": 0.8}).max_depth
    6
    """

    max_depth: int = Field(default=6, ge=1, le=30)
    learning_rate: float = Field(default=0.1, gt=0, le=1)
    rounds: int = Field(default=100, ge=1, le=100_000)
    min_child_weight: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    early_stopping: int | None = Field(default=None, ge=1)
    seed: int = Field(default=0, ge=0, le=2**31 - 1)
    extra: _Extra = Field(default_factory=dict)
    class_weights: ClassWeights = None


@word
class Linear(TrainerWord):
    """A regularised linear model: logistic for a Boolean label, multinomial for text, least squares for a number.

    Numbers are standardised and texts are one-hot encoded, by the training part.

    Args:
        l2: The penalty of the squared weights, above 0, as in scikit-learn's `LogisticRegression(C=1 / l2)` and
            `Ridge(alpha=l2)`.
        class_weights: How much an example of each class counts: "balanced" for all classes alike, or class → weight,
            such as {True: 10.0}. They move the probabilities; `Calibrated(…)` moves them back. None: all count 1.

    Raises:
        DeclarationError: For a penalty that is not above 0 or not finite.

    >>> Linear(l2=10.0).l2
    10.0
    """

    l2: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    class_weights: ClassWeights = None


@word
class Split:
    """The training, validation and holdout parts, in this order (S18).

    Two spans split by time: the holdout ends at the decision, the validation part ends where the holdout begins, and
    there are no gaps. Two shares split by a seeded hash of the group or key, and whole groups stay together.

    Args:
        validation: A span such as "7d", or a share between 0 and 1.
        holdout: The same kind as `validation`.
        group: With shares: the input that keeps examples together.
        seed: With shares: of the hash.

    Raises:
        DeclarationError: For a span and a share together, a share out of range, shares that leave nothing to train on,
            and `group` with spans.

    >>> Split(validation=0.1, holdout=0.2, group="customer").timed
    False
    """

    validation: str | float = "7d"
    holdout: str | float = "14d"
    group: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        spans = [isinstance(v, str) for v in (self.validation, self.holdout)]
        if any(spans) != all(spans):
            raise DeclarationError(
                "Split", "validation and holdout are a span and a share", remedy="Give two spans or two shares."
            )
        for name in ("validation", "holdout"):
            value = getattr(self, name)
            if isinstance(value, str):
                microseconds(value, f"Split({name}=…)")
            elif not 0 < value < 1:
                raise DeclarationError(
                    "Split", f"{name}={value} is outside 0 to 1", remedy="It is a share of the rows."
                )
        if not any(spans) and float(self.validation) + float(self.holdout) >= 1:
            raise DeclarationError(
                "Split", "validation and holdout leave nothing to train on", remedy="Together they must stay below 1."
            )
        if any(spans) and self.group is not None:
            raise DeclarationError(
                "Split", "group= needs shares, and these are spans", remedy="Use shares such as 0.2."
            )

    @property
    def timed(self) -> bool:
        """Whether the split is by time."""
        return isinstance(self.holdout, str)


@word
class Retrain:
    """When to train, decided at the end of every partition (S20). One reason is enough.

    Args:
        every: By the calendar: so many partitions after the last training, or in a later UTC period than the last
            training: "1d", "1w" (from Monday) or "1mo". None: not by the calendar.
        min_examples: With fewer known labels nothing is trained, whatever the reason.
        on_drift: Train when the partition's weighted drift (0 to 1) is at least this, or when one important column
            drifted by itself (`Drift(important=…)`).
        on_performance: Train when the champion's headline metric on the partition is worse than on its holdout by more
            than this, in units of the metric.
        cool_down: For so many partitions after a training, only a person triggers another.

    Raises:
        DeclarationError: For a text that is no calendar, a value out of range, and reasons that could never decide.

    >>> Retrain(every=None, on_drift=0.25, cool_down=2).min_examples
    1000
    """

    every: int | str | None = 1
    min_examples: int = Field(default=1000, ge=1)
    on_drift: float | None = Field(default=None, gt=0, le=1)
    on_performance: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    cool_down: int = Field(default=0, ge=0)

    def __post_init__(self) -> None:
        if self.every is None:
            return
        if isinstance(self.every, str):
            shortest(self.every, f"Retrain(every={self.every!r})")
            return
        if self.every < 1:
            raise DeclarationError("Retrain", f"every={self.every} must be greater than or equal to 1")
        if self.cool_down >= self.every:
            raise DeclarationError(
                "Retrain",
                f"cool_down={self.cool_down} prevents every training that every={self.every} asks for",
                remedy=f"Give a cool_down below {self.every}, or every=None.",
            )
        idle = [name for name in ("on_drift", "on_performance") if getattr(self, name) is not None]
        if self.every == 1 and idle:
            raise DeclarationError(
                "Retrain",
                f"every=1 trains after each partition, so {' and '.join(idle)} would never decide anything",
                remedy="Give every=None, or a calendar such as every=6.",
            )
