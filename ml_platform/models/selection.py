"""Which columns are kept, with the number that decides about each. Nothing of the holdout is read (S61)."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from ml_platform.errors import TrainingError
from ml_platform.models.choose import losses
from ml_platform.models.protocol import Model
from ml_platform.models.training_data import TrainingData, numeric_labels

Array = npt.NDArray[np.float64]

SHUFFLES = 5  # of each column, by permutation
_ROWS = 10_000  # in which they are shuffled, and between which correlations are taken, evenly spread


@dataclass(frozen=True)
class Choice:
    """What is decided about one column.

    value: the number that decides; None for a column that has none (a text, by correlation).
    """

    column: str
    kept: bool
    value: float | None
    reason: str

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def selected(data: TrainingData, select: Mapping[str, Any], fit: Callable[[], Model], threads: int) -> list[Choice]:
    """A choice about each of the columns, in their order. `fit` fits the trainer on all of them.

    Raises TrainingError where none would be kept, and where there is no validation example to judge by.
    """
    if select["by"] == "correlation":
        return _uncorrelated(data, select["threshold"])
    values = fit().importance() if select["by"] == "importance" else _growth(data, fit(), threads)
    word = "importance" if select["by"] == "importance" else "growth of the loss"
    order = sorted(data.columns, key=lambda name: (-values[name], list(data.columns).index(name)))
    keep, threshold = select["keep"], select["threshold"]
    choices = []
    for name in data.columns:
        rank = order.index(name) + 1
        kept = rank <= keep if threshold is None else values[name] > threshold
        limit = f"rank {rank} of {len(order)}" if threshold is None else f"{'' if kept else 'not '}above {threshold:g}"
        choices.append(Choice(name, kept, values[name], f"{word} {values[name]:.4g}, {limit}"))
    if not any(choice.kept for choice in choices):
        raise TrainingError(
            f"Select(…) keeps no column: the greatest {word} is {values[order[0]]:.4g}.",
            remedy="Lower threshold=, or give keep=.",
        )
    return choices


def _growth(data: TrainingData, model: Model, threads: int) -> dict[str, float]:
    """By column how much the mean loss on validation examples grows when it is shuffled, as a share of the loss."""
    classes = model.signature.classes
    rows = _thinned(data.rows("validation", classes).whole.collect(engine="streaming"))
    if not rows.height:
        raise TrainingError(
            "The validation part has no example to select by.", remedy="Change Split(validation=…), or wait for labels."
        )
    labels = numeric_labels(rows["_label"], classes)

    def loss(frame: pl.DataFrame) -> float:
        return float(np.mean(losses(data.task, classes, labels, model.predict(frame, threads=threads))))

    before, random = loss(rows), np.random.default_rng(0)
    orders = [random.permutation(rows.height) for _ in range(SHUFFLES)]
    growth = {}
    for name in data.columns:
        shuffled = [loss(rows.with_columns(rows[name].gather(order))) for order in orders]
        growth[name] = (float(np.mean(shuffled)) - before) / before if before else 0.0
    return growth


def _uncorrelated(data: TrainingData, threshold: float) -> list[Choice]:
    """Each number is compared with the numbers before it that are kept; constants and texts are kept."""
    numbers = [name for name, dtype in data.columns.items() if dtype != "String"]
    train = _thinned(data.rows("train").whole.select(numbers).collect(engine="streaming")) if numbers else None
    ranks: dict[str, Array] = {}
    choices = []
    for name in data.columns:
        if train is None or name not in numbers:
            choices.append(Choice(name, kept=True, value=None, reason="a text, which is not compared"))
            continue
        own = _ranks(train[name])
        among = {other: abs(float(np.mean(own * theirs))) for other, theirs in ranks.items()}
        nearest = max(among, key=lambda other: among[other], default=None)
        value = among[nearest] if nearest else 0.0
        kept = value <= threshold
        reason = f"correlation {value:.4g} with {nearest}" if nearest else "the first number"
        limit = f", {'not ' if kept else ''}above {threshold:g}" if nearest else ""
        choices.append(Choice(name, kept, value, reason + limit))
        if kept:
            ranks[name] = own
    return choices


def _ranks(values: pl.Series) -> Array:
    """Ranks with mean 0 and deviation 1; 0 where a value is missing or all are equal."""
    numbers = values.cast(pl.Float64).fill_nan(None)
    ranks = numbers.rank().cast(pl.Float64)
    mean = ranks.mean()
    centred = (ranks - (mean if isinstance(mean, float) else 0.0)).fill_null(0.0).to_numpy()
    spread = float(np.sqrt(np.mean(centred**2))) if len(centred) else 0.0
    return np.asarray(centred / spread if spread else centred)


def _thinned(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.gather_every(max(1, -(-rows.height // _ROWS)))
