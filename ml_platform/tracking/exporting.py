"""Exports the runs of a lake: what the server lacks, newest first, as far as the time goes (S46)."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from filelock import FileLock, Timeout
from sqlalchemy import select

from ml_platform import interrupts
from ml_platform.errors import PlatformError, first_line
from ml_platform.lake.blobs import Blobs
from ml_platform.naming import counted
from ml_platform.settings import Settings
from ml_platform.state import run_exports
from ml_platform.state.database import State
from ml_platform.state.experiment_tables import experiment_notes
from ml_platform.state.run_exports import RunExport
from ml_platform.tracking import registry
from ml_platform.tracking.address import TrackingAddress, tracking_address
from ml_platform.tracking.client import TrackingServer
from ml_platform.tracking.errors import ServerUnavailable, TrackingError
from ml_platform.tracking.exported_run import facts_of
from ml_platform.tracking.sending import Sender, explained
from ml_platform.views import runs

AFTER_A_RUN = 20.0  # seconds that an export may take behind a run; the rest is sent by the next
_FACTS = ("kind", "status", "error", "name", "tags")  # of a run, that may change
Tell = Callable[[str], None]


@dataclass
class ExportReport:
    """The outcome of an export.

    sent:      the runs that the server got, in whole or what had changed. unchanged: how many it had already.
    refused:   run → why the server refused it. without_model: run → why it has no model there.
    remaining: the runs that the server still lacks. error: why the export ended early; empty where it did not.
    champions: pipeline → the version of MLflow's registry that its alias names.
    """

    server: str
    sent: list[str] = field(default_factory=list)
    unchanged: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    without_model: dict[str, str] = field(default_factory=dict)
    remaining: list[str] = field(default_factory=list)
    champions: dict[str, str] = field(default_factory=dict)
    error: str = ""

    @property
    def complete(self) -> bool:
        """Whether the server has everything now."""
        return not (self.refused or self.remaining or self.error)

    def sentence(self) -> str:
        """What was not exported, in a sentence; empty when the server has everything."""
        if self.complete:
            return ""
        missing = [*self.remaining, *self.refused]
        named = ", ".join(missing[:3]) + (f" and {len(missing) - 3:,} more" if len(missing) > 3 else "")
        why = self.error or next(iter(self.refused.values()), "")
        return f"Not exported to {self.server}: {named or 'champions'}. {why}".strip()


def export(
    state: State,
    blobs: Blobs,
    address: TrackingAddress,
    pipeline: str | None = None,
    *,
    seconds: float | None = None,
    wait: float = 0.0,
    tell: Tell = lambda _: None,
) -> ExportReport:
    """Send what the server lacks of the finished runs of a pipeline, or of all.

    Args:
        state: Open for writing.
        blobs: Of the same lake.
        address: The server.
        pipeline: Whose runs; None: all.
        seconds: How long it may take; None: as long as the server answers.
        wait: Seconds to wait while another process exports from this lake.
        tell: Hears the name of each run that is about to be sent.

    Raises TrackingError where nothing can be exported at all, such as without httpx.
    """
    until = None if seconds is None else time.monotonic() + seconds
    report = ExportReport(address.url)
    with _turn(state.settings, wait) as mine:
        pending = list(_pending(state, address.url, pipeline, report))
        if not mine:
            report.remaining = [before.run for before, _ in pending]
            report.error = "Another process is exporting." if pending else ""
            return report
        with TrackingServer(address, until) as server:
            _send(Sender(server, state, blobs), state, pending, report, tell)
            if not report.error:
                _name_champions(server, state, pipeline, report)
    return report


def forget(state: State, address: TrackingAddress) -> None:
    """Forget what the server was sent, so that the next export asks it about every run."""
    run_exports.forget(state, address.url)


def export_behind(state: State, blobs: Blobs, pipeline: str, say: Tell) -> None:
    """Export a pipeline's runs behind one of them, in bounded time. Nothing of it fails or harms the run.

    Without `MLFLOW_TRACKING_URI` it does nothing. `say` hears what was not exported, in a sentence.
    """
    try:
        address = tracking_address()
        if address is not None and (why := export(state, blobs, address, pipeline, seconds=AFTER_A_RUN).sentence()):
            say(why)
    except PlatformError as error:
        interrupts.stop_if_arrived()
        say(f"Runs of {pipeline} were not exported: {explained(error)}")
    except Exception as error:  # whatever is wrong with a copy must not fail what it is a copy of
        interrupts.stop_if_arrived()
        say(f"Runs of {pipeline} were not exported: {type(error).__name__}: {first_line(error)}.")


def unsent(state: State, address: TrackingAddress, pipeline: str | None = None) -> ExportReport:
    """What the server lacks by the records of this lake, without asking it."""
    report = ExportReport(address.url)
    for before, _ in _pending(state, address.url, pipeline, report):
        report.remaining.append(before.run)
        report.error = report.error or before.error
    return report


def _pending(state: State, server: str, pipeline: str | None, report: ExportReport) -> Iterator[tuple[RunExport, str]]:
    """How far each run got whose export is not complete, with the facts to be sent."""
    earlier, notes = run_exports.of_server(state, server), _notes(state)
    rows = runs.narrow_rows(state, pipeline, _FACTS) + runs.version_rows(state, pipeline)
    for row in runs.newest_first(rows):
        if row["status"] == "running":
            continue
        before = earlier.get(row["run"], RunExport(server, row["run"]))
        facts = facts_of(state, row, notes.get(row["run"], ()) if row["kind"] == "experiment" else ())
        if before.sent == facts:
            report.unchanged += 1
        else:
            yield before, facts


def _notes(state: State) -> dict[str, list[str]]:
    c, texts = experiment_notes.c, dict[str, list[str]]()
    for number, text in state.rows(select(c.experiment_id, c.text).order_by(c.id)):
        texts.setdefault(str(number), []).append(text)
    return texts


def _send(sender: Sender, state: State, pending: list[tuple[RunExport, str]], report: ExportReport, tell: Tell) -> None:
    for index, (before, facts) in enumerate(pending):
        interrupts.stop_if_arrived()
        tell(before.run)
        try:
            after = sender.send(before, facts)
        except PlatformError as error:
            interrupts.stop_if_arrived()
            why = explained(error)
            current = run_exports.of_server(state, before.server).get(before.run, before)
            run_exports.record(state, replace(current, error=why))
            if isinstance(error, ServerUnavailable):
                report.error, report.remaining = why, [one.run for one, _ in pending[index:]]
                return
            report.refused[before.run] = why
        else:
            report.sent.append(before.run)
            if after.error:
                report.without_model[before.run] = after.error


def _name_champions(server: TrackingServer, state: State, pipeline: str | None, report: ExportReport) -> None:
    try:
        report.champions = registry.name_champions(server, state, pipeline)
    except TrackingError as error:
        interrupts.stop_if_arrived()
        report.error = explained(error)


@contextmanager
def _turn(settings: Settings, wait: float) -> Iterator[bool]:
    """Whether this process may export: one at a time from a lake, so that no run begins twice at the server."""
    folder = settings.lake / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "export.lock")
    try:
        lock.acquire(timeout=wait)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def as_json(report: ExportReport) -> dict[str, Any]:
    """A report as JSON values."""
    return {**vars(report), "complete": report.complete}


def summary(report: ExportReport) -> str:
    """What was exported, in a sentence."""
    had = f"; it had {report.unchanged:,}" if report.unchanged else ""
    return f"{report.server} got {counted(len(report.sent), 'run')}{had}."
