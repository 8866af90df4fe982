"""One process that answers as challengers what its worker has answered, for the prediction log alone (S28)."""

import logging
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ml_platform.errors import first_line
from ml_platform.features.online.answering import Adjustments
from ml_platform.models import bundle as bundles
from ml_platform.serving.online import OnlinePredictor
from ml_platform.serving.online_store import Deployment, ServedStore
from ml_platform.serving.prediction_log import PredictionLog
from ml_platform.serving.rest.records import answer_of, answers_of_many, packed_records, record_of
from ml_platform.serving.rest.shadow_requests import ShadowBatch, ShadowOutcome, ShadowRequest

_NICENESS = 10  # below the workers, which somebody waits for
_LOOK = 1.0  # seconds between looks at the age of segments
_BUDGET_SHARE = 2  # challengers take half of the log's budget: what champions need is never theirs

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Challenger:
    deployment: Deployment
    predictor: OnlinePredictor
    log: PredictionLog


class ShadowAnswers:
    """The challengers of one worker.

    Args:
        blobs: Where bundles are.
        store: The online store.
        logs: The folder with one folder of log segments a pipeline.
        budget: Bytes that the segments of a pipeline may take, those of champions included.
    """

    def __init__(self, blobs: bundles.BlobReader, store: ServedStore, logs: Path, budget: int) -> None:
        self._blobs, self._store, self._logs, self._budget = blobs, store, logs, budget // _BUDGET_SHARE
        self._challengers: dict[str, _Challenger] = {}
        self._open_logs: dict[str, PredictionLog] = {}
        self._reported: set[tuple[str, int, str]] = set()

    def answer(self, request: ShadowRequest | ShadowBatch) -> ShadowOutcome:
        """Answer and log a request. What fails is reported once by its text."""
        try:
            challenger = self._challenger(request.challenger)
            if isinstance(request, ShadowBatch):
                self._answer_many(challenger, request)
                return ShadowOutcome(request.count, 0)
            answered = self._answer_rows(challenger, request)
        except Exception as error:  # a bundle may hold anything, the log may be full: the champion answers all the same
            self._report(request.challenger, error)
            return ShadowOutcome(0, request.count)
        return ShadowOutcome(answered, request.count - answered)

    def seal_old(self) -> None:
        """Seal segments that are old."""
        for log in self._open_logs.values():
            log.seal_old()

    def seal(self) -> None:
        """Seal all segments."""
        for log in self._open_logs.values():
            log.seal()

    def _answer_rows(self, challenger: _Challenger, request: ShadowRequest) -> int:
        predictor, records = challenger.predictor, []
        requested = request.requested.isoformat(timespec="microseconds")
        for identity, row, wanted in zip(request.identities, request.rows, request.adjustments, strict=True):
            adjustments = _own(predictor, wanted)
            try:
                prediction = predictor.predict(row, adjustments)
            except Exception as error:  # its features or its model may fail in any way: the other rows are answered
                self._report(request.challenger, error)
                continue
            answer = answer_of(predictor, row, prediction, identity)
            records.append(record_of(predictor, row, adjustments, prediction, answer, requested, role="challenger"))
        if records:
            challenger.log.append(records)
        return len(records)

    def _answer_many(self, challenger: _Challenger, request: ShadowBatch) -> None:
        predictor = challenger.predictor
        rows = request.rows.select(list(predictor.definition.row_schema))
        predictions = predictor.predict_many(rows)
        answers = answers_of_many(
            predictor, rows, predictions, request.identities, request.requested, role="challenger"
        )
        challenger.log.append_columns(packed_records(predictor, rows, predictions, answers))

    def _challenger(self, deployment: Deployment) -> _Challenger:
        name, present = deployment.pipeline, self._challengers.get(deployment.pipeline)
        if present is not None and present.deployment == deployment:
            return present
        predictor = OnlinePredictor(bundles.load(self._blobs, deployment.bundle), deployment.version, self._store)
        if name not in self._open_logs:
            self._open_logs[name] = PredictionLog(self._logs / name, budget=self._budget)
        self._reported.clear()
        challenger = self._challengers[name] = _Challenger(deployment, predictor, self._open_logs[name])
        return challenger

    def _report(self, deployment: Deployment, error: Exception) -> None:
        reported = (deployment.pipeline, deployment.version, type(error).__name__)
        if reported not in self._reported:
            self._reported.add(reported)
            _log.error("Challenger %s@%s: %s", deployment.pipeline, deployment.version, first_line(error))


def _own(predictor: OnlinePredictor, adjustments: Adjustments | None) -> Adjustments | None:
    """Those of a request that are about features of this version: another one may have others."""
    if adjustments is None:
        return None
    definition = predictor.definition
    outputs = {name for form in definition.joined for name in form.outputs}
    return Adjustments(
        _of(adjustments.overrides, outputs), _of(adjustments.max_staleness, set(definition.status_columns))
    )


def _of(values: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in names}


def main() -> None:
    """Answer what comes over the file descriptor of the argument until its other end is gone."""
    from ml_platform.lake.blobs import Blobs
    from ml_platform.serving.opening_store import open_store
    from ml_platform.serving.rest.folders import logs_folder
    from ml_platform.settings import Settings

    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it ends after its worker, which may get the same signal
    os.nice(_NICENESS)
    settings, connection = Settings(), Connection(int(sys.argv[1]))
    answers = ShadowAnswers(
        Blobs(settings), open_store(settings), logs_folder(settings.online), settings.log_budget_bytes
    )
    while True:
        try:
            if connection.poll(_LOOK):
                connection.send([answers.answer(request) for request in connection.recv()])
            answers.seal_old()
        except (EOFError, ConnectionError):  # the worker is gone
            break
    answers.seal()


if __name__ == "__main__":
    main()
