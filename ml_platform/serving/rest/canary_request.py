"""One request while a canary is set: some rows are its own, and the champion answers what it cannot (S58)."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from ml_platform.errors import FeatureError, ScoringError, first_line
from ml_platform.features.online.answering import Adjustments
from ml_platform.serving.batch import key_of, key_text
from ml_platform.serving.canary_share import CanaryShare
from ml_platform.serving.online import OnlinePredictor, Prediction
from ml_platform.serving.online_store import CanaryTerms, Deployment
from ml_platform.serving.rest.answered_rows import AnsweredRow, AnsweredRows, answered_by_champion

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServedCanary:
    """The canary of a pipeline in one worker. predictor: None where it could not be loaded."""

    deployment: Deployment
    predictor: OnlinePredictor | None
    reported: set[str] = field(default_factory=set)  # kinds of errors that the log has

    @property
    def terms(self) -> CanaryTerms:
        """Its share and bounds."""
        assert self.deployment.terms is not None  # every canary has them
        return self.deployment.terms

    @cached_property
    def share(self) -> CanaryShare:
        """Its keys."""
        return CanaryShare(self.deployment.pipeline, self.deployment.version, self.terms.share)

    def report(self, error: Exception) -> None:
        """Log the first error of each kind."""
        if type(error).__name__ not in self.reported:
            self.reported.add(type(error).__name__)
            name = f"{self.deployment.pipeline}@{self.deployment.version}"
            _log.error("Canary %s: %s. The champion answers.", name, first_line(error))


@dataclass
class CanaryCounts:
    """What became of the rows of a request: answered by the canary, or not, and the CPU seconds of single rows."""

    answered: int = 0
    failed: int = 0
    canary_seconds: list[float] = field(default_factory=list)
    champion_seconds: list[float] = field(default_factory=list)


class CanaryRequest:
    """Answers the rows of one request, and counts for whom.

    A row that only the canary cannot answer is the champion's, and counts as the canary's failure. One that the
    champion cannot answer either is refused, as it is without a canary.

    Args:
        champion: Answers the other rows.
        canary: Answers its share.
        contributions: Whether rows are asked for what each model column added.
    """

    def __init__(self, champion: OnlinePredictor, canary: ServedCanary, *, contributions: bool = False) -> None:
        self._champion, self._canary, self._contributions = champion, canary, contributions
        self._keys = {name: champion.definition.row_schema[name] for name in champion.definition.keys}
        self.counts = CanaryCounts()

    def answer_each(
        self, rows: Sequence[Mapping[str, Any]], adjustments: Sequence[Adjustments | None]
    ) -> list[AnsweredRow]:
        """`answer` for each of some rows. Raises what it raises, and names the row."""
        answered = []
        for index, (row, adjustment) in enumerate(zip(rows, adjustments, strict=True)):
            try:
                answered.append(self.answer(row, adjustment))
            except (FeatureError, ScoringError) as error:
                raise type(error)(f"rows.{index}: {error.what}", remedy=error.remedy) from error
        return answered

    def answer(self, row: Mapping[str, Any], adjustments: Adjustments | None) -> AnsweredRow:
        """Answer one row. Raises what the champion raises."""
        if not self._is_canarys(row, adjustments):
            began = time.process_time()
            answered = AnsweredRow(self._champion, "champion", self._champion.predict(row, adjustments))
            self.counts.champion_seconds.append(time.process_time() - began)
            return answered
        try:
            began = time.process_time()
            prediction = self._loaded().predict(row, adjustments)
            seconds = time.process_time() - began
            answered = AnsweredRow(self._loaded(), "canary", prediction, self._added(row, prediction))
        except Exception as error:  # its features or its model may fail in any way: the champion answers
            answered = AnsweredRow(self._champion, "champion", self._champion.predict(row, adjustments))
            self._fail(error, 1)
            return answered
        self.counts.answered += 1
        self.counts.canary_seconds.append(seconds)
        return answered

    def answer_many(self, rows: pl.DataFrame) -> list[AnsweredRows]:
        """Answer many rows, those of a version together. Where the canary fails at one of its rows it fails at all.

        Raises what the champion raises.
        """
        numbers = pl.Series(np.arange(rows.height))
        keys = rows.select(key_text(tuple(self._keys))).to_series().to_list()
        mask = pl.Series(self._canary.share.of(keys))
        parts = []
        if mask.any():
            own, count = rows.filter(mask), int(mask.sum())
            try:
                predictor = self._loaded()
                predictions = predictor.predict_many(own.select(list(predictor.definition.row_schema)))
                parts.append(AnsweredRows(predictor, "canary", own, predictions, numbers.filter(mask)))
                self.counts.answered += count
            except Exception as error:  # likewise
                self._fail(error, count)
                mask = pl.Series(np.zeros(rows.height, np.bool_))
        if not mask.all():
            others = rows.filter(~mask)
            try:
                predictions = self._champion.predict_many(others)
            except (FeatureError, ScoringError):
                return answered_by_champion(self._champion, rows)  # which names the row by its place in the request
            parts.append(AnsweredRows(self._champion, "champion", others, predictions, numbers.filter(~mask)))
        return parts

    def _is_canarys(self, row: Mapping[str, Any], adjustments: Adjustments | None) -> bool:
        """Whether the row is the canary's. What a request changes of features that it lacks is the champion's."""
        if not self._canary.share.has(key_of(row, self._keys)):
            return False
        return adjustments is None or self._canary.predictor is None or _has_all(self._canary.predictor, adjustments)

    def _loaded(self) -> OnlinePredictor:
        if self._canary.predictor is None:
            raise ScoringError("It is not loaded in this worker.", remedy="The log of the service says why.")
        return self._canary.predictor

    def _added(self, row: Mapping[str, Any], prediction: Prediction) -> Mapping[str, float] | None:
        if not self._contributions:
            return None
        (added,) = self._loaded().contributions([row], [prediction])
        return added

    def _fail(self, error: Exception, rows: int) -> None:
        self.counts.failed += rows
        self._canary.report(error)


def _has_all(predictor: OnlinePredictor, adjustments: Adjustments) -> bool:
    """Whether a version reads all features that a request changes."""
    outputs = {output for form in predictor.definition.joined for output in form.outputs}
    return outputs >= adjustments.overrides.keys() and set(predictor.definition.status_columns) >= (
        adjustments.max_staleness.keys()
    )
