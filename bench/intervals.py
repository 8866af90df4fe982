"""How often 95 % intervals hold the true value, in five regimes.

`python -m bench.intervals [--times 1000] [--regime few]`; seeded. The intervals are those of `Part.interval`, which
gates, cards and the performance table show. True values are exact or those of two million rows.
"""

import argparse
import math
import zlib
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np
import polars as pl

from ml_platform.evaluation.candidate import Part
from ml_platform.evaluation.metrics import metric

CLASSES = ("a", "b", "c")
Draw = Callable[[Any, int], tuple[Any, Any]]  # generator, rows → labels, scores


def _binary(positives: float, auc: float) -> Draw:
    """Calibrated scores of two normal classes with that ROC AUC."""
    apart = math.sqrt(2) * NormalDist().inv_cdf(auc)

    def draw(random: Any, rows: int) -> tuple[Any, Any]:
        labels = random.random(rows) < positives
        signal = random.normal(size=rows) + apart * labels
        odds = apart * signal - apart**2 / 2 + math.log(positives / (1 - positives))
        return labels, 1 / (1 + np.exp(-odds))

    return draw


def _tailed(random: Any, rows: int) -> tuple[Any, Any]:
    """A regression whose errors have Student's t with 5 degrees of freedom: a kurtosis of 9."""
    scores = 2 * random.normal(size=rows)
    return scores + random.standard_t(5, size=rows), scores


def _classes(random: Any, rows: int) -> tuple[Any, Any]:
    """Three classes, of 60, 30 and 10 %."""
    shares = np.array([0.6, 0.3, 0.1])
    codes = random.choice(3, rows, p=shares)
    weights = random.normal(size=(rows, 3)) + 1.5 * np.eye(3)[codes] + np.log(shares)
    powers = np.exp(weights)
    return np.array(CLASSES)[codes], powers / powers.sum(axis=1, keepdims=True)


REGIMES: dict[str, tuple[str, int, Draw, tuple[str, ...], tuple[str, ...]]] = {
    "few": ("200 rows, 6 % positive, ROC AUC .75", 200, _binary(0.06, 0.75), (), ("roc_auc", "brier", "log_loss")),
    "high": ("200 rows, 25 % positive, ROC AUC .96", 200, _binary(0.25, 0.96), (), ("roc_auc", "brier", "recall")),
    "plain": ("2,000 rows, 50 % positive, ROC AUC .75", 2000, _binary(0.5, 0.75), (), ("roc_auc", "brier", "accuracy")),
    "tails": ("500 rows, a regression with heavy tails", 500, _tailed, (), ("r2", "rmse", "mae")),
    "classes": ("500 rows, three classes", 500, _classes, CLASSES, ("accuracy", "log_loss", "macro_f1")),
}


def true_values(regime: str, names: tuple[str, ...]) -> dict[str, float]:
    """These metrics of the regime on two million rows."""
    _, _, draw, classes, _ = REGIMES[regime]
    parts = [draw(np.random.default_rng([7, number]), 200_000) for number in range(10)]
    return {name: float(np.mean([metric(name, *part, classes=classes) for part in parts])) for name in names}


def coverage(regime: str, times: int, names: tuple[str, ...] = ()) -> dict[str, float]:
    """For each metric of a regime the share of `times` intervals that hold the true value."""
    _, rows, draw, classes, all_names = REGIMES[regime]
    names = names or all_names
    truth = true_values(regime, names)
    held: dict[str, list[bool]] = {name: [] for name in names}
    for number in range(times):
        labels, scores = draw(np.random.default_rng([zlib.crc32(regime.encode()), number]), rows)
        part = Part(pl.DataFrame(), pl.Series(labels), classes, scores)
        for name in names:
            one = part.interval(name)
            if one.low is not None and one.high is not None:
                held[name].append(one.low <= truth[name] <= one.high)
    return {name: sum(shares) / len(shares) for name, shares in held.items()}


def main() -> None:
    """Print one line a regime."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int, default=1000)
    parser.add_argument("--regime", choices=REGIMES)
    asked = parser.parse_args()
    for regime in [asked.regime] if asked.regime else REGIMES:
        shares = coverage(regime, asked.times)
        print(
            f"| {REGIMES[regime][0]} | {', '.join(f'{name} {share:.1%}' for name, share in shares.items())} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
