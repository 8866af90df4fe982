"""Online predictions: one version's features from the online store, then its model, as the batch does (S13)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ml_platform.errors import FeatureError, ServingError
from ml_platform.features.definition import FeatureDefinition
from ml_platform.features.kept.answering import KeptFeatures
from ml_platform.models.bundle import Bundle
from ml_platform.models.predictor import Predictor
from ml_platform.serving.batch import decided
from ml_platform.serving.online_store import OnlineStore
from ml_platform.spec.durations import since_epoch


@dataclass(frozen=True)
class Prediction:
    """One answer.

    score, scores and class_name are as in the table of predictions. features: outputs by name. statuses: of each
    looked-up feature, `<prefix>__status` → ok, unknown, assumed or stale.
    """

    version: int
    score: float
    scores: list[float] | None
    class_name: str | None
    features: Mapping[str, Any]
    statuses: Mapping[str, str]


class OnlinePredictor:
    """Answers for one version. It is safe to share between threads where the store is.

    Raises ServingError when the store lacks a layout that the version's features need.
    """

    def __init__(self, bundle: Bundle, version: int, store: OnlineStore) -> None:
        self.version = version
        self.definition = self.definition_of(bundle)
        self._features = KeptFeatures(self.definition)
        self._model = Predictor(bundle, threads=1)
        self._store = store
        self._since: dict[str, datetime | None] = {}
        self.horizon: datetime | None = None
        self.refresh()

    @staticmethod
    def definition_of(bundle: Bundle) -> FeatureDefinition:
        """The features that a bundle's model reads."""
        return FeatureDefinition.from_json(bundle.definition)

    def refresh(self) -> None:
        """Read anew from when on tables have rows, and which `at` the store answers."""
        fillings = self._store.fillings()
        horizons = []
        for kept in self._features.passes:
            filling = fillings.get(kept.layout.fingerprint)
            if filling is None:
                raise ServingError(
                    f"The online store has nothing of {kept.table_name} for version {self.version}.",
                    remedy="Fill it: `ml-platform serve` does so before it answers.",
                )
            self._since[kept.table_name] = filling.since
            if filling.horizon is not None:
                horizons.append(filling.horizon)
        self.horizon = max(horizons, default=None)

    def predict(self, example: Mapping[str, Any]) -> Prediction:
        """Answer for an example's own columns (`definition.row_schema`).

        Raises FeatureError for an `at` before the horizon of the store, and for values that have no feature.
        """
        question = self._features.question(example)
        if self.horizon is not None and question.at < since_epoch(self.horizon):
            raise FeatureError(
                f"{self.definition.at} = {example[self.definition.at or '']} is before {self.horizon.isoformat()}, "
                "the earliest moment that the online store answers.",
                remedy="Ask the predictions of the batch for the past.",
            )
        answers = self._features.answer(question, self._store.read(question.keys), self._since)
        row = {**{name: example[name] for name in self.definition.row_schema}, **answers}
        answer = self._model.score_row(row)
        statuses = {name: answers.pop(name) for name in self.definition.status_columns}
        scores = answer if isinstance(answer, list) else None
        score = max(answer) if isinstance(answer, list) else answer
        (class_name,) = decided(self._model, [answer])
        return Prediction(self.version, score, scores, class_name, answers, statuses)
