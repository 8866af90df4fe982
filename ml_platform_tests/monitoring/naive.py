"""Drift of one column, row by row, written from the words of the docstrings alone."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

FLOOR = 0.0001


def psi(reference: Sequence[float], current: Sequence[float]) -> float:
    total = 0.0
    for r, c in zip(reference, current, strict=True):
        r, c = max(r, FLOOR), max(c, FLOOR)
        total += (c - r) * math.log(c / r)
    return total


def number_psi(reference: list[float | None], current: list[float | None]) -> float:
    """Bins end before every decile of the reference, and after it where that value is a tenth of the reference."""
    values = sorted(v for v in reference if v is not None)
    deciles = sorted({values[math.ceil(i * len(values) / 10) - 1] for i in range(1, 10)}) if values else []
    atoms = {d for d in deciles if values.count(d) * 10 >= len(values)}

    def bin_of(value: float | None) -> Any:
        if value is None:
            return "null"
        below = [d for d in deciles if d <= value]
        if not below:
            return "first"
        return (below[-1], value > below[-1] and below[-1] in atoms)

    bins: list[Any] = ["null", "first"]
    for decile in deciles:
        bins += [(decile, False), (decile, True)] if decile in atoms else [(decile, False)]
    shares = [[sum(bin_of(v) == b for v in side) / len(side) for b in bins] for side in (reference, current)]
    return psi(*shares)


def level_figures(
    reference: list[str | None], current: list[str | None], named: int
) -> tuple[float, float | None, int, float]:
    """PSI, Jensen-Shannon distance, unseen levels and the share of rows that have one."""
    counts = Counter(v for v in reference if v is not None)
    top = sorted(counts, key=lambda level: (-counts[level], level))[:named]

    def bin_of(value: str | None) -> str:
        if value is None:
            return "null"
        if value in top:
            return f"level {value}"
        return "other" if value in counts else "unseen"

    bins = [f"level {level}" for level in top] + ["other", "unseen"]
    shares = [[sum(bin_of(v) == b for v in side) / len(side) for b in [*bins, "null"]] for side in (reference, current)]
    known = [[v for v in side if v is not None] for side in (reference, current)]
    strange = [v for v in known[1] if v not in counts]
    distance = None
    if known[0] and known[1]:
        p, q = ([sum(bin_of(v) == b for v in side) / len(side) for b in bins] for side in known)
        half = [(a + b) / 2 for a, b in zip(p, q, strict=True)]
        kl = [sum(a * math.log2(a / m) for a, m in zip(side, half, strict=True) if a) for side in (p, q)]
        distance = math.sqrt(max(0.0, sum(kl) / 2))
    return psi(*shares), distance, len(set(strange)), len(strange) / len(current)
