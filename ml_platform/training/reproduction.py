"""Reproduction: train again in a fresh process, from the stored training set and plan, to the same bytes (S16)."""

import hashlib
import os
import signal
from dataclasses import dataclass
from functools import cache
from itertools import zip_longest
from typing import TYPE_CHECKING

from ml_platform.child_process import Cancellation, ChildEnded, ChildProcess
from ml_platform.errors import BlobError, ProcessKilled, TrainingError
from ml_platform.lake.blobs import Blobs

if TYPE_CHECKING:
    from ml_platform.models.bundle import Bundle
    from ml_platform.models.protocol import Model


@dataclass(frozen=True)
class Reproduction:
    """Whether training again gave the stored model. `expected` and `actual` are SHA-256 of the model texts.

    `detail` names the first difference, and what differs in the environment if anything does.
    """

    identical: bool
    expected: str
    actual: str
    detail: str


def reproduce(blobs: Blobs, training_set: str, bundle: str, cancellation: Cancellation | None = None) -> Reproduction:
    """Train again in a fresh process and compare model, categories and classes.

    With `cancellation` another thread ends the process; TrainingError is raised then. Raises BlobError when a blob is
    missing or damaged, TrainingError when training itself fails, and ProcessKilled when the process was ended from
    outside.
    """
    refuse_forgotten(blobs, training_set)
    try:
        answer = _fresh_processes().ask(
            {
                "arguments": [str(blobs.folder.absolute()), training_set, bundle],
                "environment": {"OMP_WAIT_POLICY": "passive", **os.environ},
            },
            cancellation,
        )
    except ChildEnded as ended:
        answer = {"ended": ended.how, "last_line": ended.last_line, "signal": ended.signal_number}
    if "ended" in answer:
        if answer["signal"] in (signal.SIGKILL, signal.SIGTERM):
            name = signal.Signals(answer["signal"]).name
            raise ProcessKilled(f"The fresh process was ended by {name}.", remedy="Free memory, and run again.")
        last = answer["last_line"] or "nothing was printed"
        raise TrainingError(f"The fresh process {answer['ended']}: {last}.", remedy="See `ml-platform doctor`.")
    if "refused" in answer:
        raise (BlobError if answer["kind"] == "BlobError" else TrainingError)(answer["refused"])
    return Reproduction(**answer)


def refuse_forgotten(blobs: Blobs, training_set: str) -> None:
    """Raise TrainingError where rows of a training set were forgotten: no training gives the model again (S47)."""
    if (rewriting := blobs.rewriting(training_set)) is not None:
        raise TrainingError(
            f"It cannot be reproduced since {rewriting.at}: rows of its training set {training_set[:12]} were "
            "forgotten.",
            remedy="Train a new version on the rows that are left: `ml-platform retrain PIPELINE --why …`.",
        )


def reproduce_here(blobs: Blobs, training_set: str, bundle: str, *, threads: int = 0) -> Reproduction:
    """The same in this process. `threads` 0 means all cores; the bytes do not depend on it."""
    from ml_platform.models.bundle import load
    from ml_platform.models.registry import trainer_that_fitted
    from ml_platform.models.training_data import TrainingData
    from ml_platform.training.environment import differences, environment
    from ml_platform.training.training_plan import Plan

    stored = load(blobs, bundle)
    if stored.training_set != training_set:
        raise TrainingError(
            f"The bundle {bundle[:12]} was fitted on {stored.training_set[:12]}, not on {training_set[:12]}.",
            remedy="Give its own training set.",
        )
    plan = Plan.from_json(stored.training)
    data = TrainingData(blobs.get(training_set), plan.task, plan.columns)
    model = trainer_that_fitted(stored.model_format, plan.config).fit(data, plan.config, threads=threads)
    first = _first_difference(stored, model)
    moved = differences(stored.versions, environment(model.libraries))
    detail = first or "The same bytes."
    if first and not model.reproducible:
        detail += f" Models of the format {model.format} do not promise equal bytes."
    if moved:
        detail += f" Since then: {'; '.join(moved)}."
    return Reproduction(not first, _hash(stored.model), _hash(model.to_bytes()), detail)


def _first_difference(stored: "Bundle", model: "Model") -> str:
    then, now = stored.signature, model.signature
    if dict(then.levels) != dict(now.levels):
        names = [n for n in sorted({*then.levels, *now.levels}) if then.levels.get(n) != now.levels.get(n)]
        return f"The categories of {', '.join(names)} differ."
    if then.classes != now.classes:
        return f"The classes were {list(then.classes)} and are {list(now.classes)}."
    if stored.model_format != model.format:
        return f"The model was a {stored.model_format} model and is a {model.format} model."
    if stored.model == model.to_bytes():
        return ""
    pairs = zip_longest(stored.model.splitlines(), model.to_bytes().splitlines(), fillvalue=b"(end)")
    number, old, new = next((n, a, b) for n, (a, b) in enumerate(pairs, 1) if a != b)
    return f"Line {number} of the model was {_short(old)!r} and is {_short(new)!r}."


def _short(line: bytes) -> str:
    text = line.decode(errors="replace")
    return text if len(text) <= 80 else f"{text[:80]}…"


def _hash(model: bytes) -> str:
    return hashlib.sha256(model).hexdigest()


@cache
def _fresh_processes() -> ChildProcess:
    """What forks the fresh processes of this process (`ml_platform.training.fresh_process`)."""
    return ChildProcess("ml_platform.training.fresh_process", start_limit=120, answer_limit=None)
