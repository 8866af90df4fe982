"""What an estimator answers: a value with its interval, or why there is none."""

from dataclasses import dataclass
from enum import StrEnum

BLIND = (
    "An estimate knows scores, not labels. It holds while scores of one height are right as often as in the reference. "
    "It cannot see concept drift."
)


class Reason(StrEnum):
    """Why a metric is not estimable."""

    FEW_ROWS = "few rows"  # in the window
    FEW_REFERENCE_ROWS = "few reference rows"
    ONE_CLASS = "one class"  # in the reference, or likely in the window
    UNCALIBRATED = "uncalibrated"
    SEPARABLE = "separable"  # the window's scores lie where the reference has too few
    UNDEFINED = "undefined"  # for these scores, whatever the labels are
    NO_ESTIMATOR = "no estimator"  # for this metric


@dataclass(frozen=True)
class Estimate:
    """The expected metric of a window and the 95 % interval of what is realised later.

    The interval holds the noise of as many labels as the window has rows, the uncertainty of the calibration, and how
    much the calibration differed between the days of the reference.
    """

    metric: str
    value: float
    low: float
    high: float
    rows: int


@dataclass(frozen=True)
class NotEstimable:
    """A metric that has no estimate in a window. `reason` is to decide by, `detail` to be read."""

    metric: str
    reason: Reason
    detail: str
    rows: int


Answer = Estimate | NotEstimable


@dataclass(frozen=True)
class Refusal:
    """Why nothing of a window, or of a reference, is estimable."""

    reason: Reason
    detail: str

    def of(self, metric: str, rows: int) -> NotEstimable:
        """The refusal as the answer for a metric."""
        return NotEstimable(metric, self.reason, self.detail, rows)
