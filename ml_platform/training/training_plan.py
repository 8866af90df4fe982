"""The training plan: all that training needs besides the training set, as JSON values."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ml_platform.errors import TrainingError
from ml_platform.spec.pipeline import ModelPipeline, Task
from ml_platform.training.training_set import TrainingSet

CODE_VERSION = 1  # of how a model is fitted; part of its content key (S31)
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


@dataclass(frozen=True)
class Plan:
    """How one model is fitted.

    columns:    model column → polars type, in the model's order.
    parameters: LightGBM's, complete but for threads; `rounds` and `early_stopping` apart.
    """

    pipeline: str
    task: Literal["binary", "multiclass", "regression"]
    columns: dict[str, str]
    parameters: dict[str, Any]
    rounds: int
    early_stopping: int | None
    training_set: str
    decided_at: str
    code_version: int = CODE_VERSION

    def to_json(self) -> dict[str, Any]:
        """As JSON values; the columns as pairs, because JSON objects here are sorted by name."""
        return {**asdict(self), "columns": [list(pair) for pair in self.columns.items()]}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Plan":
        """What `to_json` wrote."""
        return cls(**{**values, "columns": dict(values["columns"])})


def plan(pipeline: ModelPipeline, training_set: TrainingSet) -> Plan:
    """The plan that the declaration asks for. Raises TrainingError for a parameter LightGBM does not know."""
    trainer = pipeline.trainer
    extra = check_extra(trainer.extra, pipeline.task)
    parameters: dict[str, Any] = {
        "objective": extra.pop("objective", OBJECTIVES[pipeline.task][0]),
        "num_leaves": trainer.num_leaves,
        "learning_rate": trainer.learning_rate,
        "min_data_in_leaf": trainer.min_data_in_leaf,
        "seed": trainer.seed,
        "deterministic": True,
        "force_row_wise": True,  # fixed: LightGBM otherwise times both and may choose differently
        "verbosity": -1,
        **extra,
    }
    columns = {name: str(dtype) for name, dtype in pipeline.model_columns.items()}
    if not columns:
        raise TrainingError(
            f"{pipeline.name} has no model columns.", remedy="Declare inputs or features that are numbers or text."
        )
    return Plan(
        pipeline.name,
        pipeline.task,
        columns,
        parameters,
        trainer.rounds,
        trainer.early_stopping,
        training_set.digest,
        training_set.decided_at.isoformat(),
    )


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
    found: dict[str, Any] = {}
    for name, value in extra.items():
        target = principal[name]
        if target in _OURS:
            raise TrainingError(
                f"LightGBM(extra=…) sets {name!r}, which the platform sets.",
                remedy="Use the words of LightGBM(…): num_leaves, rounds, seed, …",
            )
        if target in found:
            raise TrainingError(f"LightGBM(extra=…) sets {target!r} twice, under two names.", remedy="Keep one.")
        found[target] = value
    objective = found.get("objective")
    if objective is not None and objective not in OBJECTIVES[task]:
        raise TrainingError(
            f"The objective {objective!r} is none of a {task} task.",
            remedy=f"Use one of {', '.join(OBJECTIVES[task])}.",
        )
    return found


def _principal_names() -> dict[str, str]:
    """Every name and alias that this LightGBM knows → the principal name, asked of the library itself."""
    from lightgbm.basic import _ConfigAliases  # no public way; pinned by test_upstream_lightgbm.py

    aliases: dict[str, list[str]] = _ConfigAliases._get_all_param_aliases()
    return {alias: name for name, known in aliases.items() for alias in known}


def _suggest(unknown: list[str], principal: Mapping[str, str]) -> str:
    import difflib

    close = [match for name in unknown for match in difflib.get_close_matches(name, principal, n=1)]
    return f"Did you mean {', '.join(map(repr, close))}?" if close else "See its list of parameters."
