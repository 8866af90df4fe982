"""What a worker of the REST service holds: the versions that answer now, and the log of what it answered."""

import json
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from ml_platform.errors import PlatformError
from ml_platform.lake.blobs import Blobs
from ml_platform.models import bundle as bundles
from ml_platform.serving.batch import key_of
from ml_platform.serving.online import OnlinePredictor, Prediction
from ml_platform.serving.online_store import Deployment, OnlineStore
from ml_platform.serving.prediction_log import PredictionLog
from ml_platform.serving.rest.metrics import Metrics
from ml_platform.serving.rest.request_model import rows_adapter

POLL = 0.5  # seconds between looks for another champion


@dataclass(frozen=True)
class ServedVersion:
    """A version that answers, with all that a request needs."""

    deployment: Deployment
    predictor: OnlinePredictor
    request: TypeAdapter[Any]
    log: PredictionLog


class Service:
    """The pipelines of one worker. One thread predicts; another looks for changes and swaps what answers.

    Args:
        blobs: Where bundles are.
        store: The online store.
        logs: The folder with one folder of log segments a pipeline.
        budget: Bytes that the segments of a pipeline may take.
    """

    def __init__(self, blobs: Blobs, store: OnlineStore, logs: Path, budget: int) -> None:
        self.metrics = Metrics()
        self._blobs, self._store, self._logs, self._budget = blobs, store, logs, budget
        self.served: dict[str, ServedVersion] = {}
        self.faults: dict[str, str] = {}  # pipeline → why its newest deployment does not answer
        self._log_lock = threading.Lock()
        self._changes = -1
        self._stopped = threading.Event()

    def start(self) -> None:
        """Load what is deployed, and look for changes from now on."""
        self.take_up_changes()
        threading.Thread(target=self._watch, name="deployments", daemon=True).start()

    def stop(self) -> None:
        """End the looking, and seal the log."""
        self._stopped.set()
        with self._log_lock:
            for served_version in self.served.values():
                served_version.log.seal()

    def take_up_changes(self) -> None:
        """Take up deployments that are new. What cannot be loaded leaves the version before it at work."""
        changes = self._store.changes()
        if changes == self._changes:
            return
        for name, deployment in self._store.deployments().items():
            before = self.served.get(name)
            try:
                if before is None or before.deployment != deployment:
                    self.served[name] = self._loaded(deployment, before)
                self.faults.pop(name, None)
            except PlatformError as error:
                self.faults[name] = str(error)
        self._changes = changes

    def predict(self, served_version: ServedVersion, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Answer validated rows and log them before anybody hears the answers."""
        predictor, name = served_version.predictor, served_version.deployment.pipeline
        answers, lines = [], []
        requested = datetime.now(UTC).isoformat(timespec="microseconds")
        started = time.perf_counter()
        for row in rows:
            prediction = predictor.predict(row)
            answer = _answer(predictor, row, prediction)
            answers.append(answer)
            lines.append(_line(predictor, row, prediction, answer, requested))
        predicted = time.perf_counter()
        with self._log_lock:
            served_version.log.append(lines)
        self.metrics.of_request(name, predictor.version, answers, predicted - started, time.perf_counter() - predicted)
        return answers

    def _watch(self) -> None:
        while not self._stopped.wait(POLL):
            try:
                self.take_up_changes()
                with self._log_lock:
                    for served_version in self.served.values():
                        served_version.log.seal_old()
                self.faults.pop("", None)
            except Exception as error:  # the store may be busy or gone for a while: it is said by /readyz
                self.faults[""] = str(error)

    def _loaded(self, deployment: Deployment, before: ServedVersion | None) -> ServedVersion:
        bundle = bundles.load(self._blobs, deployment.bundle)
        predictor = OnlinePredictor(bundle, deployment.version, self._store)
        log = before.log if before else PredictionLog(self._logs / deployment.pipeline, budget=self._budget)
        return ServedVersion(deployment, predictor, rows_adapter(predictor.definition), log)


def _answer(predictor: OnlinePredictor, row: Mapping[str, Any], prediction: Prediction) -> dict[str, Any]:
    at = predictor.definition.at
    return {
        "id": uuid.uuid4().hex,
        "key": key_of(row, {name: predictor.definition.row_schema[name] for name in predictor.definition.keys}),
        "at": _json_value(row[at]) if at else None,
        "version": prediction.version,
        "score": prediction.score,
        "scores": prediction.scores,
        "class": prediction.class_name,
        "statuses": dict(prediction.statuses),
    }


def _line(
    predictor: OnlinePredictor,
    row: Mapping[str, Any],
    prediction: Prediction,
    answer: Mapping[str, Any],
    requested: str,
) -> dict[str, Any]:
    inputs = {name: _json_value(row[name]) for name in predictor.definition.row_schema}
    features = {name: _json_value(value) for name, value in prediction.features.items()}
    return {
        **{name: answer[name] for name in ("id", "key", "at", "version", "score", "scores", "class")},
        "requested_at": requested,
        "role": "champion",
        "inputs": json.dumps(inputs),
        "features": json.dumps(features),
        "statuses": json.dumps(answer["statuses"]),
    }


def _json_value(value: Any) -> Any:
    """A value as JSON has it; NaN and infinity as text."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    if isinstance(value, date | Decimal):
        return str(value)
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return str(value)
    return value
