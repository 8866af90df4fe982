"""One search: trials one after the other, each on record when it ends, until there are enough (S62)."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from ml_platform import interrupts
from ml_platform.errors import BlobError, DeclarationError, EvaluationError, PlatformError, ScoringError, TrainingError
from ml_platform.evaluation.metrics import metric as metric_value
from ml_platform.models.automl_families import Family, families
from ml_platform.naming import counted
from ml_platform.spec.automl import AutoML
from ml_platform.spec.durations import SECOND, microseconds
from ml_platform.spec.metrics import higher_is_better
from ml_platform.spec.plain_trainers import PlainTrainer
from ml_platform.spec.search_space import with_values
from ml_platform.spec.searched_trainers import AnySearched
from ml_platform.spec.tasks import Task
from ml_platform.state import searches
from ml_platform.state.database import State
from ml_platform.state.searches import Search, Trial
from ml_platform.tuning.constraints import constraints, violation_of
from ml_platform.tuning.errors import OutOfTime, SearchFailed, TrialFailed
from ml_platform.tuning.fold_fits import FoldedData
from ml_platform.tuning.folds import Fold
from ml_platform.tuning.halving import TRAINER, HalvedTrial, halved_trial, most_trials
from ml_platform.tuning.sampling import RunningTrial, importance, running_trial

LIMIT_SHARE = 5  # of AutoML's budget, that one trial may take
HOPELESS = 10  # trials from the first one on that all failed, after which no further one is tried

_OF_A_TRIAL = (TrainingError, ScoringError, EvaluationError, BlobError)  # what its parameters may be the reason of

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Searching:
    """A search that is under way: what is declared, what trials are measured on, and where they are recorded."""

    state: State
    declared: AnySearched
    search: Search
    data: FoldedData
    folds: Sequence[Fold]
    labels: Callable[[Fold], Any]
    tell: Tell

    def finished(self) -> Search:
        """The search as done. Raises SearchFailed where no trial gave a model."""
        trials = searches.trials(self.state, self.search.id)
        ended_by = "trials"
        for number in range(self._most):
            if number < len(trials):
                continue  # on record: trials are recorded in order
            interrupts.stop_if_arrived()
            self.tell(self._line(number, trials))
            seconds = self._seconds(number, trials)
            if seconds is not None and seconds <= 0:
                ended_by = "budget"
                break
            try:
                trial = self._trial(number, trials, seconds)
            except OutOfTime:
                ended_by = "budget"
                break
            trials.append(searches.add_trial(self.state, self.search.id, trial))
            if len(trials) >= HOPELESS and all(one.status == "failed" for one in trials):
                break
        return self._ended(trials, ended_by)

    def _ended(self, trials: Sequence[Trial], ended_by: str) -> Search:
        best = best_of(trials, self.search.metric)
        if best is None:
            reasons = list(dict.fromkeys(trial.reason for trial in trials))
            error = f"All {counted(len(trials), 'trial')} of the search failed: {' '.join(reasons[:3])}"
            if not trials:
                error = "The budget of the search ended before its first trial did."
            searches.end(self.state, self.search, "failed", error=error)
            raise SearchFailed(
                error, remedy=f"`ml-platform trials show {self.search.id}` lists them. Change the space or trial_limit."
            )
        mattered = importance(self.declared, self.search.metric, trials)
        return searches.end(
            self.state, replace(self.search, importance=mattered), "done", ended_by=ended_by, best=best.number
        )

    def _seconds(self, number: int, trials: Sequence[Trial]) -> float | None:
        """How long the trial may take by the budget; None: as long as it takes, as the first one may."""
        if self.declared.budget is None or number == 0:
            return None
        return microseconds(self.declared.budget) / SECOND - sum(trial.seconds for trial in trials)

    @cached_property
    def _families(self) -> list[Family]:
        return families(self.declared, self.data.pipeline.task) if isinstance(self.declared, AutoML) else []

    @property
    def _most(self) -> int:
        if isinstance(self.declared, AutoML):
            return most_trials(self.declared, self._families)
        return self.declared.wanted

    def _running(self, number: int, trials: Sequence[Trial]) -> RunningTrial | HalvedTrial:
        if isinstance(self.declared, AutoML):
            return halved_trial(self.declared, self._families, self.search.metric, trials, number)
        return running_trial(self.declared, self.search.metric, trials, number)

    def _limit(self, number: int) -> float | None:
        """How long one trial may take; of AutoML a fifth of the budget unless a limit is declared."""
        if self.declared.trial_limit is not None:
            return microseconds(self.declared.trial_limit) / SECOND
        if isinstance(self.declared, AutoML) and number:
            return microseconds(self.declared.budget) / SECOND / LIMIT_SHARE
        return None

    def _trial(self, number: int, trials: Sequence[Trial], budget: float | None) -> Trial:
        running = self._running(number, trials)
        began = time.perf_counter()
        try:
            trial = self._measured(number, running, began, budget)
        except (TrialFailed, *_OF_A_TRIAL) as error:
            interrupts.stop_if_arrived()
            reason = error.what if isinstance(error, PlatformError) else str(error)
            trial = Trial(number, "failed", running.parameters, reason=reason)
        return replace(trial, seconds=round(time.perf_counter() - began, 4))

    def _measured(self, number: int, running: RunningTrial | HalvedTrial, began: float, budget: float | None) -> Trial:
        trainer = trainer_of_trial(self.declared, self.data.pipeline.task, number, running.parameters)
        limit = self._limit(number)
        values: list[float] = []
        for fold in self.folds:
            interrupts.stop_if_arrived()
            spent = time.perf_counter() - began
            bounds = [end - spent for end in (limit, budget) if end is not None]
            try:
                bundle, scores = self.data.fit(trainer, fold.column, min(bounds, default=None))
            except OutOfTime:
                if limit is not None and (budget is None or limit <= budget):
                    raise TrialFailed(f"It took longer than {_as_limit(self.declared, limit)}.") from None
                raise
            value = metric_value(self.search.metric, self.labels(fold), scores, classes=bundle.classes)
            if not math.isfinite(value):
                raise TrialFailed(f"{self.search.metric} is undefined on a fold.")
            values.append(value)
            if fold is not self.folds[-1] and (why := running.why_pruned(values)):
                return Trial(number, "pruned", running.parameters, values, sum(values) / len(values), reason=why)
        measured = [asdict(one) for one in constraints(self.data, self.folds[-1].column, bundle, scores)]
        mean = sum(values) / len(values)
        return Trial(number, "done", running.parameters, values, mean, measured, violation_of(measured))

    def _line(self, number: int, trials: Sequence[Trial]) -> str:
        best = best_of(trials, self.search.metric)
        so_far = "" if best is None else f", best {self.search.metric} {best.value:.6g} (trial {best.number})"
        most = f"at most {self._most - 1}" if isinstance(self.declared, AutoML) else self._most - 1
        return f"search {self.search.id}, trial {number} of {most}{so_far}"


def _as_limit(declared: AnySearched, limit: float) -> str:
    if declared.trial_limit is not None:
        return f"trial_limit={declared.trial_limit!r}"
    return f"{limit:.3g} s, a fifth of budget={declared.budget!r}"


def trainer_of_trial(declared: AnySearched, task: Task, number: int, parameters: Mapping[str, Any]) -> PlainTrainer:
    """The trainer that a trial fits. Raises TrialFailed for values that the trainer refuses together."""
    if number == 0:
        return declared.trainer
    base, values = declared.trainer, dict(parameters)
    if isinstance(declared, AutoML):
        name = values.pop(TRAINER)
        base = next(family.trainer for family in families(declared, task) if family.name == name)
    try:
        trainer: PlainTrainer = with_values(base, values, type(declared).__name__)
    except DeclarationError as error:
        raise TrialFailed(f"{error.problem}.") from None
    return trainer


def best_of(trials: Sequence[Trial], metric: str) -> Trial | None:
    """The best finished trial: of those that miss no constraint, else of those that miss them by least.

    Of equally good ones the first. None where none finished.
    """
    sign = -1.0 if higher_is_better(metric) else 1.0
    done = [trial for trial in trials if trial.status == "done" and trial.value is not None]
    return min(done, key=lambda one: (one.violation or 0.0, sign * float(one.value or 0.0), one.number), default=None)
