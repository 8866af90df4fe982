"""Paths through the matrix: what each policy trains, decided by what was known at each moment."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ml_platform.errors import UnfitArgument, did_you_mean
from ml_platform.retraining.backtest.matrix import Matrix
from ml_platform.retraining.policy import Evidence, Performance, decide
from ml_platform.spec.training import Retrain

ALL = ("declared", "never", "monthly", "quarterly", "drift", "realised", "cusum", "oracle")
_NOT_BUILT = {"estimated": "no policy retrains on estimates so far"}
_THRESHOLDS = (0.01, 0.02, 0.05, 0.1, 0.2)  # of the CUSUM, in units of the metric
_SLACK = 0.005  # loss within which the CUSUM does not grow
Rule = Callable[[Matrix, int, int], bool]  # (matrix, trained after, now) → whether to train now


@dataclass(frozen=True)
class Path:
    """What a policy did: for each judged partition the training that served it, and all its trainings, by position."""

    serving: Mapping[int, int]
    trained: tuple[int, ...]


def check_names(names: list[str]) -> None:
    """Raise UnfitArgument for a policy that does not exist, is not built, or is asked for twice."""
    for name in names:
        if name in _NOT_BUILT:
            raise UnfitArgument(f"The policy {name!r} cannot be replayed: {_NOT_BUILT[name]}.", remedy="Leave it out.")
        if name not in ALL:
            offered = f"There is no policy {name!r}. {did_you_mean(name, ALL)}".rstrip()
            raise UnfitArgument(offered, remedy=f"Policies: {', '.join(ALL)}.")
        if names.count(name) > 1:
            raise UnfitArgument(f"The policy {name!r} is given twice.", remedy="Name each once.")


def path_of(name: str, matrix: Matrix, declared: Retrain, drift: float, price: float) -> Path:
    """The path of a policy.

    declared: the pipeline's own policy. drift: the bound of the policy `drift`. price: of a training, in units of the
    metric on one partition; the CUSUM tunes its threshold by it, and the oracle chooses by it.
    """
    if name == "oracle":
        return oracle(matrix, price)
    if name == "cusum":
        return walked(matrix, lambda m, i, j: _cusum(m, i, j, _tuned(m, j, price)))
    few = declared.min_examples
    policies = {
        "declared": declared,
        "monthly": Retrain(every="1mo", min_examples=few),
        "quarterly": Retrain(every="3mo", min_examples=few),
        "drift": Retrain(every=None, on_drift=drift, min_examples=few),
        "realised": Retrain(every=None, on_performance=declared.on_performance or 0.02, min_examples=few),
    }
    if name == "never":
        return walked(matrix, lambda m, i, j: False)
    return walked(matrix, lambda m, i, j: decide(policies[name], evidence_of(m, i, j)).trains)


def walked(matrix: Matrix, rule: Rule, until: int | None = None) -> Path:
    """The path of a rule over the partitions before `until` (all by default), from the first possible training on."""
    first = matrix.first
    if first is None:
        return Path({}, ())
    last = len(matrix.partitions) if until is None else until
    trained, serving = [first], dict[int, int]()
    for now in range(first + 1, last):
        serving[now] = trained[-1]
        if now + 1 < last and not matrix.trainings[now].lacking and rule(matrix, trained[-1], now):
            trained.append(now)
    return Path(serving, tuple(trained))


def evidence_of(matrix: Matrix, trained: int, now: int) -> Evidence:
    """What was known at the end of the partition `now`, while the model of `trained` served."""
    cell, row, holdout = matrix.cells[trained, now], matrix.trainings[now], matrix.trainings[trained].holdout
    seen = None
    if cell.known is not None and holdout is not None:
        seen = Performance(matrix.metric, cell.known, holdout, matrix.higher)
    return Evidence(
        since_triggered=now - trained,
        labelled=row.labelled,
        lacking=row.lacking,
        drift=cell.drift,
        performance=seen,
        ends=matrix.ends[now],
        trained=matrix.ends[trained],
        moved=cell.moved,
    )


def _cusum(matrix: Matrix, trained: int, now: int, threshold: float) -> bool:
    """Page's cumulative sum (1954) of the loss against the holdout, beyond a slack, since the last training."""
    total = 0.0
    for j in range(trained + 1, now + 1):
        seen = evidence_of(matrix, trained, j).performance
        total = max(0.0, total + (seen.loss if seen else _SLACK) - _SLACK)
    return total > threshold


def _tuned(matrix: Matrix, now: int, price: float) -> float:
    """The threshold that would have been best on the partitions before `now`; of equals the highest."""

    def net(threshold: float) -> float:
        path = walked(matrix, lambda m, i, j: _cusum(m, i, j, threshold), until=now)
        known = [matrix.cells[i, j].known for j, i in path.serving.items()]
        total = sum(value for value in known if value is not None)
        return (total if matrix.higher else -total) - price * len(path.trained)

    return max(_THRESHOLDS, key=lambda threshold: (net(threshold), threshold))


def oracle(matrix: Matrix, price: float) -> Path:
    """The best path in hindsight at that price, by dynamic programming from the last partition back."""
    first, end = matrix.first, len(matrix.partitions)
    if first is None:
        return Path({}, ())
    judged = set(matrix.judged)
    best: dict[int, tuple[float, tuple[int, ...]]] = {i: (0.0, ()) for i in range(first, end)}
    for now in range(end - 1, first, -1):  # best[i]: from the partition `now` on, served by the model of i
        scored: dict[int, tuple[float, tuple[int, ...]]] = {}
        for i in range(first, now):
            if matrix.trainings[i].lacking:
                continue
            choices = [best[i]]
            if now + 1 < end and not matrix.trainings[now].lacking:
                choices.append((best[now][0] - price, (now, *best[now][1])))
            total, later = max(choices, key=lambda one: (one[0], -len(one[1])))
            scored[i] = total + (matrix.gain(i, now) if now in judged else 0.0), later
        best = scored
    trained = (first, *(best[first][1] if first in best else ()))
    chosen = set(trained)
    return walked(matrix, lambda m, i, j: j in chosen)
