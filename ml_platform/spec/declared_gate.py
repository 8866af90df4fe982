"""What a declared gate knows about itself: its key, its names and its wording. Nothing here measures."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Literal

from ml_platform.errors import DeclarationError
from ml_platform.spec.canonical import content_key
from ml_platform.spec.metrics import METRICS, higher_is_better

Severity = Literal["block", "warn"]


class DeclaredGate(ABC):
    """What every gate knows about itself without measuring anything.

    severity:    whether a failure keeps a candidate from serving, or only warns. It changes no measurement, so it is
                 not part of the key.
    error_rates: how often the gate is wrong, as a sentence; empty where nobody simulated it.
    """

    severity: Severity
    error_rates: ClassVar[str] = ""

    @property
    @abstractmethod
    def phrase(self) -> str:
        """The rule as a phrase, such as "roc_auc at least 0.62 for each origin"."""

    @property
    @abstractmethod
    def why(self) -> str:
        """What the gate is for, as a sentence for a reader who sees it for the first time."""

    @property
    def unkeyed(self) -> frozenset[str]:
        """The fields that are not part of the canonical form."""
        return frozenset({"severity"})

    @property
    def keyed_as(self) -> Mapping[str, object]:
        """Fields that have another value in the canonical form, such as a default that was raised since."""
        return {}

    @property
    def key(self) -> str:
        """The content key of the definition: a gate with another floor is another gate.

        Its severity is not part of it.
        """
        return content_key(self)

    @property
    def short_name(self) -> str:
        """An identifier that is unique in its pipeline, such as "roc_auc_at_least_0_62_by_origin"."""
        return f"{self.judged_metric}_{self.kind}" if self.judged_metric else self.kind

    @property
    def kind(self) -> str:
        """The kind of gate, such as "at_least"."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()

    @property
    def judged_metric(self) -> str | None:
        """The metric that the gate is about; None for a gate about anything else."""
        return None

    @property
    def sliced_by(self) -> str | None:
        """The column whose values form the segments that are judged one by one; None for the whole holdout."""
        return None

    @property
    def columns_named(self) -> tuple[str, ...]:
        """Columns and tables that the gate names besides those of its segments; they must exist."""
        return ()

    @property
    def bound(self) -> float | None:
        """The value that the metric must not cross on a whole set of rows; None for a gate without a bound."""
        return None

    @property
    def subject(self) -> tuple[object, ...]:
        """What the gate judges. A pipeline declares one gate for each subject."""
        return type(self).__name__, self.judged_metric


class MetricGate(DeclaredGate):
    """A gate about one metric of the task."""

    metric: str

    @property
    def judged_metric(self) -> str:
        """The metric that the gate is about."""
        return self.metric

    def _check_metric(self) -> None:
        if self.metric not in METRICS:
            raise DeclarationError(
                self._call, f"there is no metric {self.metric!r}", remedy=f"Known: {', '.join(METRICS)}."
            )

    def _check_tolerance(self, tolerance: float) -> None:
        if tolerance < 0:
            raise DeclarationError(self._call, f"tolerance={tolerance} is below 0", remedy="Give 0 or more.")

    @property
    def _call(self) -> str:
        return f"{type(self).__name__}({self.metric!r})"


class BoundedGate(MetricGate):
    """A gate that compares one metric with a fixed value, on the whole holdout or in every segment."""

    by: str | None
    relation: ClassVar[str]
    parameter: ClassVar[str]

    @property
    def limit(self) -> float:
        """The fixed value."""
        return float(getattr(self, self.parameter))

    @property
    def phrase(self) -> str:
        """Such as "roc_auc at least 0.62 for each origin"."""
        return f"{self.metric} {self.relation} {self.limit:g}" + (f" for each {self.by}" if self.by else "")

    @property
    def why(self) -> str:
        """What the gate is for."""
        rows = "data later than everything that the model was trained on"
        return f"A {self.parameter} for the metric on the holdout: {rows}."

    @property
    def short_name(self) -> str:
        """Contains the value and the column, because a pipeline may declare several bounds."""
        text = f"{super().short_name}_{self.limit:g}" + (f"_by_{self.by}" if self.by else "")
        return "".join(c if c.isalnum() else "_" for c in text)

    @property
    def sliced_by(self) -> str | None:
        """The column `by`."""
        return self.by

    @property
    def bound(self) -> float | None:
        """The fixed value; None when the gate judges segments."""
        return None if self.by else self.limit

    @property
    def subject(self) -> tuple[object, ...]:
        """A metric may have several bounds, so the column and the value count too."""
        return type(self).__name__, self.metric, self.by, self.limit

    def _check_limit(self, *, more_is_better: bool, opposite: str) -> None:
        self._check_metric()
        _, _, low, high = METRICS[self.metric]
        if not low <= self.limit <= high:
            raise DeclarationError(
                self._call,
                f"{self.parameter}={self.limit} is outside what {self.metric} can be, {low} to {high}",
                remedy="No candidate could ever pass or fail it.",
            )
        if higher_is_better(self.metric) != more_is_better:
            raise DeclarationError(
                self._call,
                f"{'less' if more_is_better else 'more'} is better for this metric",
                remedy=f"Use {opposite}({self.metric!r}, {self.limit}).",
            )
