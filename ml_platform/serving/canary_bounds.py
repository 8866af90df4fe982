"""When a canary has left its bounds: a pure function of what was measured (S58)."""

from dataclasses import dataclass
from math import hypot, inf, sqrt

ENOUGH_ANSWERED = 100  # rows that errors are a share of at least
ENOUGH_TIMED = 200  # rows of each version before their times are compared
_ERRORS_OF_MEANS = 3.0  # standard errors by which the bound of latency is left


@dataclass(frozen=True)
class Timed:
    """The CPU times of rows that were answered one by one: how many, their sum in seconds, and the sum of squares."""

    rows: float = 0
    seconds: float = 0.0
    squares: float = 0.0

    @property
    def mean(self) -> float:
        """Seconds a row; 0 without rows."""
        return self.seconds / self.rows if self.rows else 0.0

    @property
    def variance_of_mean(self) -> float:
        """The square of the standard error of `mean`; infinite for fewer than two rows."""
        if self.rows < 2:
            return inf
        spread = max(0.0, self.squares / self.rows - self.mean**2)
        return spread / (self.rows - 1)


@dataclass(frozen=True)
class CanaryFigures:
    """What all workers of a service counted since the canary answers.

    Args:
        answered: Rows that the canary answered.
        failed: Rows that the champion answered in its place, because the canary could not.
        canary: The times of the canary.
        champion: Those of the champion for the other keys, in the same workers over the same period.
    """

    answered: float = 0
    failed: float = 0
    canary: Timed = Timed()
    champion: Timed = Timed()


def why_out_of_bounds(figures: CanaryFigures, max_error_share: float, max_latency_ratio: float) -> str:
    """Which bound the canary has left, as a phrase; empty while it keeps both.

    Errors count from the first row on, as a share of at least `ENOUGH_ANSWERED` rows. Latency is the mean CPU time of
    a row, in times of the champion's; it leaves its bound when that is no chance: by three standard errors.

    >>> why_out_of_bounds(CanaryFigures(answered=98, failed=1), max_error_share=0.01, max_latency_ratio=2.0)
    ''
    >>> why_out_of_bounds(CanaryFigures(answered=8, failed=2), max_error_share=0.01, max_latency_ratio=2.0)
    'it could not answer 2 of 10 rows; its bound is 1 %'
    """
    asked = figures.answered + figures.failed
    if figures.failed > max_error_share * max(asked, ENOUGH_ANSWERED):
        return (
            f"it could not answer {figures.failed:,.0f} of {asked:,.0f} rows; its bound is {100 * max_error_share:g} %"
        )
    canary, champion = figures.canary, figures.champion
    if min(canary.rows, champion.rows) < ENOUGH_TIMED:
        return ""
    excess = canary.mean - max_latency_ratio * champion.mean
    noise = hypot(sqrt(canary.variance_of_mean), max_latency_ratio * sqrt(champion.variance_of_mean))
    if excess <= _ERRORS_OF_MEANS * noise:
        return ""
    return (
        f"a row took {1e6 * canary.mean:,.0f} µs of CPU ({canary.rows:,.0f} rows) and {1e6 * champion.mean:,.0f} µs "
        f"of the champion ({champion.rows:,.0f} rows); its bound is {max_latency_ratio:g} times as much"
    )
