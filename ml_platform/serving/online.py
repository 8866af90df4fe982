"""Online predictions: one version's features from the online store, then its model, as the batch does (S13)."""

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import Any

import numpy as np
import polars as pl

from ml_platform.errors import FeatureError, ScoringError, ServingError
from ml_platform.features.definition import FeatureDefinition
from ml_platform.features.online.answering import Adjustments, OnlineFeatures
from ml_platform.features.online.answering_many import OnlineFeaturesOfMany
from ml_platform.models.bundle import Bundle
from ml_platform.models.predictor import Predictor
from ml_platform.serving.batch import answers, decided
from ml_platform.serving.online_store import Bounds, StoredValues
from ml_platform.spec.durations import EPOCH

TOGETHER = 100  # examples of one request: from here on columns take less time than one after the other


@dataclass(frozen=True)
class _TableBounds:
    """By table: when its first row became usable, and the snapshot of the lake that it was filled from.

    horizon: the earliest `at` that all layouts answer; None: any.
    """

    since: Mapping[str, int | None]
    snapshots: Mapping[str, int | None]
    horizon: int | None


@dataclass(frozen=True)
class Prediction:
    """One answer.

    score, scores and class_name are as in the table of predictions. features: outputs by name. statuses: of each
    looked-up feature, `<prefix>__status` → ok, unknown, assumed, stale or overridden. ages: of the rows behind
    features that may be stale, `<prefix>__status` → microseconds from their event to the prediction time, less the
    offset of the feature: what its `max_age` is compared with. snapshots: table → the snapshot of the lake whose rows
    answered; None where layouts of the table are of several. model_seconds: that the model took, of wall time; of one
    of many examples, its part.
    """

    version: int
    score: float
    scores: list[float] | None
    class_name: str | None
    features: Mapping[str, Any]
    statuses: Mapping[str, str]
    ages: Mapping[str, int]
    snapshots: Mapping[str, int | None]
    model_seconds: float = field(default=0.0, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True)
class ManyPredictions:
    """The answers for many examples, in their order, as columns of what a `Prediction` has.

    answers: score, scores and class. features: the columns of `definition.schema`. ages: in microseconds, null where
    there is none. snapshots: as of a `Prediction`. definition: of the features. model_seconds: that the model took, of
    wall time.
    """

    version: int
    answers: pl.DataFrame
    features: pl.DataFrame
    ages: Mapping[str, pl.Series]
    snapshots: Mapping[str, int | None]
    definition: FeatureDefinition
    model_seconds: float

    def each(self) -> list[Prediction]:
        """The answers one by one."""
        frames = (
            self.features.select(list(self.definition.outputs)),
            self.features.select(self.definition.status_columns),
            pl.DataFrame(dict(self.ages)),
        )
        count = self.answers.height
        columns: list[list[dict[str, Any]]] = [
            frame.rows(named=True) if frame.width else [{} for _ in range(count)] for frame in frames
        ]
        return [
            Prediction(
                self.version,
                score,
                scores,
                class_name,
                features,
                of_statuses,
                {name: age for name, age in ages.items() if age is not None},
                self.snapshots,
                model_seconds=self.model_seconds / count,
            )
            for (score, scores, class_name), features, of_statuses, ages in zip(
                self.answers.iter_rows(), *columns, strict=True
            )
        ]


class OnlinePredictor:
    """Answers for one version. It is safe to share between threads where the store is.

    Raises ServingError when the store lacks a layout that the version's features need.
    """

    def __init__(self, bundle: Bundle, version: int, store: StoredValues) -> None:
        self.version = version
        self.definition = self.definition_of(bundle)
        self._features = OnlineFeatures(self.definition)
        self._features_of_many = OnlineFeaturesOfMany(self._features)
        self._model = Predictor(bundle, threads=1)
        self._store = store
        self._layouts = [online_pass.layout.fingerprint for online_pass in self._features.passes]
        self._tables = [online_pass.table_name for online_pass in self._features.passes]
        bounds = self._store.read(self._layouts)
        self._last_bounds: tuple[Sequence[bytes | None], _TableBounds] = bounds, self._read_bounds(bounds)

    @staticmethod
    def definition_of(bundle: Bundle) -> FeatureDefinition:
        """The features that a bundle's model reads."""
        return FeatureDefinition.from_json(bundle.definition)

    @property
    def task(self) -> str:
        """binary, multiclass or regression."""
        return self._model.task

    @property
    def classes(self) -> Sequence[Any]:
        """The classes, in the order of `scores`."""
        return self._model.classes or ()

    @property
    def levels(self) -> tuple[float, ...]:
        """The levels of a model of quantiles, in the order of `scores`, else ()."""
        return self._model.levels

    @property
    def by_polars(self) -> tuple[str, ...]:
        """The derived features that polars computes for each row, which takes far longer than the others."""
        return self._features.by_polars

    @property
    def horizon(self) -> datetime | None:
        """The earliest `at` that is answered now; None: any."""
        horizon = self._bounded(self._store.read(self._layouts)).horizon
        return None if horizon is None else EPOCH + timedelta(microseconds=horizon)

    def warm_up(self) -> None:
        """Prepare what the first prediction would have to: it scores a row of nulls."""
        self._model.score_row(dict.fromkeys(self._model.columns))

    def predict(self, example: Mapping[str, Any], adjustments: Adjustments | None = None) -> Prediction:
        """Answer for an example's own columns (`definition.row_schema`).

        Raises FeatureError for an `at` before the horizon of the store, and for values that have no feature.
        """
        question = self._features.question(example)
        values = self._store.read([*self._layouts, *question.keys])
        bounds = self._bounded(values[: len(self._layouts)])
        if bounds.horizon is not None and question.at < bounds.horizon:
            raise self._too_early(example[self.definition.at or ""], bounds.horizon)
        answered = self._features.answer(question, values[len(self._layouts) :], bounds.since, adjustments)
        features = answered.values
        row = {**{name: example[name] for name in self.definition.row_schema}, **features}
        began = time.perf_counter()
        score, scores = self._model.answer_row(row)
        model_seconds = time.perf_counter() - began
        if not all(map(math.isfinite, scores or (score,))):
            raise ScoringError(f"The model gave {scores or score}, no score.", remedy="Look at the values of the row.")
        statuses = {name: features.pop(name) for name in self.definition.status_columns}
        (class_name,) = decided(self._model, [scores or score])
        return Prediction(
            self.version,
            score,
            scores,
            class_name,
            features,
            statuses,
            answered.ages,
            bounds.snapshots,
            model_seconds=model_seconds,
        )

    def predict_many(self, examples: pl.DataFrame) -> ManyPredictions:
        """Answer for many examples, to the bits of `predict`: the columns of `definition.row_schema`, of its types.

        Raises FeatureError as `predict` does, and ScoringError where a score is no number.
        """
        question = self._features_of_many.question(examples)
        names: list[bytes | None] = [*self._layouts, *chain.from_iterable(question.names)]
        values = iter(self._store.read(names))
        bounds = self._bounded(list(islice(values, len(self._layouts))))
        if bounds.horizon is not None and (question.at < bounds.horizon).any():
            row = int(np.argmax(question.at < bounds.horizon))
            raise self._too_early(examples[self.definition.at or ""][row], bounds.horizon, f"rows.{row}: ")
        by_pass = [list(islice(values, len(of_pass))) for of_pass in question.names]
        features = self._features_of_many.answer(question, by_pass, bounds.since)
        began = time.perf_counter()
        scored = answers(features.columns, self._model)
        model_seconds = time.perf_counter() - began
        finite = scored["score"].is_finite()
        if scored["scores"].null_count() < scored.height:
            finite &= scored["scores"].list.eval(pl.element().is_finite()).list.all()
        if not finite.all():
            row = int((~finite).arg_true()[0])
            raise ScoringError(
                f"rows.{row}: The model gave {scored['score'][row]}, which is no score.",
                remedy="Look at the values of the row.",
            )
        return ManyPredictions(
            self.version, scored, features.columns, features.ages, bounds.snapshots, self.definition, model_seconds
        )

    def predict_each(
        self, examples: Sequence[Mapping[str, Any]], adjustments: Sequence[Adjustments | None]
    ) -> list[Prediction]:
        """`predict` for each of some examples, with the adjustments at its index.

        From TOGETHER examples on, of which none has adjustments, they are answered as columns, which takes less time.
        Raises FeatureError and ScoringError as `predict` does, and names the row.
        """
        if len(examples) >= TOGETHER and not any(adjustments):
            # A refusal as of one example needs its row: then each is answered alone, and the wrong one is found.
            with suppress(FeatureError, ScoringError):
                return self.predict_many(self._frame(examples)).each()
        predictions = []
        for index, (example, adjustment) in enumerate(zip(examples, adjustments, strict=True)):
            try:
                predictions.append(self.predict(example, adjustment))
            except (FeatureError, ScoringError) as error:
                raise type(error)(f"rows.{index}: {error.what}", remedy=error.remedy) from error
        return predictions

    def contributions(
        self, examples: Sequence[Mapping[str, Any]], predictions: Sequence[Prediction]
    ) -> list[dict[str, float] | None]:
        """What each model column added to each prediction (`Contributing`), of several classes to the decided one.

        None for a model that cannot tell.
        """
        schema = {name: self.definition.schema[name] for name in self._model.columns}
        rows = [
            {name: {**example, **one.features}[name] for name in schema}
            for example, one in zip(examples, predictions, strict=True)
        ]
        added = self._model.contributions(pl.DataFrame(rows, schema=schema, orient="row"))
        if added is None:
            return [None] * len(rows)
        chosen = [one.scores.index(one.score) if one.scores else 0 for one in predictions]
        return [
            dict(zip(schema, of_row[place].tolist(), strict=True)) for of_row, place in zip(added, chosen, strict=True)
        ]

    def _frame(self, examples: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
        columns = self.definition.row_schema.items()
        return pl.DataFrame([pl.Series(name, [one[name] for one in examples], dtype) for name, dtype in columns])

    def _too_early(self, at: object, horizon: int, where: str = "") -> FeatureError:
        earliest = EPOCH + timedelta(microseconds=horizon)
        return FeatureError(
            f"{where}{self.definition.at} = {at} is before {earliest.isoformat()}, "
            "the earliest moment that the online store answers.",
            remedy="It keeps what the last ML_PLATFORM_ONLINE_DAYS days before the newest row need. `ml-platform sql` "
            "shows what the batch predicted for earlier moments.",
        )

    def _bounded(self, bounds: Sequence[bytes | None]) -> _TableBounds:
        earlier_bounds, read = self._last_bounds
        if bounds != earlier_bounds:
            read = self._read_bounds(bounds)
            self._last_bounds = bounds, read
        return read

    def _read_bounds(self, bounds: Sequence[bytes | None]) -> _TableBounds:
        since: dict[str, int | None] = {}
        snapshots: dict[str, int | None] = {}
        horizons = []
        for table, value in zip(self._tables, bounds, strict=True):
            if value is None:
                raise ServingError(
                    f"The online store has nothing of {table} for version {self.version}.",
                    remedy="Fill it: `ml-platform serve` does so before it answers.",
                )
            of_table = Bounds.of(value)
            since[table] = of_table.since
            is_same = of_table.snapshot and snapshots.get(table, of_table.snapshot) == of_table.snapshot
            snapshots[table] = of_table.snapshot if is_same else None
            if of_table.horizon is not None:
                horizons.append(of_table.horizon)
        return _TableBounds(since, snapshots, max(horizons, default=None))
