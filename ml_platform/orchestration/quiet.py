"""What a tick compares before it opens anything: whether something changed since a tick that requested no run.

A tick of a pipeline at rest costs the look at its sources and at four files. Dagster's instance, the lake and the
operational state are opened only where the fingerprint differs, or when the time has come to look again.
"""

import json
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from ml_platform.lake import snapshots
from ml_platform.orchestration import alive
from ml_platform.orchestration.workspaces import reading_workspace_for
from ml_platform.runtime.run_state import source_marks
from ml_platform.settings import Settings
from ml_platform.spec.canonical import content_key
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import revision
from ml_platform.state.ledger import newest_ids
from ml_platform.validation.completeness import markers

SETTLED = 2.0  # seconds: more than a clock for files ticks. Changes in one tick may leave a fingerprint as it is.
_PROCESS = uuid.uuid4().hex  # what was quiet for other code, or under another declaration, is looked at again


@dataclass(frozen=True)
class Quiet:
    """The cursor of a sensor: the last tick that looked, if it requested no run. Times are seconds since 1970.

    quiet:  the fingerprint that the tick took before it looked; empty where the next tick looks in any case.
    reason: its skip reason.
    since:  when a tick first took this fingerprint.
    looked: when this tick took it.
    until:  when a tick looks again though nothing changed.
    """

    quiet: str = ""
    reason: str = ""
    since: float = 0.0
    looked: float = 0.0
    until: float = 0.0

    def stands(self, fingerprint: str, now: float) -> bool:
        """Whether a tick that takes this fingerprint `now` can give the same reason without looking.

        A fingerprint counts only from a look on that began `SETTLED` seconds after it was first taken. What changes
        after that look has another time than all that the fingerprint was taken of.
        """
        return self.quiet == fingerprint and self.since + SETTLED <= self.looked <= now < self.until

    def after(self, fingerprint: str, reason: str, now: float, until: float) -> "Quiet":
        """The cursor after a tick that took the fingerprint `now`, looked, and requested nothing."""
        known = self.quiet == fingerprint and self.since <= now
        return Quiet(fingerprint, reason, self.since if known else now, now, until)

    def text(self) -> str:
        """The cursor as Dagster stores it."""
        return json.dumps(asdict(self))


LOUD = Quiet().text()  # the cursor after a tick that requested a run, or is to be followed by a look


def fingerprint(settings: Settings, pipeline: ModelPipeline) -> str:
    """A fingerprint of what can make something due.

    It covers sources, commits, the partition that has not ended yet, the processes at work and this one. What stands in
    Dagster's own storages is not in it.
    """
    running = pipeline.partitions.at(datetime.now(UTC)) if pipeline.partitions else ""
    landed = [*source_marks(settings, pipeline.tables), *markers(settings, pipeline)]
    return content_key(_PROCESS, running, landed, _commits(settings), alive.marks(settings))


def _commits(settings: Settings) -> list[tuple[int, ...]]:
    if not settings.catalog.get_secret_value():
        return [tuple(file) for file in revision.of_files(settings)]
    ws = reading_workspace_for(settings)
    return [] if ws is None else [(snapshots.current(ws.lake),), newest_ids(ws.state)]


def stored(cursor: str | None, warn: Callable[[str], None]) -> Quiet:
    """The cursor that the last tick stored. One of another origin is ignored with a warning."""
    if not cursor:
        return Quiet()
    try:
        values = json.loads(cursor)
        texts = (values["quiet"], values.get("reason", ""))
        times = [float(values.get(name, 0)) for name in ("since", "looked", "until")]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError
    except (ValueError, TypeError, KeyError, AttributeError):
        warn(f"The cursor {cursor[:80]!r} was not written by this sensor. It is ignored and replaced.")
        return Quiet()
    return Quiet(*texts, *times)
