"""What Optuna does for a search: it suggests trials, ends bad ones early and says which parameters mattered.

Nothing is kept in Optuna. For each trial a fresh study is filled with the finished ones on record, and its sampler has
a seed of the trial's own. So a search that was killed suggests what it would have suggested. Every argument on which a
suggestion depends is given, because Optuna's defaults change between versions.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from ml_platform.errors import TrainingError
from ml_platform.naming import counted
from ml_platform.spec.automl import AutoML
from ml_platform.spec.metrics import higher_is_better
from ml_platform.spec.search_space import Dimension, FloatRange, IntRange, same
from ml_platform.spec.searched_trainers import AnySearched, Grid, Tuned
from ml_platform.state.searches import Trial

TPE = {"n_startup_trials": 10, "n_ei_candidates": 24, "multivariate": True, "group": False, "constant_liar": False}
MEDIAN = {"n_startup_trials": 5, "n_warmup_steps": 0, "interval_steps": 1, "n_min_trials": 5}
FAMILY_STARTUP = 5  # trials of a trainer of AutoML before the sampler learns
_IMPORTANCE_FROM = 10  # finished trials


class RunningTrial:
    """A trial that is under way: its parameters, and whether its folds so far let it go on."""

    def __init__(self, parameters: Mapping[str, Any], trial: Any, *, prune: bool) -> None:
        self.parameters = parameters
        self._trial, self._prune = trial, prune

    def why_pruned(self, fold_values: Sequence[float]) -> str:
        """Why the trial ends after these folds, as a sentence; empty where it goes on."""
        if not self._prune:
            return ""
        mean = sum(fold_values) / len(fold_values)
        self._trial.report(mean, len(fold_values) - 1)
        if not self._trial.should_prune():
            return ""
        after = counted(len(fold_values), "fold")
        return f"After {after} it was worse than the median of the trials before ({mean:.6g})."


def settings_of(declared: AnySearched) -> dict[str, Any]:
    """What the suggestions of a search depend on, and the library that makes them, for its record."""
    sampler: dict[str, Any] = {"name": "grid"}
    if isinstance(declared, Tuned):
        sampler = {"name": declared.sampler, **(TPE if declared.sampler == "tpe" else {}), "seed": declared.seed}
    pruner: dict[str, Any] = {"name": "median", **MEDIAN} if declared.prune else {"name": "none"}
    if isinstance(declared, AutoML):
        sampler = {"name": "tpe", **TPE, "n_startup_trials": FAMILY_STARTUP, "seed": declared.seed}
        pruner = {"name": "halving"}
    return {
        "sampler": sampler,
        "pruner": pruner,
        "budget": declared.budget,
        "trial_limit": declared.trial_limit,
        "folds": declared.folds,
        "optuna": _optuna().__version__,
    }


def running_trial(declared: Tuned | Grid, metric: str, finished: Sequence[Trial], number: int) -> RunningTrial:
    """The trial of that number, from the finished ones before it. Trial 0 is the trainer as declared."""
    optuna = _optuna()
    earlier = [trial for trial in finished if trial.number < number]
    study = optuna.create_study(
        direction="maximize" if higher_is_better(metric) else "minimize",
        sampler=_sampler(declared, number),
        pruner=optuna.pruners.MedianPruner(**MEDIAN) if declared.prune else optuna.pruners.NopPruner(),
    )
    space = declared.space if isinstance(declared, Tuned) else {}
    distributions = {path: _distribution(space[path]) for path in sorted(space)}
    for trial in earlier:
        study.add_trial(_as_optuna(trial, space, distributions))
    if number == 0:
        return RunningTrial(declared.declared_values, study.ask(), prune=False)
    asked = study.ask(distributions)
    if isinstance(declared, Tuned):
        parameters = {path: _value(space[path], asked.params[path]) for path in distributions}
    else:
        parameters = declared.combinations[number - 1]
    return RunningTrial(parameters, asked, prune=declared.prune)


def suggested(space: Mapping[str, Dimension], metric: str, finished: Sequence[Trial], seed: int) -> dict[str, Any]:
    """The parameters that TPE suggests in a space, from trials of any status."""
    optuna = _optuna()
    sampler = optuna.samplers.TPESampler(**{**TPE, "n_startup_trials": FAMILY_STARTUP}, seed=seed)
    study = optuna.create_study(direction="maximize" if higher_is_better(metric) else "minimize", sampler=sampler)
    distributions = {path: _distribution(space[path]) for path in sorted(space)}
    for trial in finished:
        study.add_trial(_as_optuna(trial, space, distributions))
    asked = study.ask(distributions)
    return {path: _value(space[path], asked.params[path]) for path in distributions}


def importance(declared: AnySearched, metric: str, finished: Sequence[Trial]) -> dict[str, float]:
    """Parameter → share of what tells good trials apart (PED-ANOVA, Watanabe et al. 2023), greatest first.

    Empty with fewer than 10 finished trials, and for a grid, which has no distributions.
    """
    if not isinstance(declared, Tuned):
        return {}
    optuna = _optuna()
    done = [trial for trial in finished if trial.status == "done" and is_inside(declared.space, trial)]
    if len(done) < _IMPORTANCE_FROM:
        return {}
    study = optuna.create_study(direction="maximize" if higher_is_better(metric) else "minimize")
    distributions = {path: _distribution(declared.space[path]) for path in sorted(declared.space)}
    for trial in done:
        study.add_trial(_as_optuna(trial, declared.space, distributions))
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(
        target_quantile=0.1, region_quantile=1.0, evaluate_on_local=True
    )
    shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {path: float(share) for path, share in shares.items()}


def is_inside(space: Mapping[str, Dimension], trial: Trial) -> bool:
    """Whether the parameters of a trial are in the space; those of a grid, which has none, always."""
    return all(path in trial.parameters and dimension.has(trial.parameters[path]) for path, dimension in space.items())


def _sampler(declared: Tuned | Grid, number: int) -> Any:
    samplers = _optuna().samplers
    if not isinstance(declared, Tuned):
        return samplers.RandomSampler(seed=0)  # it has nothing to draw
    digest = hashlib.sha256(f"{declared.seed} {number}".encode()).digest()
    seed = int.from_bytes(digest[:4])
    return samplers.TPESampler(**TPE, seed=seed) if declared.sampler == "tpe" else samplers.RandomSampler(seed=seed)


def _distribution(dimension: Dimension) -> Any:
    distributions = _optuna().distributions
    if isinstance(dimension, IntRange):
        low, step = dimension.low, dimension.step
        high = low + (dimension.high - low) // step * step
        return distributions.IntDistribution(low, high, log=dimension.log, step=step)
    if isinstance(dimension, FloatRange):
        return distributions.FloatDistribution(dimension.low, dimension.high, log=dimension.log)
    return distributions.CategoricalDistribution(list(range(len(dimension.values))))


def _value(dimension: Dimension, suggested: Any) -> Any:
    return suggested if isinstance(dimension, IntRange | FloatRange) else dimension.values[suggested]


def _suggested(dimension: Dimension, value: Any) -> Any:
    if isinstance(dimension, FloatRange):
        return float(value)
    if isinstance(dimension, IntRange):
        return value
    return next(at for at, one in enumerate(dimension.values) if same(one, value))


def _as_optuna(trial: Trial, space: Mapping[str, Dimension], distributions: Mapping[str, Any]) -> Any:
    """The record of a trial as Optuna's. Of parameters outside of the space it learns nothing."""
    states = _optuna().trial.TrialState
    state = {"done": states.COMPLETE, "pruned": states.PRUNED, "failed": states.FAIL}[trial.status]
    if not is_inside(space, trial):
        return _optuna().trial.create_trial(state=states.FAIL)
    parameters = {path: _suggested(space[path], trial.parameters[path]) for path in sorted(space)}
    means = [sum(trial.fold_values[:many]) / many for many in range(1, len(trial.fold_values) + 1)]
    return _optuna().trial.create_trial(
        state=state,
        value=None if trial.status == "failed" else trial.value,
        params=parameters,
        distributions=dict(distributions),
        intermediate_values=dict(enumerate(means)),
        constraints={one["gate"]: float(one["violation"]) for one in trial.constraints},
    )


def _optuna() -> Any:
    try:
        import optuna
    except ModuleNotFoundError:
        raise TrainingError(
            "A search needs Optuna, which is not installed.", remedy="`pip install 'ml_platform[tuning]'`."
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
