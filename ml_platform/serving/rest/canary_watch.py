"""The thread of a supervisor that ends canaries: at once, whatever the supervisor fills meanwhile (S58)."""

import json
import threading
from collections.abc import Callable, Collection
from dataclasses import asdict, replace
from pathlib import Path

from ml_platform.errors import first_line
from ml_platform.serving.canary_bounds import CanaryFigures, Timed, why_out_of_bounds
from ml_platform.serving.online_store import CanaryTerms, Deployment, OnlineStore
from ml_platform.serving.rest.canary_metrics import figures_of
from ml_platform.state import canaries
from ml_platform.state.database import State

_LOOK = 0.5  # seconds between looks


class CanaryWatch:
    """Compares the canaries of the store with their log and their bounds, and ends those that are to end.

    The store comes first, so that workers hear within a second; it keeps what was measured until that is on record. A
    kill in between loses nothing: the next watch records it.

    Args:
        state: Opened for writing.
        store: Where workers see which versions answer.
        pipelines: Whose canaries.
        figures: The folder with the figures of the workers.
        report: Hears of canaries that ended and of faults, one line each.
    """

    def __init__(
        self, state: State, store: OnlineStore, pipelines: Collection[str], figures: Path, report: Callable[[str], None]
    ) -> None:
        self._state, self._store, self._pipelines = state, store, pipelines
        self._figures, self._report = figures, report
        self._before: dict[tuple[str, int], CanaryFigures] = {}  # what was counted before an entry of the log
        self._fault = ""
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="canaries", daemon=True)

    def start(self) -> None:
        """Look twice a second from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def expect(self, pipeline: str, version: int, entry: int) -> None:
        """Count from now on for an entry of the log, before its version answers: an earlier canary's rows are not its.

        What was expected already is not expected anew.
        """
        if (pipeline, entry) not in self._before:
            self._before[pipeline, entry] = figures_of(self._figures, pipeline, version)

    def look(self) -> None:
        """End what is to end now, and record what was ended and is not on record yet."""
        for name, deployment in self._store.deployments("canary").items():
            if name in self._pipelines and deployment.terms is not None:
                self._look_at(deployment, deployment.terms)

    def _look_at(self, deployment: Deployment, terms: CanaryTerms) -> None:
        standing = canaries.standing(self._state, deployment.pipeline)
        is_standing = standing is not None and standing.seq == terms.entry
        if terms.ended:
            if terms.evidence and is_standing:
                self._record(deployment, terms)
            return
        name = f"{deployment.pipeline}@{deployment.version}"
        if not is_standing:
            self._store.deploy(replace(deployment, terms=replace(terms, ended="it is no canary any more")))
            self._report(f"{name} is no canary any more.")
            return
        self.expect(deployment.pipeline, deployment.version, terms.entry)
        now = figures_of(self._figures, deployment.pipeline, deployment.version)
        figures = _since(now, self._before[deployment.pipeline, terms.entry])
        why = why_out_of_bounds(figures, terms.max_error_share, terms.max_latency_ratio)
        if why:
            ended = replace(terms, ended=why, evidence=json.dumps(asdict(figures)))
            self._store.deploy(replace(deployment, terms=ended))
            self._report(f"{name} was taken back: {why}. The champion answers all keys.")
            self._record(deployment, ended)

    def _record(self, deployment: Deployment, terms: CanaryTerms) -> None:
        canaries.take_back(self._state, deployment.pipeline, terms.entry, reason=terms.ended, evidence=terms.evidence)

    def _watch(self) -> None:
        while not self._stopped.wait(_LOOK):
            try:
                self.look()
                self._fault = ""
            except Exception as error:  # the store or the state may be busy or gone for a while: it looks again
                fault = f"Canaries cannot be watched: {first_line(error)}."
                if fault != self._fault:
                    self._report(fault)
                self._fault = fault


def _since(now: CanaryFigures, before: CanaryFigures) -> CanaryFigures:
    def timed(later: Timed, earlier: Timed) -> Timed:
        return Timed(later.rows - earlier.rows, later.seconds - earlier.seconds, later.squares - earlier.squares)

    return CanaryFigures(
        now.answered - before.answered,
        now.failed - before.failed,
        timed(now.canary, before.canary),
        timed(now.champion, before.champion),
    )
