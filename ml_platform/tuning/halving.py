"""What `AutoML(…)` tries next, and which trial goes on to its next fold (S62).

Both are functions of the finished trials on record, the seed and the number of the trial, so that a search that was
ended goes on with what it would have tried.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from ml_platform.models.automl_families import Family
from ml_platform.naming import counted
from ml_platform.spec.automl import AutoML
from ml_platform.spec.metrics import higher_is_better
from ml_platform.state.searches import Trial
from ml_platform.tuning.sampling import suggested

TRAINER = "trainer"  # the parameter of a trial that names its family
GOING_ON = 3  # of so many trials that reached a fold, one goes on to the next (the reduction factor of the halving)
FAMILY_SHARES = (0.6, 0.25, 0.15)  # of the trials, for the best family so far and the next ones


class HalvedTrial:
    """A trial that is under way: its parameters, and whether its folds so far let it go on.

    Successive halving without waiting (Li et al. 2020, ASHA), with folds as rungs, over all trainers together.
    """

    def __init__(self, parameters: Mapping[str, Any], metric: str, earlier: Sequence[Trial], *, prune: bool) -> None:
        self.parameters = parameters
        self._sign = 1.0 if higher_is_better(metric) else -1.0
        self._earlier, self._prune = earlier, prune

    def why_pruned(self, fold_values: Sequence[float]) -> str:
        """Why the trial ends after these folds, as a sentence; empty where it goes on."""
        many = len(fold_values)
        reached = [sum(one.fold_values[:many]) / many for one in self._earlier if len(one.fold_values) >= many]
        if not self._prune or len(reached) < GOING_ON:
            return ""
        mean = sum(fold_values) / many
        better = sum(self._sign * one > self._sign * mean for one in reached)
        if better < (len(reached) + 1) / GOING_ON:
            return ""
        return f"After {counted(many, 'fold')} it was not among the best third of the trials so far ({mean:.6g})."


def halved_trial(
    declared: AutoML, among: Sequence[Family], metric: str, finished: Sequence[Trial], number: int
) -> HalvedTrial:
    """The trial of that number, from the finished ones before it.

    First every trainer as it is declared, none of which is pruned; then the starts of each that did not fail; then what
    TPE suggests from the trials of one family. Of families the better ones are drawn more often.
    """
    earlier = [trial for trial in finished if trial.number < number]
    failed = {str(one.parameters.get(TRAINER)) for one in earlier[: len(among)] if one.status == "failed"}
    opening = _opening(among, failed)
    if number < len(opening):
        return HalvedTrial(opening[number], metric, earlier, prune=number >= len(among))
    family = _drawn(declared, among, metric, earlier, number)
    its_own = [trial for trial in earlier if trial.parameters.get(TRAINER) == family.name]
    parameters = suggested(family.space, metric, its_own, seed_of(declared.seed, number))
    return HalvedTrial({TRAINER: family.name, **parameters}, metric, earlier, prune=True)


def seed_of(seed: int, number: int) -> int:
    """The seed of one trial."""
    return int.from_bytes(hashlib.sha256(f"{seed} {number}".encode()).digest()[:4])


def most_trials(declared: AutoML, among: Sequence[Family]) -> int:
    """How many trials there can be: those of the opening only where no trainer has a space."""
    searchable = any(family.space for family in among)
    return declared.wanted if searchable else min(declared.wanted, len(_opening(among)))


def _opening(among: Sequence[Family], failed: Collection[str] = ()) -> list[dict[str, Any]]:
    listed = [{TRAINER: family.name} for family in among]
    going = [family for family in among if family.name not in failed]
    by_family = [[{TRAINER: family.name, **start} for start in family.starts] for family in going]
    return listed + [start for turn in zip_longest(*by_family) for start in turn if start is not None]


def _drawn(declared: AutoML, among: Sequence[Family], metric: str, earlier: Sequence[Trial], number: int) -> Family:
    """A family with a space, by the rank of its best trial: what misses a gate is last, and what has no finished trial
    is left out while another one has."""
    sign = -1.0 if higher_is_better(metric) else 1.0

    def rank(family: Family) -> tuple[float, float]:
        done = [one for one in earlier if one.parameters.get(TRAINER) == family.name and one.status == "done"]
        ranks = [(one.violation or 0.0, sign * one.value) for one in done if one.value is not None]
        return min(ranks, default=(float("inf"), 0.0))

    searchable = [family for family in among if family.space]
    working = [family for family in searchable if rank(family)[0] < float("inf")]
    searchable = working or searchable
    ranked = sorted(searchable, key=rank)[: len(FAMILY_SHARES)]
    draw = seed_of(declared.seed, number) / 2**32 * sum(FAMILY_SHARES[: len(ranked)])
    for family, share in zip(ranked, FAMILY_SHARES, strict=False):
        draw -= share
        if draw < 0:
            return family
    return ranked[0]
