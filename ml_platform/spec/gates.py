"""Gates: the rules a candidate must pass before it may serve (S22 to S26)."""

from ml_platform.errors import DeclarationError
from ml_platform.spec.vocabulary import word

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
    """The good direction of `metric`."""
    return METRICS[metric][1]


def _check(gate: str, metric: str, bound: float | None, name: str) -> None:
    if metric not in METRICS:
        raise DeclarationError(gate, f"there is no metric {metric!r}", remedy=f"Known: {', '.join(METRICS)}.")
    _, _, low, high = METRICS[metric]
    if bound is not None and not low <= bound <= high:
        raise DeclarationError(
            gate,
            f"{name}={bound} is outside what {metric} can be, {low} to {high}",
            remedy="No candidate could ever pass or fail it.",
        )


@word
class AtLeast:
    """The metric on the holdout reaches `floor`; with `by`, in every slice of that column (S24).

    A slice with fewer than `min_rows` examples is not judged, and counted.
    """

    metric: str
    floor: float
    by: str | None = None
    min_rows: int = 200

    def __post_init__(self) -> None:
        _check(f"AtLeast({self.metric!r})", self.metric, self.floor, "floor")
        if not higher_is_better(self.metric):
            raise DeclarationError(
                f"AtLeast({self.metric!r})",
                "less is better for this metric",
                remedy=f"Use AtMost({self.metric!r}, {self.floor}).",
            )


@word
class AtMost:
    """The metric on the holdout stays at or below `ceiling`; as AtLeast, for errors and losses."""

    metric: str
    ceiling: float
    by: str | None = None
    min_rows: int = 200

    def __post_init__(self) -> None:
        _check(f"AtMost({self.metric!r})", self.metric, self.ceiling, "ceiling")
        if higher_is_better(self.metric):
            raise DeclarationError(
                f"AtMost({self.metric!r})",
                "more is better for this metric",
                remedy=f"Use AtLeast({self.metric!r}, {self.ceiling}).",
            )


@word
class NoWorseThanChampion:
    """Paired bootstrap on the candidate's holdout: the champion is not better by `tolerance` (S25)."""

    metric: str
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        _check(f"NoWorseThanChampion({self.metric!r})", self.metric, None, "")
        if self.tolerance < 0:
            raise DeclarationError(
                f"NoWorseThanChampion({self.metric!r})",
                f"tolerance={self.tolerance} is below 0",
                remedy="Give 0 or more.",
            )


@word
class OverfitGap:
    """The metric on the training part is better than on the holdout by at most `at_most`."""

    metric: str
    at_most: float

    def __post_init__(self) -> None:
        _check(f"OverfitGap({self.metric!r})", self.metric, None, "")
        if self.at_most <= 0:
            raise DeclarationError(
                f"OverfitGap({self.metric!r})",
                f"at_most={self.at_most} is not above 0",
                remedy="Some gap is normal; 0.05 to 0.15 is usual for a ROC AUC.",
            )


@word
class Latency:
    """Scoring one row takes at most `p99_ms` milliseconds: the smallest p99 of 5 rounds (S23)."""

    p99_ms: float

    def __post_init__(self) -> None:
        if self.p99_ms <= 0:
            raise DeclarationError("Latency", f"p99_ms={self.p99_ms} is not above 0", remedy="Give milliseconds.")


@word
class Size:
    """The bundle takes at most `mb` megabytes (10^6 bytes)."""

    mb: float

    def __post_init__(self) -> None:
        if self.mb <= 0:
            raise DeclarationError("Size", f"mb={self.mb} is not above 0", remedy="Give megabytes.")


@word
class Leakage:
    """No feature alone, and not the model, is too good to be true on the holdout.

    Always judged; declare it to move the bounds. They are on ROC AUC (one class against the rest
    for several) or, for regression, on R². `feature` bounds each feature alone, `model` the score.
    """

    feature: float = 0.95
    model: float = 0.99


@word
class Reproduction:
    """Training again in a fresh process gives the same bytes (S16). Always judged."""


@word
class Parity:
    """Replaying `examples` of the holdout row by row through the serving state gives the same bits (S13).

    Always judged. The examples are spread evenly over the holdout.
    """

    examples: int = 50


Gate = AtLeast | AtMost | NoWorseThanChampion | OverfitGap | Latency | Size | Leakage | Reproduction | Parity
