"""Parameters of LightGBM: which a declaration may pass on, and which the platform sets."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ml_platform.errors import TrainingError, did_you_mean
from ml_platform.models.lightgbm_library import lightgbm_library
from ml_platform.spec.tasks import Task

if TYPE_CHECKING:
    from ml_platform.spec.training import LightGBM

OBJECTIVES: dict[Task, tuple[str, ...]] = {
    "binary": ("binary", "cross_entropy"),
    "multiclass": ("multiclass", "multiclassova"),
    "regression": ("regression", "regression_l1", "huber", "fair", "poisson", "quantile", "mape", "gamma", "tweedie"),
}
# What the declaration or the platform sets by itself, and what would make a run depend on files or devices.
_OURS = (
    "num_leaves",
    "learning_rate",
    "num_iterations",
    "min_data_in_leaf",
    "early_stopping_round",
    "seed",
    "data_random_seed",
    "deterministic",
    "force_row_wise",
    "force_col_wise",
    "num_threads",
    "num_class",
    "verbosity",
    "categorical_feature",
    "device_type",
    "config",
    "task",
    "data",
    "valid",
    "input_model",
    "output_model",
    "output_result",
    "snapshot_freq",
    "saved_feature_importance_type",
    "header",
    "label_column",
    "weight_column",
    "group_column",
    "ignore_column",
    "two_round",
    "save_binary",
    "forcedsplits_filename",
    "forcedbins_filename",
    "machines",
    "num_machines",
    "tree_learner",
    "predict_disable_shape_check",
    "pred_early_stop",
    "start_iteration_predict",
    "num_iteration_predict",
    "predict_raw_score",
    "predict_leaf_index",
    "predict_contrib",
    "is_enable_sparse",
    "pre_partition",
    "machine_list_filename",
)


def parameters_of(declared: "LightGBM", task: Task) -> dict[str, Any]:
    """LightGBM's parameters, complete but for threads. Raises TrainingError for one that it does not know."""
    extra = check_extra(declared.extra, task)
    return {
        "objective": extra.pop("objective", OBJECTIVES[task][0]),
        "num_leaves": declared.num_leaves,
        "learning_rate": declared.learning_rate,
        "min_data_in_leaf": declared.min_data_in_leaf,
        "seed": declared.seed,
        "deterministic": True,
        "force_row_wise": True,  # fixed: LightGBM otherwise times both and may choose differently
        "verbosity": -1,
        **extra,
    }


def check_extra(extra: Mapping[str, Any], task: Task) -> dict[str, Any]:
    """`extra` under LightGBM's principal names.

    Raises TrainingError for names it does not know (it would ignore them), for those the
    declaration has a word for or the platform fixes, and for an objective of another task.
    """
    principal = _principal_names()
    unknown = sorted(set(extra) - set(principal))
    if unknown:
        raise TrainingError(
            f"LightGBM has no parameter {', '.join(map(repr, unknown))} (LightGBM(extra=…)).",
            remedy=_suggest(unknown, principal),
        )
    accepted: dict[str, Any] = {}
    for name, value in extra.items():
        target = principal[name]
        if target in _OURS:
            raise TrainingError(
                f"LightGBM(extra=…) sets {name!r}, which the platform sets.",
                remedy="Use the words of LightGBM(…): num_leaves, rounds, seed, …",
            )
        if target in accepted:
            raise TrainingError(f"LightGBM(extra=…) sets {target!r} twice, under two names.", remedy="Keep one.")
        accepted[target] = value
    objective = accepted.get("objective")
    if objective is not None and objective not in OBJECTIVES[task]:
        raise TrainingError(
            f"The objective {objective!r} is none of a {task} task.",
            remedy=f"Use one of {', '.join(OBJECTIVES[task])}.",
        )
    return accepted


def _principal_names() -> dict[str, str]:
    """Every name and alias that this LightGBM knows → the principal name, asked of the library itself."""
    # No public way; pinned by ml_platform_tests/models/test_upstream_lightgbm.py.
    aliases: dict[str, list[str]] = lightgbm_library().basic._ConfigAliases._get_all_param_aliases()
    return {alias: name for name, others in aliases.items() for alias in others}


def _suggest(unknown: list[str], principal: Mapping[str, str]) -> str:
    questions = [did_you_mean(name, principal) for name in unknown]
    return " ".join(filter(None, questions)) or "See its list of parameters."
