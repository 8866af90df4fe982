"""Fitting one trial on one fold in another process, within a time."""

import os
import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ml_platform import interrupts
from ml_platform.child_process import Cancellation, ChildEnded, ChildProcess
from ml_platform.models.bundle import Bundle, read
from ml_platform.models.registry import trainer_of
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.plain_trainers import PlainTrainer
from ml_platform.tuning.errors import OutOfTime, TrialFailed
from ml_platform.tuning.trial_process import BUNDLE, SCORES


@dataclass(frozen=True)
class FoldedData:
    """The folded training set in a folder, and what a fit needs to know besides the trainer.

    definition: the feature definition's JSON, which the size of a bundle counts. threads: 0: all cores.
    """

    pipeline: ModelPipeline
    file: Path
    definition: str
    threads: int

    def fit(self, trainer: PlainTrainer, fold: str, seconds: float | None) -> tuple[Bundle, npt.NDArray[np.float64]]:
        """The bundle that the trainer gives on a fold, and its scores of the fold's validation rows.

        Raises TrialFailed where it gives none, OutOfTime after so many seconds, and ScoringError or TrainingError for
        what the library does not know at all.
        """
        folder = self.file.parent
        (folder / BUNDLE).unlink(missing_ok=True)
        learner = replace(self.pipeline, trainer=trainer).learner  # behind the pipeline's transforms
        question = {
            "pipeline": self.pipeline.name,
            "data": str(self.file),
            "fold": fold,
            "folder": str(folder),
            "task": self.pipeline.task,
            "columns": [[name, str(dtype)] for name, dtype in self.pipeline.model_columns.items()],
            "trainer": type(learner).__name__,
            "config": trainer_of(learner).config(learner, self.pipeline.task),
            "definition": self.definition,
            "threads": self.threads,
        }
        answer = _asked(question, seconds)
        if "refused" in answer:
            raise TrialFailed(answer["refused"])
        if "ended" in answer:
            raise TrialFailed(_how_it_ended(answer))
        with (folder / BUNDLE).open("rb") as file:
            bundle = read(file, "of a trial")
        return bundle, np.load(folder / SCORES, allow_pickle=False)


def _asked(question: Mapping[str, Any], seconds: float | None) -> dict[str, Any]:
    environment = {"OMP_WAIT_POLICY": "passive", **os.environ}
    cancellation, late = Cancellation(), threading.Event()

    def stop() -> None:
        late.set()
        cancellation.cancel()

    timer = threading.Timer(max(seconds or 0, 0.001), stop)
    if seconds is not None:
        timer.daemon = True
        timer.start()
    try:
        return _trial_process().ask({"arguments": [question], "environment": environment}, cancellation)
    except ChildEnded as ended:
        interrupts.stop_if_arrived()
        if late.is_set():
            raise OutOfTime from None
        return {"ended": ended.how, "last_line": ended.last_line, "signal": ended.signal_number}
    finally:
        timer.cancel()


def _how_it_ended(answer: Mapping[str, Any]) -> str:
    """Why there is no answer, as a sentence."""
    number = answer["signal"]
    if number == signal.SIGKILL:
        return "Its process was killed (SIGKILL), as the system does when memory runs out."
    if number is not None:
        return f"Its process was ended by {signal.Signals(number).name}."
    return f"Its process {answer['ended']}: {answer['last_line'] or 'nothing was printed'}"


@cache
def _trial_process() -> ChildProcess:
    return ChildProcess("ml_platform.tuning.trial_process", start_limit=120, answer_limit=None)
