"""The finding of a check about one column: how far it moved and how far it may, with a sentence and a plot."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ml_platform.plots import series as plots
from ml_platform.quality.history import Column, History

ENOUGH = 50  # values, or rows; shares of fewer jump by chance


@dataclass(frozen=True)
class Finding:
    """How far one column moved (`value`) and how far it may (`threshold`), with both states in short."""

    column: str
    value: float
    threshold: float
    before: str
    now: str
    description: str
    draw: Callable[[], bytes]

    @property
    def passed(self) -> bool:
        return self.value <= self.threshold

    @property
    def strain(self) -> float:
        """The used part of the tolerance. The greatest is the worst."""
        if self.threshold > 0:
            return self.value / self.threshold
        return 0.0 if self.value <= 0 else float("inf")


def series(title: str, values: Sequence[float], low: float, high: float) -> Callable[[], bytes]:
    """The plot of a figure's history, drawn on demand."""
    return lambda: plots.series(title, values, low, high)


def pairs(title: str, labels: Sequence[str], before: Sequence[float], now: Sequence[float]) -> Callable[[], bytes]:
    """The plot of two mixes, drawn on demand."""
    return lambda: plots.pairs(title, labels, before, now)


def columns(
    history: History, count: Callable[[Column], int] = lambda c: c.values
) -> Iterator[tuple[Column, list[Column]]]:
    """Each column with its earlier versions of the same type, where both have enough values to be judged."""
    for name, now in history.now.columns.items():
        before = [profile.columns[name] for profile in history.earlier if name in profile.columns]
        earlier = [c for c in before if c.type == now.type and count(c) >= ENOUGH]
        if earlier and count(now) >= ENOUGH:
            yield now, earlier
