"""How often `NoWorseThanChampion` is wrong: an equal model refused, one worse by three tolerances promoted.

Simulated binary problems: both models score the same holdout, and their scores correlate within each class. The gate is
the platform's own. `python -m bench.promotion_errors [--times 500]`; seeded.
"""

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import polars as pl

from ml_platform.evaluation.candidate import Candidate, Champion, Part
from ml_platform.evaluation.gates.no_worse_than_champion import NO_WORSE_THAN_CHAMPION
from ml_platform.spec.gates import NoWorseThanChampion

TOLERANCE = 0.01
CORRELATION = 0.9  # of the two scores within a class


@dataclass(frozen=True)
class Scores:
    """A model that answers with what was drawn for it."""

    drawn: Any
    classes: tuple[str, ...] = ()

    def scores(self, frame: pl.DataFrame) -> Any:
        return self.drawn

    def score_row(self, row: Any) -> Any:
        raise NotImplementedError("the gate compares whole holdouts, never one row")


def separation(auc: float) -> float:
    """How far the class means of two unit normals are apart that have this ROC AUC."""
    return math.sqrt(2) * NormalDist().inv_cdf(auc)


def outcomes(rows: int, positives: float, auc: float, worse_by: float, times: int) -> Iterator[bool]:
    """Whether the gate passed, for each seeded holdout. The champion has `auc`, the candidate less by `worse_by`."""
    gate = NoWorseThanChampion("roc_auc", tolerance=TOLERANCE)
    for number in range(times):
        random = np.random.default_rng([number, rows, round(1000 * positives), round(1000 * worse_by)])
        labels = random.random(rows) < positives
        shared, own, other = random.normal(size=(3, rows))
        noise = math.sqrt(CORRELATION), math.sqrt(1 - CORRELATION)
        theirs = noise[0] * shared + noise[1] * other + separation(auc) * labels
        ours = noise[0] * shared + noise[1] * own + separation(auc - worse_by) * labels
        yield bool(NO_WORSE_THAN_CHAMPION.measure(gate, _candidate(labels, ours, theirs))[0].passed)


def _candidate(labels: Any, ours: Any, theirs: Any) -> Candidate:
    holdout = Part(pl.DataFrame({"row": np.arange(len(labels))}), pl.Series(labels), (), ours)
    champion = Champion(1, Scores(theirs), None, "split")
    return Candidate(
        "simulated", 2, "binary", ("row",), Scores(ours), holdout, "", 0, None, None, "split", champion=champion
    )


def main() -> None:
    """Print one line a setting: the share of equal models refused and of worse ones promoted."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int, default=500)
    times = parser.parse_args().times
    print("| rows | positive | ROC AUC | equal refused | worse by 1 tolerance promoted | by 2 | by 3 |")
    for rows in (500, 2000):
        for positives in (0.5, 0.2):
            passed = [sum(outcomes(rows, positives, 0.75, steps * TOLERANCE, times)) / times for steps in range(4)]
            shown = " | ".join(f"{share:.1%}" for share in (1 - passed[0], *passed[1:]))
            print(f"| {rows:,} | {positives:.0%} | .75 | {shown} |", flush=True)


if __name__ == "__main__":
    main()
