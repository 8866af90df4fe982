"""Gates: the rules that a candidate must pass before it may serve (S22 to S26).

A gate is named and described here; `ml_platform.evaluation.gates` measures it.
"""

from collections.abc import Mapping, Sequence

from ml_platform.errors import DeclarationError
from ml_platform.spec.comparing_gates import BeatsBaseline, NoWorseThanBaseline, NoWorseThanChampion, OverfitGap
from ml_platform.spec.declared_gate import BoundedGate, DeclaredGate, Severity
from ml_platform.spec.leak_gates import Leakage, Provenance
from ml_platform.spec.vocabulary import word

__all__ = [
    "AtLeast",
    "AtMost",
    "BeatsBaseline",
    "Gate",
    "Latency",
    "Leakage",
    "NoWorseThanBaseline",
    "NoWorseThanChampion",
    "OverfitGap",
    "Parity",
    "Provenance",
    "Reproduction",
    "Size",
    "with_always_judged",
]

_REPLAYED = 2_000  # examples of `Parity` by default
_FIRST_REPLAYED = 50  # what the first default was; keys of the default hold it


@word
class AtLeast(BoundedGate):
    """The metric on the holdout is at least `floor`; with `by`, in every segment of that column (S24).

    A segment with fewer than `min_rows` examples is not judged; the verdict counts it.

    Args:
        metric: A metric of the task for which more is better.
        floor: The lowest value that passes, in units of the metric.
        by: An input or a feature. Each of its values is a segment of the holdout.
        min_rows: The least number of examples of a segment that is judged.
        severity: "warn" for a gate that warns and never stands in the way of a promotion.

    Raises:
        DeclarationError: For an unknown metric, a metric for which less is better, and a floor that no model can miss
            or reach.

    >>> AtLeast("roc_auc", 0.62, by="origin").phrase
    'roc_auc at least 0.62 for each origin'
    """

    metric: str
    floor: float
    by: str | None = None
    min_rows: int = 200
    severity: Severity = "block"

    relation, parameter = "at least", "floor"

    def __post_init__(self) -> None:
        self._check_limit(more_is_better=True, opposite="AtMost")


@word
class AtMost(BoundedGate):
    """The metric on the holdout is at most `ceiling`; with `by`, in every segment of that column (S24).

    Args:
        metric: A metric of the task for which less is better: an error or a loss.
        ceiling: The highest value that passes, in units of the metric.
        by: An input or a feature. Each of its values is a segment of the holdout.
        min_rows: The least number of examples of a segment that is judged.
        severity: "warn" for a gate that warns and never stands in the way of a promotion.

    Raises:
        DeclarationError: For an unknown metric, a metric for which more is better, and a ceiling out of its range.

    >>> AtMost("rmse", 12.5).phrase
    'rmse at most 12.5'
    """

    metric: str
    ceiling: float
    by: str | None = None
    min_rows: int = 200
    severity: Severity = "block"

    relation, parameter = "at most", "ceiling"

    def __post_init__(self) -> None:
        self._check_limit(more_is_better=False, opposite="AtLeast")


@word
class Latency(DeclaredGate):
    """Scoring one row takes at most `p99_ms` milliseconds of CPU time (S40).

    The least 99th percentile of many short rounds counts. On a busy machine a model that is not within the limit is not
    judged, and measured again later.

    Args:
        p99_ms: In milliseconds; above 0.
        severity: "warn" for a gate that warns and never stands in the way of a promotion.

    Raises:
        DeclarationError: For a limit that is not above 0.

    >>> Latency(5).phrase
    'p99 of scoring one row at most 5 ms'
    """

    p99_ms: float
    severity: Severity = "block"

    why = "How long somebody waits for one prediction."

    def __post_init__(self) -> None:
        if self.p99_ms <= 0:
            raise DeclarationError("Latency", f"p99_ms={self.p99_ms} is not above 0", remedy="Give milliseconds.")

    @property
    def phrase(self) -> str:
        """Such as "p99 of scoring one row at most 5 ms"."""
        return f"p99 of scoring one row at most {self.p99_ms:g} ms"


@word
class Size(DeclaredGate):
    """The bundle takes at most `mb` megabytes.

    Args:
        mb: In megabytes of 10^6 bytes; above 0.
        severity: "warn" for a gate that warns and never stands in the way of a promotion.

    Raises:
        DeclarationError: For a limit that is not above 0.

    >>> Size(20).phrase
    'bundle at most 20 MB'
    """

    mb: float
    severity: Severity = "block"

    why = "What every service that serves the model has to load."

    def __post_init__(self) -> None:
        if self.mb <= 0:
            raise DeclarationError("Size", f"mb={self.mb} is not above 0", remedy="Give megabytes.")

    @property
    def phrase(self) -> str:
        """Such as "bundle at most 20 MB"."""
        return f"bundle at most {self.mb:g} MB"


@word
class Reproduction(DeclaredGate):
    """Training again in a fresh process gives the same bytes (S16). This gate is always judged.

    Args:
        severity: "warn" for a gate that warns and never stands in the way of a promotion.

    >>> Reproduction().phrase
    'training again gives the same bytes'
    """

    severity: Severity = "block"

    phrase = "training again gives the same bytes"
    why = "The model is trained again from its stored training set in a fresh process; the bytes must agree."


@word
class Parity(DeclaredGate):
    """Holdout examples, answered as a service does, have the features and scores of the batch (S13).

    They are answered one at a time, as a request of few rows is, and all together, as one of many rows is.

    This gate is always judged.

    Args:
        examples: How many to replay, of a smaller holdout all. They are spread evenly over it; where these touch more
            than 500,000 rows, they are of few keys and from one stretch of time, and fewer where more do not fit.
        severity: "warn" for a gate that warns and never stands in the way of a promotion.

    >>> Parity().phrase
    '2000 examples replayed through the online store give the same bits'
    """

    examples: int = _REPLAYED
    severity: Severity = "block"

    why = "Examples are answered as a service does, singly and together, and must get the same bits as in batch."

    @property
    def keyed_as(self) -> Mapping[str, object]:
        """How many are replayed is effort, not the rule: the default counts as it did in older lakes."""
        return {"examples": _FIRST_REPLAYED} if self.examples == _REPLAYED else {}

    @property
    def phrase(self) -> str:
        """Such as "2000 examples replayed through the online store give the same bits"."""
        return f"{self.examples} examples replayed through the online store give the same bits"


_OnMetric = AtLeast | AtMost | NoWorseThanChampion | NoWorseThanBaseline | BeatsBaseline | OverfitGap
Gate = _OnMetric | Latency | Size | Leakage | Provenance | Reproduction | Parity
_ALWAYS_JUDGED = (Leakage, Provenance, Parity, Reproduction)


def with_always_judged(declared: Sequence[Gate]) -> tuple[Gate, ...]:
    """The declared gates, followed by those that every pipeline is judged by, with their defaults."""
    return (*declared, *(kind() for kind in _ALWAYS_JUDGED if not any(isinstance(gate, kind) for gate in declared)))
