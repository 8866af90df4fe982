"""Alerts from the outcome of a step: failed checks and refused files."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ml_platform.errors import PlatformError, first_line
from ml_platform.naming import counted
from ml_platform.quality.check_result import CheckResult
from ml_platform.sources.scan import Refusal
from ml_platform.spec.canonical import content_key
from ml_platform.spec.partitions import WHOLE
from ml_platform.state.alerts import Alert, Kind, alert
from ml_platform.state.files import Refused

FORGOTTEN_ROWS = "forgotten rows"  # what such an alert is about
_CHANGING = re.compile(r"\b[0-9a-f-]{8,}\b|\d+")  # ids, times and counts in the text of an error


@dataclass(frozen=True)
class CheckedOutput:
    """A step's outcome, as far as alerts go.

    kind:     of the alerts that its failed checks raise.
    evidence: what the finding was made in: a version, or a content key.
    version:  the model version that was judged, `pipeline@number`; empty elsewhere.
    link:     where to look for the cause; empty without such a place.
    """

    asset: str
    partition: str
    kind: Kind
    evidence: str
    version: str
    link: str
    checks: Sequence[CheckResult]
    run_id: str


def of_checks(output: CheckedOutput) -> list[Alert]:
    """An alert for every check that failed as an error, and for every failed check of drift.

    A check that names refused files gives no alert: `of_refused` gives one for each file.
    """
    failed = (check for check in output.checks if not check.passed and not check.refused_files)
    return [_of_check(output, check) for check in failed if check.severity == "error" or output.kind == "drift"]


def of_refused(table: str, refused: Sequence[Refused], run_id: str) -> list[Alert]:
    """An alert for every file that was refused; the same content refused for the same reason is the same one."""
    return [
        alert(
            "refused_file",
            f"raw/{table}",
            WHOLE,
            file.path,
            evidence=content_key(file.sha256, file.error),
            title=f"Refused: {file.path}",
            text=f"{file.error} The file stays where it is; the other files of {table} were processed.",
            run_id=run_id,
        )
        for file in refused
    ]


def of_forgotten(table: str, partition: str, keys: int, evidence: str, run_id: str) -> list[Alert]:
    """An alert where keys that were forgotten stand in a partition again; none where there are no such `keys`."""
    if not keys:
        return []
    return [
        alert(
            "contract",
            f"validated/{table}",
            partition,
            FORGOTTEN_ROWS,
            evidence=evidence,
            title=f"Forgotten rows of {table} arrived again",
            text=f"{counted(keys, 'key')} that were forgotten are in {partition} again. `ml-platform forget {table} "
            "--again` removes their rows; mend the source, too.",
            run_id=run_id,
        )
    ]


def of_unavailable(table: str, unavailable: Refusal, evidence: str, run_id: str = "") -> Alert:
    """An alert for a source that cannot be read.

    `evidence` is the content key of the raw table: until new rows come, the same reason is the same alert.
    """
    return alert(
        "no_fresh_data",
        f"raw/{table}",
        "all",
        unavailable.path,
        evidence=content_key(evidence, unavailable.error),
        title=f"No fresh data: the source of {table} cannot be read",
        text=f"{unavailable.error} The other tables go on.",
        run_id=run_id,
    )


def of_sensor(asset: str, sensor: str, error: Exception) -> Alert:
    """An alert for a sensor that cannot evaluate. The same error is one alert, whatever ids and numbers it names."""
    problem = f"{type(error).__name__}: {first_line(error)}"
    return alert(
        "sensor",
        asset,
        WHOLE,
        sensor,
        evidence=_CHANGING.sub("#", problem),
        title=f"Sensor failing: {sensor}",
        text=f"{error if isinstance(error, PlatformError) else problem} It tries again at every tick, and starts no "
        "run until then; the log of the tick has the traceback.",
    )


def of_clock(behind: timedelta, now: datetime) -> Alert:
    """An alert for a clock of this machine that is `behind` the newest time on record. One setting back is one alert.

    now: what the clock shows.
    """
    newest = f"{now + behind:%Y-%m-%d %H:%M} UTC"
    return alert(
        "clock",
        "platform/clock",
        WHOLE,
        "clock",
        evidence=newest,
        title=f"The clock was set back: it shows {now:%Y-%m-%d %H:%M} UTC, and the newest time on record is {newest}",
        text="What is written keeps its order, and new files arrive after that time. Late data, rests and ended "
        f"partitions are judged by the clock. Correct it if it is wrong. If it was wrong before, all is right again "
        f"after {newest}; declare the arrival of files that were read meanwhile: `ml-platform land --arrived`.",
    )


def of_lagging_service(asset: str, answering: str, champion: str, evidence: str, grace: timedelta) -> Alert:
    """An alert for a service that answers with another version than the promotion log says.

    answering: which version answers, as a clause; champion: the version of the log. grace: the time that it had.
    """
    return alert(
        "service",
        asset,
        WHOLE,
        "version",
        evidence=evidence,
        title=f"Service behind: {answering}, and the champion is {champion}",
        text=f"A service takes up a champion within seconds, and had {grace.total_seconds():.0f}. Its output and "
        "/readyz say why it could not; until then the version before it answers.",
    )


def of_stuck_run(asset: str, outcome: str, reason: str, evidence: str) -> Alert:
    """An alert for a run that failed and is not started again.

    outcome: what became of the run, as a clause; evidence: the state that it started from.
    """
    return alert("run", asset, WHOLE, asset, evidence=evidence, title=f"Run failed: {outcome}", text=reason)


def _of_check(output: CheckedOutput, check: CheckResult) -> Alert:
    where = output.asset if output.partition == WHOLE else f"{output.asset} {output.partition}"
    pipeline, version = output.asset.partition("/")[0], output.version
    titles = {
        "gate": f"Gate failed: {version}, {check.metadata.get('gate', check.name)}",
        "contract": f"Contract failed: {where}, {check.name}",
        "drift": f"Drift: {where}, {check.name}",
        "blocked": f"Promotion blocked by data: {version}",
    }
    remedies = {
        "gate": f"It is not promoted. `ml-platform models {version}` shows every verdict.",
        "contract": "Land a corrected file or change the contract, and run again.",
        "blocked": f"Scoring goes on. Correct the file and run again. Where its data are right: "
        f"`ml-platform promote {version} --why TEXT`.",
        "drift": f"See {output.asset} for the cause; `ml-platform status {pipeline}` shows the decision.",
    }
    return alert(
        output.kind,
        output.asset,
        output.partition,
        check.name,
        evidence=output.evidence,
        severity=check.severity,
        title=titles.get(output.kind, f"Check failed: {where}, {check.name}"),
        text=f"{check.description} {remedies.get(output.kind, 'Fix the cause and run again.')}",
        link=output.link,
        run_id=output.run_id,
    )
