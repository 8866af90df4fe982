"""The comparison of policies on the same partitions, and the recommendation."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ml_platform.evaluation.intervals import quantile_of_t
from ml_platform.retraining.backtest.matrix import Matrix
from ml_platform.retraining.backtest.policies import Path, path_of
from ml_platform.spec.training import Retrain

FEWEST = 6  # partitions; with fewer nothing is recommended


@dataclass(frozen=True)
class PolicyResult:
    """A policy over the judged partitions. Intervals are 95 %, over partitions, by Student's t.

    mean, low, high: the metric. worst: its worst value, of worst_partition. cost: price times trainings.
    regret: how much worse than the oracle a partition is on average, price included; never below 0.
    worse_by: how much worse than the best policy a partition is, price included, paired, with its interval.
    """

    policy: str
    mean: float
    low: float | None
    high: float | None
    worst: float
    worst_partition: str
    trainings: int
    seconds: float
    cost: float
    regret: float
    worse_by: float
    worse_low: float | None
    worse_high: float | None
    trained_after: tuple[str, ...]
    by_partition: Mapping[str, float]


def mean_interval(values: Sequence[float]) -> tuple[float, float | None, float | None]:
    """The mean with its 95 % interval by Student's t; without an interval for fewer than two values."""
    mean, count = float(np.mean(values)), len(values)
    if count < 2:
        return mean, None, None
    half = quantile_of_t(count - 1) * float(np.std(values, ddof=1)) / math.sqrt(count)
    return mean, mean - half, mean + half


def compared(matrix: Matrix, names: Sequence[str], declared: Retrain, drift: float, price: float) -> dict[str, Any]:
    """The results of the policies and the recommendation, as JSON values. See docs/backtest.md."""
    judged = matrix.judged
    paths = {name: path_of(name, matrix, declared, drift, price) for name in names}
    best_possible = _net(matrix, path_of("oracle", matrix, declared, drift, price), price)
    nets = {name: _net(matrix, path, price) for name, path in paths.items()}
    real = [name for name in names if name != "oracle"]
    if not judged or not real:
        why = "No partition has a metric of an earlier model." if not judged else "Only the oracle was asked for."
        return _answer(matrix, price, [], None, why)
    best = max(real, key=lambda name: (float(np.mean(nets[name])), -len(paths[name].trained)))
    results = [_result(matrix, name, paths[name], price, nets[name], nets[best], best_possible) for name in names]
    recommended, why = _recommended([one for one in results if one.policy in real], best, len(judged))
    return _answer(matrix, price, results, recommended, why)


def _answer(
    matrix: Matrix, price: float, results: Sequence[PolicyResult], recommended: str | None, why: str
) -> dict[str, Any]:
    return {
        "metric": matrix.metric,
        "higher_is_better": matrix.higher,
        "price": price,
        "partitions": [matrix.partitions[j] for j in matrix.judged],
        "policies": [asdict(one) for one in results],
        "recommended": recommended,
        "why": why,
    }


def _net(matrix: Matrix, path: Path, price: float) -> list[float]:
    """Per judged partition: the metric, more is better, less the price of the trainings since the judged one before."""
    nets, before = [], -1
    for j in matrix.judged:
        bought = sum(before <= trained < j for trained in path.trained)
        nets.append(matrix.gain(path.serving[j], j) - price * bought)
        before = j
    return nets


def _result(
    matrix: Matrix,
    name: str,
    path: Path,
    price: float,
    net: Sequence[float],
    best: Sequence[float],
    oracle: Sequence[float],
) -> PolicyResult:
    sign = 1.0 if matrix.higher else -1.0
    gains = {j: matrix.gain(path.serving[j], j) for j in matrix.judged}
    worst = min(gains, key=lambda j: gains[j])
    mean, low, high = mean_interval([sign * gain for gain in gains.values()])
    worse, worse_low, worse_high = mean_interval(np.subtract(best, net).tolist())
    return PolicyResult(
        policy=name,
        mean=mean,
        low=low,
        high=high,
        worst=sign * gains[worst],
        worst_partition=matrix.partitions[worst],
        trainings=len(path.trained),
        seconds=sum(matrix.trainings[i].seconds for i in path.trained),
        cost=price * len(path.trained),
        regret=max(0.0, float(np.mean(np.subtract(oracle, net)))),
        worse_by=worse,
        worse_low=worse_low,
        worse_high=worse_high,
        trained_after=tuple(matrix.partitions[i] for i in path.trained),
        by_partition={matrix.partitions[j]: sign * gain for j, gain in gains.items()},
    )


def _recommended(results: Sequence[PolicyResult], best: str, partitions: int) -> tuple[str | None, str]:
    """The policy with the fewest trainings of those that are not shown to be worse than the best."""
    if partitions < FEWEST:
        return None, f"{partitions} partitions are too few to recommend a policy; {FEWEST} are the least."
    fit = [one for one in results if one.policy == best or one.worse_low is None or one.worse_low <= 0]
    one = min(fit, key=lambda each: (each.trainings, each.seconds, each.worse_by))
    span = "" if one.worse_low is None else f" (95 %: {one.worse_low:.4f} to {one.worse_high:.4f})"
    why = f"{one.policy} has the fewest trainings of those not shown to be worse than {best}: "
    why += f"worse by {one.worse_by:.4f}{span}."
    if one.policy == best:
        why = f"{best} is the best after its price, and no policy with fewer trainings is as good."
    simple = [each.policy for each in fit if each.policy in ("monthly", "quarterly", "cusum") and each is not one]
    return one.policy, why + (f" Not shown to be worse either: {', '.join(simple)}." if simple else "")
