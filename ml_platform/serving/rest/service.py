"""What a worker of the REST service holds: the versions that answer now, and the log of what it answered."""

import asyncio
import logging
import threading
import time
import uuid
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import polars as pl
from pydantic import TypeAdapter

from ml_platform.errors import PlatformError, first_line
from ml_platform.models import bundle as bundles
from ml_platform.serving.online import OnlinePredictor
from ml_platform.serving.online_store import Deployment, ServedStore
from ml_platform.serving.prediction_log import PredictionLog
from ml_platform.serving.rest.answered_rows import AnsweredRow, AnsweredRows, answered_by_champion
from ml_platform.serving.rest.canary_request import CanaryRequest, ServedCanary
from ml_platform.serving.rest.metrics import Metrics
from ml_platform.serving.rest.records import answer_of, record_of
from ml_platform.serving.rest.request_model import PredictRequest, request_adapter
from ml_platform.serving.rest.shadow_requests import ShadowBatch, ShadowRequest
from ml_platform.serving.rest.shadows import Shadows
from ml_platform.serving.stored_predictions import stored_prediction

T = TypeVar("T")
POLL = 0.5  # seconds between looks for another champion
_RETRY = 2.0  # seconds, while something cannot be loaded: loading takes time from requests
SERVICE = "the service"  # what has a fault that is of no single pipeline

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServedVersion:
    """A version that answers, with all that a request needs."""

    deployment: Deployment
    predictor: OnlinePredictor
    request: TypeAdapter[Any]
    log: PredictionLog


class Service:
    """The pipelines of one worker. The event loop and one more thread predict; one thread looks for new deployments.

    Args:
        blobs: Where bundles are.
        store: The online store.
        logs: The folder with one folder of log segments a pipeline.
        budget: Bytes that the segments of a pipeline may take.
        pipelines: Which pipelines answer; others in the store do not.
    """

    def __init__(
        self, blobs: bundles.BlobReader, store: ServedStore, logs: Path, budget: int, pipelines: Collection[str]
    ) -> None:
        self.metrics = Metrics()
        self.canaries: Mapping[str, ServedCanary] = {}  # by pipeline; replaced as a whole
        self.ended_canaries: Mapping[str, Deployment] = {}  # that the service took back; likewise
        self.challengers: Mapping[str, Deployment] = {}  # by pipeline; likewise replaced as a whole
        self.served: Mapping[str, ServedVersion] = {}  # replaced as a whole: the event loop iterates over it
        self.faults: Mapping[str, str] = {}  # pipeline → why its newest deployment does not answer; likewise
        self.large_requests = ThreadPoolExecutor(1, "large requests")  # one thread, so one connection to the store
        self.queued = 0  # requests in the queue of that thread; the event loop counts them
        self.batches = 0  # requests of many rows whose body is being read or answered; likewise
        self._shadows = Shadows(self.metrics)
        self._blobs, self._store, self._logs, self._budget = blobs, store, logs, budget
        self._pipelines = frozenset(pipelines)
        self._open_logs: dict[str, PredictionLog] = {}
        self._log_lock = threading.Lock()
        self._changes: int | None = None
        self._looked, self._stopped = threading.Event(), threading.Event()

    def start(self) -> None:
        """Load what is deployed, and look for changes from now on."""
        threading.Thread(target=self._watch, name="deployments", daemon=True).start()
        self._looked.wait()

    def stop(self) -> None:
        """End the looking, and seal the log."""
        self._stopped.set()
        self.large_requests.shutdown()
        self._shadows.stop()
        with self._log_lock:
            for log in self._open_logs.values():
                log.seal()

    def take_up_changes(self) -> None:
        """Take up deployments that are new. What cannot be loaded leaves the version before it at work.

        While there are faults everything is looked at again, because a fault may pass without a change of the store.
        One thread calls it: numbers of `OnlineStore.changes` are compared within a thread only.
        """
        changes = self._store.changes()
        if changes == self._changes and not self.faults:
            return
        served, faults = {}, {}
        for name, deployment in self._store.deployments().items():
            if name not in self._pipelines:
                continue
            previous = self.served.get(name)
            if previous is not None:
                served[name] = previous
            try:
                if previous is None or previous.deployment != deployment:
                    served[name] = self._loaded(deployment)
            except PlatformError as error:
                faults[name] = str(error)
            except Exception as error:  # a bundle may hold anything: one pipeline's fault stops no other pipeline
                _log.exception("Version %s of %s cannot be loaded", deployment.version, name)
                faults[name] = f"Version {deployment.version} cannot be loaded: {first_line(error)}."
        self.canaries = self._canaries(served)
        challengers = self._store.deployments("challenger")
        self.challengers = {name: one for name, one in challengers.items() if name in served}
        self.served, self.faults, self._changes = served, faults, changes

    def predict(
        self, served_version: ServedVersion, request: PredictRequest, *, alone: bool = False
    ) -> list[dict[str, Any]]:
        """Answer a validated request and log it before anybody hears the answers. alone: a canary answers no row."""
        name, canary = served_version.deployment.pipeline, None if alone else self._answering_canary(served_version)
        shared = (
            CanaryRequest(served_version.predictor, canary, contributions=request.contributions) if canary else None
        )
        predictor, moment = served_version.predictor, datetime.now(UTC)
        requested = moment.isoformat(timespec="microseconds")
        started = time.perf_counter()
        rows = (
            shared.answer_each(request.rows, request.adjustments)
            if shared
            else [
                AnsweredRow(predictor, "champion", prediction)
                for prediction in predictor.predict_each(request.rows, request.adjustments)
            ]
        )
        answers, lines = [], []
        for row, adjustments, answered in zip(request.rows, request.adjustments, rows, strict=True):
            answer = answer_of(answered.predictor, row, answered.prediction, uuid.uuid4().hex)
            answers.append(answer)
            lines.append(
                record_of(
                    answered.predictor, row, adjustments, answered.prediction, answer, requested, role=answered.role
                )
            )
        champions = [number for number, one in enumerate(rows) if one.role == "champion"]
        if request.contributions:
            predictions = [rows[number].prediction for number in champions]
            asked = [request.rows[number] for number in champions]
            added = predictor.contributions(asked, predictions) if champions else []
            for answer, one in zip(answers, rows, strict=True):
                answer["contributions"] = one.contributions
            for number, of_row in zip(champions, added, strict=True):
                answers[number]["contributions"] = of_row
        predicted = time.perf_counter()
        with self._log_lock:
            served_version.log.append(lines)
        logged = time.perf_counter()
        model = sum(one.prediction.model_seconds for one in rows)
        stages = {"features": predicted - started - model, "model": model, "log": logged - predicted}
        self.metrics.of_request(name, answers, stages)
        if canary and shared:
            self.metrics.canaries.count(name, canary.deployment.version, shared.counts)
        challenger = self.challengers.get(name)
        if challenger is not None and champions:
            self._shadows.offer(
                ShadowRequest(
                    challenger,
                    moment,
                    [answers[number]["id"] for number in champions],
                    [request.rows[number] for number in champions],
                    [request.adjustments[number] for number in champions],
                )
            )
        return answers

    def predict_many(self, served_version: ServedVersion, rows: pl.DataFrame) -> list[AnsweredRows]:
        """Answer many rows, which are logged by the caller, in one part for each version that answers."""
        canary = self._answering_canary(served_version)
        if canary is None:
            return answered_by_champion(served_version.predictor, rows)
        shared = CanaryRequest(served_version.predictor, canary)
        parts = shared.answer_many(rows)
        self.metrics.canaries.count(served_version.deployment.pipeline, canary.deployment.version, shared.counts)
        return parts

    def shadow_many(self, name: str, requested: datetime, identities: pl.Series, rows: pl.DataFrame) -> None:
        """Let the challenger of a pipeline answer, too, what was answered and logged; nobody waits for it."""
        challenger = self.challengers.get(name)
        if challenger is not None:
            self._shadows.offer(ShadowBatch(challenger, requested, identities, rows))

    def stored_prediction(self, name: str, key: str) -> dict[str, Any] | None:
        """The newest prediction that the batch made for a key, with its age in seconds; None without one."""
        prediction = stored_prediction(self._store, name, key)
        if prediction is None:
            return None
        age = datetime.now(UTC) - datetime.fromisoformat(prediction["scored_at"])
        return {"key": key, **prediction, "age_seconds": age.total_seconds()}

    def note_backlogs(self) -> None:
        """Set the figures of what the logs hold that is not in the lake yet."""
        for name, served in self.served.items():
            self.metrics.prediction_log_bytes.labels(name).set(served.log.backlog)

    async def beside(self, work: Callable[[], T]) -> T:
        """What `work` gives, in the thread of larger requests, so that the event loop answers others meanwhile."""
        self.queued += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self.large_requests, work)
        finally:
            self.queued -= 1

    def _answering_canary(self, served_version: ServedVersion) -> ServedCanary | None:
        """The canary beside a version; None where it was compared with another champion, which is no more."""
        canary = self.canaries.get(served_version.deployment.pipeline)
        return canary if canary is not None and canary.terms.champion == served_version.deployment.version else None

    def _canaries(self, served: Mapping[str, ServedVersion]) -> Mapping[str, ServedCanary]:
        """The canaries of now; one that cannot be loaded is there without a predictor, so that its rows count."""
        canaries, deployments = dict[str, ServedCanary](), self._store.deployments("canary")
        self.metrics.canaries.show([one for name, one in deployments.items() if name in self._pipelines])
        self.ended_canaries = {name: one for name, one in deployments.items() if one.terms and one.terms.evidence}
        for name, deployment in deployments.items():
            terms = deployment.terms
            if terms is None or terms.ended or name not in served:
                continue
            previous = self.canaries.get(name)
            if previous is not None and previous.deployment == deployment:
                canaries[name] = previous
                continue
            canary = ServedCanary(deployment, None)
            try:
                bundle = bundles.load(self._blobs, deployment.bundle)
                canary = ServedCanary(deployment, OnlinePredictor(bundle, deployment.version, self._store))
            except Exception as error:  # a bundle may hold anything: the champion answers
                canary.report(error)
            canaries[name] = canary
        return canaries

    def _watch(self) -> None:
        retry_at = 0.0  # by the monotonic clock
        while True:
            try:
                self.metrics.memory()
                if time.monotonic() >= retry_at or self._store.changes() != self._changes:
                    retry_at = 0.0
                    self.take_up_changes()
                    if self.faults:
                        retry_at = time.monotonic() + _RETRY
                with self._log_lock:
                    for log in self._open_logs.values():
                        log.seal_old()
            except Exception as error:  # the store or the disk may be busy or gone for a while: /readyz says so
                self.faults = {**self.faults, SERVICE: first_line(error)}
            self._looked.set()
            if self._stopped.wait(POLL):
                return

    def _loaded(self, deployment: Deployment) -> ServedVersion:
        bundle = bundles.load(self._blobs, deployment.bundle)
        predictor = OnlinePredictor(bundle, deployment.version, self._store)
        with suppress(Exception):  # a model of any library may refuse a row of nulls, and answer all others
            predictor.warm_up()  # else the first request would load the library and read the model
        name = deployment.pipeline
        if name not in self._open_logs:  # one log a pipeline: requests under way may write to it after a change
            self._open_logs[name] = PredictionLog(self._logs / name, budget=self._budget)
        request = request_adapter(predictor.definition, bundle.contract)
        return ServedVersion(deployment, predictor, request, self._open_logs[name])
