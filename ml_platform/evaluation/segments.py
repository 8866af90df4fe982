"""Metrics of segments, and how far two segments are apart: the figures of the model card about fairness.

Segments of one column have no row in common, so the interval of a difference comes from the two intervals alone, by the
square-and-add rule: for shares with Wilson's intervals this is Newcombe's method 10 (Newcombe 1998, Statistics in
Medicine 17:873), for other metrics with the jackknife's it is MOVER (Zou & Donner 2008, Statistics in Medicine
27:1693). `ml_platform_tests/evaluation/test_segments.py` simulates how often such intervals hold the true difference.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from ml_platform.evaluation.candidate import Part
from ml_platform.evaluation.intervals import Interval, share
from ml_platform.evaluation.metrics import decisions, metrics_of
from ml_platform.spec.tasks import Task

MIN_ROWS = 200  # of a segment that is measured, where no gate declares another number; as in gates
MIN_OF_RATE = 30  # rows that a rate is a share of; with fewer the interval says next to nothing
MOST_SEGMENTS = 12  # of a column, those with most rows
MOST_CLASSES = 8  # whose rates are compared, those with most rows

Outcome = Literal["differs", "not shown", "too few rows", "not defined"]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class SegmentMetric:
    """A metric of one segment of the holdout. value, low, high: None where its rows do not define it or are few."""

    column: str
    segment: str
    metric: str
    value: float | None
    low: float | None
    high: float | None
    rows: int
    too_few: bool = False


@dataclass(frozen=True)
class Gap:
    """The difference `segment - reference` of one measure on the holdout, with its 95 % interval.

    measure: a metric, "selection rate", "true positive rate" or "false positive rate"; with classes, of which.
    rows, reference_rows: what the measure of each is made of: of a true positive rate the rows whose label is true.
    outcome: "differs" when the interval leaves out 0, "not shown" when it holds 0: that is no proof of equality.
        "not defined" where the rows of one of them do not define the measure or its interval.
    """

    column: str
    segment: str
    reference: str
    measure: str
    value: float | None
    low: float | None
    high: float | None
    rows: int
    reference_rows: int
    outcome: Outcome

    @property
    def detectable(self) -> float | None:
        """Half of the interval's length."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


@dataclass(frozen=True)
class Segments:
    """What was measured of the segments of a holdout of `of_rows` rows, of which `rows`, evenly spread, were looked at.

    left_out: column → how many further values it has, or why it is not compared.
    """

    metrics: tuple[SegmentMetric, ...] = ()
    gaps: tuple[Gap, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    rows: int = 0
    of_rows: int = 0


def measured_segments(task: Task, part: Part, min_rows: Mapping[str, int]) -> Segments:
    """Every metric of the task in each segment, and how far each segment is from the largest one of its column.

    Args:
        task: Of the model.
        part: The holdout with its scores; its frame has the columns.
        min_rows: The columns whose values are segments, and for each the least number of rows of one that is measured.
            Nulls are a segment of their own, called "null".
    """
    metrics: list[SegmentMetric] = []
    gaps: list[Gap] = []
    left_out: list[tuple[str, str]] = []
    for column, least in min_rows.items():
        if column not in part.frame.columns:
            left_out.append((column, "it is not in the training set"))
            continue
        names = part.frame[column].cast(pl.String).fill_null("null").alias("segment")
        sizes = names.value_counts(name="rows").sort(["rows", "segment"], descending=[True, False]).rows()
        if len(sizes) > MOST_SEGMENTS:
            left_out.append((column, f"{len(sizes) - MOST_SEGMENTS} further values with fewer rows"))
        segments = {name: part.where((names == name).to_numpy()) for name, _ in sizes[:MOST_SEGMENTS]}
        for name, rows in segments.items():
            metrics += _metrics(task, column, name, rows, least)
        largest, *others = segments.items()
        for other in others:
            gaps += _gaps(task, column, other, largest, least)
    return Segments(tuple(metrics), tuple(gaps), tuple(left_out), len(part), len(part))


def difference(first: Interval, second: Interval) -> Interval:
    """`first - second` of two independent estimates, by their intervals alone.

    >>> apart = difference(share(80, 100), share(60, 100))
    >>> [round(end, 3) for end in (apart.value, apart.low, apart.high)]
    [0.2, 0.073, 0.319]
    """
    ends = (first.value, first.low, first.high, second.value, second.low, second.high)
    if any(end is None for end in ends):
        return Interval(None, None, None)
    value, low, high, other, other_low, other_high = (float(end) for end in ends if end is not None)
    apart = value - other
    below = math.hypot(value - low, other_high - other)
    above = math.hypot(high - value, other - other_low)
    return Interval(apart, apart - below, apart + above)


def _metrics(task: Task, column: str, segment: str, rows: Part, min_rows: int) -> Iterator[SegmentMetric]:
    for metric in metrics_of(task):
        enough = len(rows) >= min_rows
        interval = rows.interval(metric) if enough else Interval(None, None, None)
        yield SegmentMetric(column, segment, metric, interval.value, interval.low, interval.high, len(rows), not enough)


def _gaps(
    task: Task, column: str, segment: tuple[str, Part], reference: tuple[str, Part], min_rows: int
) -> Iterator[Gap]:
    names, parts = (segment[0], reference[0]), (segment[1], reference[1])
    sizes = (len(parts[0]), len(parts[1]))
    for metric in metrics_of(task):
        if metric == "recall":  # the true positive rate below, with the rows that it is a share of
            continue
        if min(sizes) < min_rows:
            yield Gap(column, *names, metric, None, None, None, *sizes, "too few rows")
        else:
            yield _gap(column, names, metric, parts[0].interval(metric), parts[1].interval(metric), sizes)
    for measure, (first, second) in _rates(task, *parts):
        if min(sizes) < min_rows or min(first.rows, second.rows) < MIN_OF_RATE:
            yield Gap(column, *names, measure, None, None, None, first.rows, second.rows, "too few rows")
        else:
            yield _gap(column, names, measure, first.interval, second.interval, (first.rows, second.rows))


def _gap(
    column: str, names: tuple[str, str], measure: str, first: Interval, second: Interval, rows: tuple[int, int]
) -> Gap:
    apart = difference(first, second)
    outcome: Outcome = "not defined"
    if apart.low is not None and apart.high is not None:
        outcome = "not shown" if apart.low <= 0 <= apart.high else "differs"
    return Gap(column, *names, measure, apart.value, apart.low, apart.high, *rows, outcome)


@dataclass(frozen=True)
class _Rate:
    """A share of rows."""

    hits: int
    rows: int

    @property
    def interval(self) -> Interval:
        return share(self.hits, self.rows)


def _rates(task: Task, first: Part, second: Part) -> Iterator[tuple[str, tuple[_Rate, _Rate]]]:
    """Selection rate, true and false positive rate, of a Boolean label or of each class; none of a number."""
    if task == "regression":
        return
    classes = [""] if task == "binary" else _most_frequent(second)
    for one in classes:
        mine, theirs = _rates_of(task, first, one), _rates_of(task, second, one)
        for measure in mine:
            yield (f"{measure} of {one}" if one else measure), (mine[measure], theirs[measure])


def _rates_of(task: Task, part: Part, one: str) -> dict[str, _Rate]:
    decided: Any = decisions(task, part.scores, part.classes)
    labels = part.labels.to_numpy()
    chosen: Mask = np.asarray(decided == one if one else decided, dtype=bool)
    actual: Mask = np.asarray(labels == one if one else labels, dtype=bool)
    return {
        "selection rate": _Rate(int(chosen.sum()), len(chosen)),
        "true positive rate": _Rate(int((chosen & actual).sum()), int(actual.sum())),
        "false positive rate": _Rate(int((chosen & ~actual).sum()), int((~actual).sum())),
    }


def _most_frequent(part: Part) -> list[str]:
    counts = part.labels.alias("label").value_counts(name="rows").sort(["rows", "label"], descending=[True, False])
    return [str(name) for name in counts["label"].head(MOST_CLASSES)]
