"""How far a figure may move: learnt from its earlier movements, within fixed bounds.

With one earlier partition the usual movement is unknown, so the widest tolerance holds (`cap`). With more partitions,
the tolerance narrows to a multiple of the largest movement, but never below `floor`. Movements beyond the cap were
faults, so they do not widen the tolerance.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

_SIGMA = 1.4826  # median absolute deviation → standard deviation, for normal values


@dataclass(frozen=True)
class Tolerance:
    """`times` the largest earlier movement, between `floor` and `cap`.

    >>> Tolerance(floor=0.1, cap=1.0).of([0.05, 0.1, 0.04, 0.06])
    0.4
    """

    floor: float
    cap: float
    times: float = 4.0

    def of(self, movements: Sequence[float]) -> float:
        """The tolerance after these movements, one for each earlier partition that had others before it."""
        usual = [abs(m) for m in movements if abs(m) <= self.cap]
        narrowest = max(self.floor, self.cap / (len(movements) + 1))
        return min(self.cap, max(narrowest, self.times * max(usual, default=0.0)))


def deviation(values: Sequence[float]) -> float:
    """The standard deviation by the median absolute deviation, as of normal values; 0 for fewer than three.

    >>> deviation([1.0, 2.0, 3.0])
    1.4826
    """
    if len(values) < 3:
        return 0.0
    middle = median(values)
    return _SIGMA * median(abs(value - middle) for value in values)


def movements(values: Sequence[float]) -> list[float]:
    """The distance of each value, from the second on, from the median of those before it.

    >>> movements([1.0, 3.0, 2.0])
    [2.0, 0.0]
    """
    return [values[i] - median(values[:i]) for i in range(1, len(values))]
