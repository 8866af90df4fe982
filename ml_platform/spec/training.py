"""How a model is trained, split and retrained (S17 to S20)."""

from typing import Any

from pydantic import Field

from ml_platform.errors import DeclarationError
from ml_platform.spec.durations import microseconds, shortest
from ml_platform.spec.vocabulary import word


@word
class LightGBM:
    """Gradient-boosted trees. `rounds` is their number; `early_stopping` rounds without gain on validation end it.

    `extra` passes further LightGBM parameters; one that it does not know is refused.
    """

    num_leaves: int = Field(default=31, ge=2, le=131_072)
    learning_rate: float = Field(default=0.1, gt=0, le=1)
    rounds: int = Field(default=100, ge=1, le=100_000)
    min_data_in_leaf: int = Field(default=20, ge=1)
    early_stopping: int | None = Field(default=None, ge=1)
    seed: int = 0
    extra: dict[str, Any] = Field(default_factory=dict)


@word
class Linear:
    """A regularised linear model: logistic for a Boolean label, multinomial for text, least squares for a number.

    Numbers are standardised and texts one-hot, by the train part. `l2` penalises the squared weights: as
    `LogisticRegression(C=1 / l2)` and `Ridge(alpha=l2)` of scikit-learn do.

    >>> Linear(l2=10.0).l2
    10.0
    """

    l2: float = Field(default=1.0, gt=0, allow_inf_nan=False)


DeclaredTrainer = LightGBM | Linear
TRAINERS: dict[type, str] = {LightGBM: "lightgbm", Linear: "linear"}  # word → its module in `ml_platform.models`


@word
class Split:
    """Three parts: train < validation < holdout (S18).

    With time (`at`): `validation` and `holdout` are spans that end at the decision; the gaps
    before them are none. Without time, or with `group`: shares between 0 and 1, whole groups
    together, by a seeded hash of the group or key.
    """

    validation: str | float = "7d"
    holdout: str | float = "14d"
    group: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        spans = [isinstance(v, str) for v in (self.validation, self.holdout)]
        if any(spans) != all(spans):
            raise DeclarationError("Split", "one part is a span and the other a share", remedy="Use one kind.")
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
            raise DeclarationError("Split", "group= goes with shares, not spans", remedy="Use shares such as 0.2.")

    @property
    def timed(self) -> bool:
        return isinstance(self.holdout, str)


@word
class Retrain:
    """When to train, judged at the end of every partition (S20). Any one reason is enough.

    every:          the calendar: so many partitions after the last training; or in a later period than it, in
                    UTC: "1d", "1w" (from Monday), "1mo", which may hold many partitions; None: not by the calendar.
    min_examples:   known labels below which nothing is trained, whatever the reason.
    on_drift:       the partition's drift, weighted by importance into one figure (0 to 1), at or above this.
    on_performance: the champion's headline metric on the partition, worse than on its holdout by more than this.
    cool_down:      partitions after a training in which nothing fires; a person may.
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
                f"cool_down={self.cool_down} forbids what every={self.every} asks for",
                remedy=f"Give a cool_down below {self.every}, or every=None.",
            )
        idle = [name for name in ("on_drift", "on_performance") if getattr(self, name) is not None]
        if self.every == 1 and idle:
            raise DeclarationError(
                "Retrain",
                f"every=1 trains after each partition, so {' and '.join(idle)} would never decide anything",
                remedy="Give every=None, or a calendar such as every=6.",
            )
