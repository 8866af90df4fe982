"""The integration test of a version: a real service answers held-out examples over HTTP, before another environment
takes the version.
"""

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import polars as pl

from ml_platform.errors import ServingError
from ml_platform.evaluation.stored import stored_candidate
from ml_platform.features.parity import TouchedRows, answer_schema, in_order
from ml_platform.features.replayed_rows import replayed_examples
from ml_platform.lake.transaction import Author
from ml_platform.models import bundle as bundles
from ml_platform.naming import counted
from ml_platform.quality.check_result import CheckResult
from ml_platform.runtime.workspace import Outcome, Workspace, record, recorded
from ml_platform.serving.logged_values import json_value, logged_frame
from ml_platform.serving.online import OnlinePredictor
from ml_platform.serving.rest.trial import TrialService, trial_service
from ml_platform.spec.canonical import content_key
from ml_platform.spec.partitions import WHOLE
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import ledger, versions
from ml_platform.state.results import IntegrationResult
from ml_platform.state.versions import Version
from ml_platform.steps import features
from ml_platform.steps.judged_candidate import training_set_of
from ml_platform.steps.replaying import OnlineAnswers, comparison, fill_touched

NAME = "integration_test"  # of the asset
CHECKS = (
    ("ready", "The packaged version starts as a service and says that it is ready."),
    ("answers", "The service answers every held-out example over HTTP."),
    ("parity", "Its features and scores are those of the batch to the bit."),
    ("latency", "The least p99 of rounds of single rows over HTTP is within the limit."),
)
_TEST_NUMBER = 1  # of the test
EXAMPLES = 500
P99_MS = 50.0  # of one row over HTTP, on the wall clock
_INFLATED = 3.0  # times the limit: beyond it no other work on the machine explains the time (S40)
_ROUNDS, _ROUND, _PAUSE = 5, 40, 0.05  # rounds of single rows, with seconds between them
_BATCH = 100  # rows of the other requests


def newest_test(ws: Workspace, pipeline: str, version: Version) -> IntegrationResult | None:
    """The outcome of the newest test of the version's bundle; None where it was never tested."""
    newest = _newest(ws, pipeline, version)
    return None if newest is None else newest.result_as(IntegrationResult)


def integration_test(ws: Workspace, pipeline: ModelPipeline, number: int, run_id: str) -> Outcome:
    """Test a version as a service; the recorded outcome. One that passed is not tested again.

    Raises NotFoundError when its training set is not on record, and BlobError when a blob is missing or damaged.
    """
    version = versions.version(ws.state, pipeline.name, number)
    key = _key(pipeline.name, version)
    newest = _newest(ws, pipeline.name, version)
    if newest is not None and newest.result_as(IntegrationResult).passed:
        return recorded(ws, newest)
    trial = _Trial.of(ws, pipeline, version)
    checks = (trial.ready, trial.answers, trial.parity, trial.latency.check)
    result = IntegrationResult(number, version.bundle, _verdict(trial))
    display = {"version": version.name, **trial.display}
    outcome = Outcome(1, result=result, display=display, checks=checks, content_key=key)
    return record(ws, Author(_asset(pipeline.name), WHOLE, key, run_id), outcome)


@dataclass(frozen=True)
class _Latency:
    """passed: None where the machine was too busy to tell."""

    passed: bool | None
    check: CheckResult


@dataclass(frozen=True)
class _Trial:
    """What came of a trial."""

    ready: CheckResult
    answers: CheckResult
    parity: CheckResult
    latency: _Latency
    display: Mapping[str, Any]

    @classmethod
    def of(cls, ws: Workspace, pipeline: ModelPipeline, version: Version) -> "_Trial":
        """Start the service, ask it, and compare."""
        bundle = bundles.load(ws.blobs, version.bundle)
        definition, connection = OnlinePredictor.definition_of(bundle), ws.lake.connection
        stored = training_set_of(ws, pipeline, version)
        candidate = stored_candidate(ws.blobs, pipeline, stored, version.bundle, version.version, wanted=())
        holdout = _sendable(candidate.holdout.frame, definition.row_schema)
        tables = features.relations(ws, definition)
        chosen = replayed_examples(connection, definition, holdout, tables, EXAMPLES)
        examples = in_order(definition, chosen)
        touched = TouchedRows.by(connection, definition, examples, tables)
        rows = [{name: json_value(value) for name, value in row.items()} for row in examples.iter_rows(named=True)]
        fill = partial(fill_touched, touched=touched)
        try:
            with trial_service(ws.blobs, pipeline.name, version.version, version.bundle, fill) as service:
                unready = service.unready()
                refusals, rounds = _asked(service, rows)
                logged = service.logged()
        except ServingError as error:
            return cls._failed(str(error))
        ready = _check("ready", not unready, unready or "The service started and is ready.")
        sent = counted(len(rows), "held-out example was", "held-out examples were")
        answers = _check("answers", not refusals, f"{sent} sent; {'; '.join(refusals[:3]) or 'each has an answer'}.")
        latency = _judged(rounds)
        if refusals or len(logged) != len(rows):
            parity = _check("parity", False, f"{len(logged):,} of {len(rows):,} examples have an answer to compare.")
            return cls(ready, answers, parity, latency, {})
        outputs = [{**json.loads(one["features"]), **json.loads(one["statuses"])} for one in logged]
        over_http = OnlineAnswers("over HTTP", logged_frame(outputs, answer_schema(definition)), logged)
        outcome = comparison(ws, bundle, chosen, examples, [over_http], touched.count)
        detail = f"{outcome.differing} of {outcome.compared:,} answers differ from the batch. {outcome.detail}"
        parity = _check("parity", outcome.differing == 0 < outcome.compared, detail.strip())
        return cls(ready, answers, parity, latency, {"examples": outcome.compared, "p99 ms of rounds": rounds})

    @classmethod
    def _failed(cls, why: str) -> "_Trial":
        untried = [_check(name, False, "The service does not answer.") for name in ("answers", "parity", "latency")]
        return cls(_check("ready", False, why), untried[0], untried[1], _Latency(False, untried[2]), {})


def _verdict(trial: _Trial) -> bool | None:
    """Whether it passed; None where only the latency could not be measured."""
    if not (trial.ready.passed and trial.answers.passed and trial.parity.passed):
        return False
    return trial.latency.passed


def _sendable(holdout: pl.DataFrame, row_schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Examples that a request may hold: an input that is NaN or infinite is refused."""
    fractions = [name for name, dtype in row_schema.items() if dtype.is_float()]
    return holdout.filter(pl.col(name).is_finite().fill_null(True) for name in fractions) if fractions else holdout


def _asked(service: TrialService, rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[float]]:
    """Ask for all rows in order: why requests were refused, and the p99 of each round of single rows in ms."""
    refusals, rounds, start = [], [], 0
    for _ in range(_ROUNDS):
        some = rows[start : start + _ROUND]
        if not some:
            break
        taken = []
        for row in some:
            began = time.perf_counter()
            refusals.append(service.predict([row]))
            taken.append(1_000 * (time.perf_counter() - began))
        rounds.append(sorted(taken)[math.ceil(0.99 * len(taken)) - 1])
        start += len(some)
        time.sleep(_PAUSE)
    for first in range(start, len(rows), _BATCH):
        refusals.append(service.predict(rows[first : first + _BATCH]))
    return [reason for reason in refusals if reason], rounds


def _judged(rounds: Sequence[float]) -> _Latency:
    """Other work on the machine only ever adds: one round within the limit is enough (S40)."""
    least = min(rounds, default=math.inf)
    measured = f"The p99 of single rows over HTTP is {least:.3g} ms, the least of {counted(len(rounds), 'round')}"
    limit = f"at most {P99_MS:g} ms are allowed"
    if least <= P99_MS:
        return _Latency(True, CheckResult("latency", True, "error", least, P99_MS, f"{measured}; {limit}."))
    if least > _INFLATED * P99_MS:
        value = least if math.isfinite(least) else None
        return _Latency(False, CheckResult("latency", False, "error", value, P99_MS, f"{measured}; {limit}."))
    why = f"Not judged: the machine may be busy. {measured}; {limit}. It is measured again by the next test."
    return _Latency(None, CheckResult("latency", False, "warn", least, P99_MS, why))


def _check(name: str, passed: bool, detail: str) -> CheckResult:
    return CheckResult(name, passed, "error", None, None, detail)


def _asset(pipeline: str) -> str:
    return f"{pipeline}/{NAME}"


def _newest(ws: Workspace, pipeline: str, version: Version) -> ledger.Record | None:
    """The newest test of the version's bundle. Other versions may have been tested since."""
    tests, key = ledger.history(ws.state, _asset(pipeline)), _key(pipeline, version)
    return next((one for one in reversed(tests) if one.content_key == key), None)


def _key(pipeline: str, version: Version) -> str:
    return content_key("integration test", _TEST_NUMBER, pipeline, version.bundle)
