"""Regression targets whose values float32, in which boosters keep labels, would run together.

Such a target is learnt as (value - centre) / scale, and every score is put back in double arithmetic. The centre is the
median of the train part. The scale is a power of two, and 1 unless the values are too large or too small for float32.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml_platform.errors import TrainingError

Floats = npt.NDArray[np.float64]

TARGET = "target"  # in the configuration of a regression: whether its target may be moved
_RESOLUTION = 2.0**-23  # of float32, relative to a value
_COARSE = 1e-4  # of the labels' standard deviation: a coarser resolution loses what there is to learn
LIGHTGBM_SPREADS = (1e-7, 1e30)  # beyond, squares are below LightGBM's epsilons or beyond float32
XGBOOST_SPREADS = (1e-2, 1e15)  # XGBoost makes no split that gains less than 1e-6, a float32 as all of its gains
_XGBOOST_SCALABLE = frozenset({"reg:squarederror", "reg:absoluteerror", "reg:quantileerror"})
_SCALABLE = (
    frozenset({"regression", "regression_l1", "quantile"}) | _XGBOOST_SCALABLE
)  # no parameter has the label's unit
_MOVABLE = _SCALABLE | {"huber", "fair", "reg:pseudohubererror"}
_POWERS = {"l2": 2, "l1": 1, "rmse": 1, "mae": 1, "quantile": 1}  # of the scale, in an evaluation of the moved target


@dataclass(frozen=True)
class Target:
    """What a regression's labels are moved by."""

    centre: float = 0.0
    scale: float = 1.0

    @property
    def moved(self) -> bool:
        """Whether it changes anything."""
        return self != Target()

    def inward(self, labels: Floats) -> Floats:
        """Labels as they are learnt."""
        return (labels - self.centre) / self.scale if self.moved else labels

    def outward(self, scores: Floats) -> Floats:
        """Scores in units of the labels."""
        return scores * self.scale + self.centre

    def evaluations(self, moved: Mapping[str, float]) -> dict[str, float]:
        """Evaluations of the moved target in units of the labels.

        Raises TrainingError for a metric that is another one of a moved target.
        """
        if not self.moved:
            return dict(moved)
        strange = sorted(moved.keys() - _POWERS.keys() - ({"huber", "fair", "mphe"} if self.scale == 1.0 else set()))
        if strange:
            raise TrainingError(
                f"The labels must be moved for float32, and {', '.join(strange)} of moved labels is another metric.",
                remedy="Subtract a constant in the label, or leave the metric out of extra=.",
            )
        return {name: value * self.scale ** _POWERS.get(name, 0) for name, value in moved.items()}


def target_of(labels: Floats, objective: str, spreads: tuple[float, float] = LIGHTGBM_SPREADS) -> Target:
    """What the labels of the train part are moved by.

    spreads: least and largest standard deviation that the library can learn as it is.

    Raises TrainingError where they must be moved and the objective means something else of moved labels.
    """
    centre = float(np.median(labels))
    with np.errstate(over="ignore"):
        off = labels - centre
        farthest = float(np.abs(off).max())
        spread = farthest * float(np.std(off / farthest)) if farthest and np.isfinite(farthest) else farthest
    close = float(np.abs(labels).max()) * _RESOLUTION > _COARSE * spread
    unscaled = spread >= spreads[0] and farthest <= spreads[1]
    if (not close and unscaled) or not spread:
        return Target()
    if not np.isfinite(farthest):
        raise TrainingError("The labels differ by more than a double holds.", remedy="Scale them in the label.")
    if objective not in (_MOVABLE if unscaled else _SCALABLE):
        raise TrainingError(
            f"The labels are about {centre:g} and differ by about {spread:g}, which float32 cannot tell apart, and the "
            f"objective {objective!r} means something else of labels that are moved.",
            remedy="Subtract a constant or scale in the label, or use an objective of squared errors.",
        )
    return Target(centre, 1.0 if unscaled else 2.0 ** round(float(np.log2(spread))))
