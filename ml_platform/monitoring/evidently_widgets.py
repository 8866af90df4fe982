"""Evidently metrics whose widgets say whose figures they show. Only `evidently_report` imports this, in its process."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from evidently.core.container import MetricContainer, MetricOrContainer
from evidently.legacy.renderers.html_widgets import CounterData, counter
from evidently.metrics import ValueDrift
from evidently.presets import ClassificationPreset, RegressionPreset

if TYPE_CHECKING:
    from evidently.core.metric_types import MetricId
    from evidently.core.report import Context
    from evidently.legacy.model.widget import BaseWidgetInfo

_LEGEND = {"orientation": "h", "x": 0, "y": -0.2, "yanchor": "top"}  # below the chart: there is room on a phone too
_MARGIN = {"l": 45, "r": 15, "t": 55, "b": 40}


class Captioned(MetricContainer):  # type: ignore[misc]  # Evidently is read without its types
    """Metrics under a caption with the platform's own figure of all rows.

    Evidently's preset says whether "dataset drift" and "data drift" are detected, by rules of its own and on a sample.
    A page with two verdicts has none, so those sentences are left out and the platform's figure stands there.
    """

    name: str
    figure: str

    def render(
        self, context: "Context", child_widgets: "list[tuple[MetricId | None, list[BaseWidgetInfo]]] | None" = None
    ) -> "list[BaseWidgetInfo]":
        drawn = [widget for _, widgets in child_widgets or [] for one in widgets for widget in self.shown(one)]
        for plot in _plots(drawn):
            plot["legend"], plot["margin"] = {**plot.get("legend", {}), **_LEGEND}, _MARGIN
        return [counter(counters=[CounterData(label=self.figure, value=self.name)]), *drawn]

    def shown(self, widget: "BaseWidgetInfo") -> "list[BaseWidgetInfo]":
        """What is shown of a widget of the metrics."""
        return [widget]


class ColumnDrift(Captioned):
    """One column's distribution then and now."""

    threshold: float

    def __init__(self, name: str, figure: str, threshold: float) -> None:
        self.name, self.figure, self.threshold = name, figure, threshold
        super().__init__(include_tests=False)

    def generate_metrics(self, context: "Context") -> Sequence[MetricOrContainer]:
        return [ValueDrift(column=self.name, method="psi", threshold=self.threshold)]

    def shown(self, widget: "BaseWidgetInfo") -> "list[BaseWidgetInfo]":
        """The distribution. The other tab draws values by the row's number in the sample, which means nothing."""
        if widget.type == "counter":
            return []
        return [tab.widget for tab in widget.tabs if tab.title == "DATA DISTRIBUTION"] or [widget]


class Performance(Captioned):
    """Metrics of predictions against labels, by Evidently's preset for the task."""

    task: str

    def __init__(self, name: str, figure: str, task: str) -> None:
        self.name, self.figure, self.task = name, figure, task
        super().__init__(include_tests=False)

    def generate_metrics(self, context: "Context") -> Sequence[MetricOrContainer]:
        return [RegressionPreset() if self.task == "regression" else ClassificationPreset()]


def _plots(widgets: "Sequence[BaseWidgetInfo]") -> Iterator[dict[str, Any]]:
    """The layouts of all charts in these widgets."""
    for widget in widgets:
        if isinstance(widget.params, dict) and isinstance(widget.params.get("layout"), dict):
            yield widget.params["layout"]
        yield from _plots([*widget.widgets, *(tab.widget for tab in widget.tabs)])
