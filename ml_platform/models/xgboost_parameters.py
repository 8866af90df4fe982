"""Parameters of XGBoost: which a declaration may pass on, and which the platform sets."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ml_platform.errors import TrainingError, did_you_mean
from ml_platform.spec.tasks import Task

if TYPE_CHECKING:
    from ml_platform.spec.training import XGBoost

OBJECTIVES: dict[Task, tuple[str, ...]] = {
    "binary": ("binary:logistic",),
    "multiclass": ("multi:softprob",),
    "regression": (
        "reg:squarederror",
        "reg:absoluteerror",
        "reg:pseudohubererror",
        "reg:quantileerror",
        "reg:squaredlogerror",
        "reg:gamma",
        "reg:tweedie",
        "count:poisson",
    ),
}
EXTRA = (
    "objective",
    "eval_metric",
    "gamma",
    "max_delta_step",
    "subsample",
    "colsample_bytree",
    "colsample_bylevel",
    "colsample_bynode",
    "lambda",
    "alpha",
    "scale_pos_weight",
    "grow_policy",
    "max_leaves",
    "max_bin",
    "num_parallel_tree",
    "max_cat_to_onehot",
    "max_cat_threshold",
    "tweedie_variance_power",
    "huber_slope",
    "quantile_alpha",
)
_ALIASES = {"min_split_loss": "gamma", "reg_lambda": "lambda", "reg_alpha": "alpha"}
# What the declaration or the platform sets by itself, and what would change what a score means.
_OURS = {
    *("max_depth", "learning_rate", "eta", "min_child_weight", "seed", "random_state", "num_boost_round"),
    *("n_estimators", "early_stopping_rounds", "num_class", "nthread", "n_jobs", "tree_method", "device", "booster"),
    *("verbosity", "validate_parameters", "missing", "enable_categorical", "feature_types", "base_score"),
    *("multi_strategy", "process_type", "updater", "refresh_leaf", "disable_default_eval_metric"),
}


def parameters_of(declared: "XGBoost", task: Task) -> dict[str, Any]:
    """XGBoost's parameters, complete but for threads. Raises TrainingError for one that it does not know."""
    extra = check_extra(declared.extra, task)
    return {
        "objective": extra.pop("objective", OBJECTIVES[task][0]),
        "max_depth": declared.max_depth,
        "learning_rate": declared.learning_rate,
        "min_child_weight": declared.min_child_weight,
        "seed": declared.seed,
        "tree_method": "hist",
        **extra,
    }


def check_extra(extra: Mapping[str, Any], task: Task) -> dict[str, Any]:
    """`extra` under XGBoost's principal names.

    Raises TrainingError for names that it does not know or that nothing of the platform uses, for those the declaration
    has a word for or the platform fixes, and for an objective of another task.
    """
    accepted: dict[str, Any] = {}
    for name, value in extra.items():
        target = _ALIASES.get(name, name)
        if target in _OURS:
            raise TrainingError(
                f"XGBoost(extra=…) sets {name!r}, which the platform sets.",
                remedy="Use the words of XGBoost(…): max_depth, rounds, seed, …",
            )
        if target not in EXTRA:
            allowed = f"Allowed: {', '.join(EXTRA)}."
            raise TrainingError(
                f"XGBoost(extra=…) has no parameter {name!r}.",
                remedy=did_you_mean(name, [*EXTRA, *_ALIASES]) or allowed,
            )
        if target in accepted:
            raise TrainingError(f"XGBoost(extra=…) sets {target!r} twice, under two names.", remedy="Keep one.")
        if not isinstance(value, str | int | float):
            raise TrainingError(f"XGBoost(extra=…) sets {name!r} to {value!r}.", remedy="Give a number or a text.")
        accepted[target] = value
    objective = accepted.get("objective", OBJECTIVES[task][0])
    if objective not in OBJECTIVES[task]:
        raise TrainingError(
            f"The objective {objective!r} is none of a {task} task.",
            remedy=f"Use one of {', '.join(OBJECTIVES[task])}.",
        )
    if objective == "reg:quantileerror" and "quantile_alpha" not in accepted:
        raise TrainingError(
            "The objective 'reg:quantileerror' needs a quantile.", remedy="Give quantile_alpha, such as 0.9."
        )
    return accepted
