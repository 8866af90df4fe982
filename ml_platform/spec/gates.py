"""Gates: the rules that a candidate must pass before it may serve (S22 to S26).

A gate is named and described here; `ml_platform.evaluation.gates` measures it.
"""

from collections.abc import Sequence

from ml_platform.errors import DeclarationError
from ml_platform.spec.declared_gate import BoundedGate, DeclaredGate, MetricGate
from ml_platform.spec.leak_gates import Leakage, Provenance
from ml_platform.spec.vocabulary import word


@word
class AtLeast(BoundedGate):
    """The metric on the holdout is at least `floor`; with `by`, in every segment of that column (S24).

    A segment with fewer than `min_rows` examples is not judged; the verdict counts it.

    Args:
        metric: A metric of the task for which more is better.
        floor: The lowest value that passes, in units of the metric.
        by: An input or a feature. Each of its values is a segment of the holdout.
        min_rows: The least number of examples of a segment that is judged.

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

    Raises:
        DeclarationError: For an unknown metric, a metric for which more is better, and a ceiling out of its range.

    >>> AtMost("rmse", 12.5).phrase
    'rmse at most 12.5'
    """

    metric: str
    ceiling: float
    by: str | None = None
    min_rows: int = 200

    relation, parameter = "at most", "ceiling"

    def __post_init__(self) -> None:
        self._check_limit(more_is_better=False, opposite="AtLeast")


@word
class NoWorseThanChampion(MetricGate):
    """The candidate passes only if it is shown to be not worse than the champion by `tolerance` or more (S25).

    An interval too wide to tell fails it, where `NoWorseThanBaseline` passes. The lower end of the 95 % interval of the
    difference, by a paired bootstrap on the holdout and in the good direction of the metric, must be above
    -`tolerance`. Without a champion the candidate passes.

    Args:
        metric: A metric of the task.
        tolerance: In units of the metric; 0 or more.

    Raises:
        DeclarationError: For an unknown metric or a tolerance below 0.

    >>> NoWorseThanChampion("roc_auc", tolerance=0.01).phrase
    "roc_auc no worse than the champion's by 0.01"
    """

    metric: str
    tolerance: float = 0.0

    why = "The candidate and the version that serves are compared on the same rows, resampled together."

    def __post_init__(self) -> None:
        self._check_metric()
        self._check_tolerance(self.tolerance)

    @property
    def phrase(self) -> str:
        """Such as "roc_auc no worse than the champion's by 0.01"."""
        return f"{self.metric} no worse than the champion's by {self.tolerance:g}"


@word
class NoWorseThanBaseline(MetricGate):
    """The candidate passes unless it is shown to be worse than a linear model by more than `tolerance`.

    An interval too wide to tell passes it, where `NoWorseThanChampion` fails. It fails when the whole 95 % interval of
    the difference, by the same bootstrap, is below -`tolerance`, and without rows of the training part. The baseline is
    `Linear()` with the same columns, fitted on at most 50,000 rows of that part, evenly spread, and not kept.

    Args:
        metric: A metric of the task.
        tolerance: By how much the baseline may be shown better, in units of the metric; 0 or more.

    Raises:
        DeclarationError: For an unknown metric or a tolerance below 0.

    >>> NoWorseThanBaseline("roc_auc", tolerance=0.01).phrase
    "roc_auc not shown worse than a linear baseline's by more than 0.01"
    """

    metric: str
    tolerance: float = 0.0

    why = "A linear model of the same columns costs little to train, serve and explain; a model has to be worth more."

    def __post_init__(self) -> None:
        self._check_metric()
        self._check_tolerance(self.tolerance)

    @property
    def phrase(self) -> str:
        """Such as "roc_auc not shown worse than a linear baseline's by more than 0.01"."""
        return f"{self.metric} not shown worse than a linear baseline's by more than {self.tolerance:g}"


@word
class OverfitGap(MetricGate):
    """The metric on the training part exceeds that on the holdout by at most `at_most`, in its good direction.

    Args:
        metric: A metric of the task.
        at_most: The largest gap that passes, in units of the metric; above 0.

    Raises:
        DeclarationError: For an unknown metric or a gap that is not above 0.

    >>> OverfitGap("roc_auc", 0.1).phrase
    'roc_auc on train better than on holdout by at most 0.1'
    """

    metric: str
    at_most: float

    why = "A model that is much better on what it has seen than on what it has not has learnt by heart."

    def __post_init__(self) -> None:
        self._check_metric()
        if self.at_most <= 0:
            raise DeclarationError(
                self._call,
                f"at_most={self.at_most} is not above 0",
                remedy="Some gap is normal; 0.05 to 0.15 is usual for a ROC AUC.",
            )

    @property
    def phrase(self) -> str:
        """Such as "roc_auc on train better than on holdout by at most 0.1"."""
        return f"{self.metric} on train better than on holdout by at most {self.at_most:g}"


@word
class Latency(DeclaredGate):
    """Scoring one row takes at most `p99_ms` milliseconds: the smallest 99th percentile of 5 rounds (S23).

    Args:
        p99_ms: In milliseconds; above 0.

    Raises:
        DeclarationError: For a limit that is not above 0.

    >>> Latency(5).phrase
    'p99 of scoring one row at most 5 ms'
    """

    p99_ms: float

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

    Raises:
        DeclarationError: For a limit that is not above 0.

    >>> Size(20).phrase
    'bundle at most 20 MB'
    """

    mb: float

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

    >>> Reproduction().phrase
    'training again gives the same bytes'
    """

    phrase = "training again gives the same bytes"
    why = "The model is trained again from its stored training set in a fresh process; the bytes must agree."


@word
class Parity(DeclaredGate):
    """Replaying holdout examples row by row through the serving state gives the same bits (S13).

    This gate is always judged.

    Args:
        examples: How many to replay. They are spread evenly over the holdout.

    >>> Parity().phrase
    '50 examples replayed through the serving state give the same bits'
    """

    examples: int = 50

    why = "Examples are replayed one at a time, as a service would, and must get the same features to the bit."

    @property
    def phrase(self) -> str:
        """Such as "50 examples replayed through the serving state give the same bits"."""
        return f"{self.examples} examples replayed through the serving state give the same bits"


_OnMetric = AtLeast | AtMost | NoWorseThanChampion | NoWorseThanBaseline | OverfitGap
Gate = _OnMetric | Latency | Size | Leakage | Provenance | Reproduction | Parity
_ALWAYS_JUDGED = (Leakage, Provenance, Parity, Reproduction)


def with_always_judged(declared: Sequence[Gate]) -> tuple[Gate, ...]:
    """The declared gates, followed by those that every pipeline is judged by, with their defaults."""
    return (*declared, *(kind() for kind in _ALWAYS_JUDGED if not any(isinstance(gate, kind) for gate in declared)))
