"""The metrics that gates and monitoring can name, with their tasks and ranges."""

# metric: (tasks, higher is better, lowest, highest)
METRICS: dict[str, tuple[frozenset[str], bool, float, float]] = {
    "accuracy": (frozenset({"binary", "multiclass"}), True, 0, 1),
    "precision": (frozenset({"binary"}), True, 0, 1),
    "recall": (frozenset({"binary"}), True, 0, 1),
    "f1": (frozenset({"binary"}), True, 0, 1),
    "roc_auc": (frozenset({"binary"}), True, 0, 1),
    "average_precision": (frozenset({"binary"}), True, 0, 1),
    "brier": (frozenset({"binary"}), False, 0, 1),
    "log_loss": (frozenset({"binary", "multiclass"}), False, 0, float("inf")),
    "macro_f1": (frozenset({"multiclass"}), True, 0, 1),
    "min_class_recall": (frozenset({"multiclass"}), True, 0, 1),
    "mae": (frozenset({"regression"}), False, 0, float("inf")),
    "rmse": (frozenset({"regression"}), False, 0, float("inf")),
    "r2": (frozenset({"regression"}), True, float("-inf"), 1),
}


def higher_is_better(metric: str) -> bool:
    """Whether more is better.

    >>> higher_is_better("rmse")
    False
    """
    return METRICS[metric][1]
