"""How far a figure may move: learnt from how far it moved before, within bounds that hold from the first month.

With one earlier partition nothing is known about the usual movement, so the widest tolerance holds (`cap`);
with more, the tolerance narrows to a multiple of the largest movement seen, and never below `floor`.
Movements beyond the cap were faults themselves: what they do not do is widen the tolerance.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

_SIGMA = 1.4826  # median absolute deviation → standard deviation, for normal values


@dataclass(frozen=True)
class Tolerance:
    """Between `floor` and `cap`, `times` the largest earlier movement."""

    floor: float
    cap: float
    times: float = 4.0

    def of(self, movements: Sequence[float]) -> float:
        """The tolerance after these movements, one for each earlier partition that had others before it."""
        usual = [abs(m) for m in movements if abs(m) <= self.cap]
        narrowest = max(self.floor, self.cap / (len(movements) + 1))
        return min(self.cap, max(narrowest, self.times * max(usual, default=0.0)))


def deviation(values: Sequence[float]) -> float:
    """The robust standard deviation: that of the middle half, as if normal. 0 for fewer than three values."""
    if len(values) < 3:
        return 0.0
    middle = median(values)
    return _SIGMA * median(abs(value - middle) for value in values)


def movements(values: Sequence[float]) -> list[float]:
    """How far each value lies from the median of those before it, from the second on."""
    return [values[i] - median(values[:i]) for i in range(1, len(values))]
