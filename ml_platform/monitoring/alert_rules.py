"""From what a step found to alerts: failed checks, and files that were refused."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ml_platform.quality.checks import REFUSED_FILES, CheckResult
from ml_platform.spec.canonical import content_key
from ml_platform.state.alerts import Alert, Kind, alert
from ml_platform.state.files import Refused

_OF_STEP: dict[str, Kind] = {"verdicts": "gate", "drift": "drift"}


@dataclass(frozen=True)
class Found:
    """A step's outcome, as far as alerts go."""

    asset: str
    partition: str
    content_key: str
    metadata: Mapping[str, Any]
    checks: Sequence[CheckResult]
    run_id: str


def of_checks(found: Found) -> list[Alert]:
    """An alert for every check that failed as an error; where features or scores drift, for any that failed.

    A check that names refused files is told file by file (`of_refused`), not once a partition.
    """
    layer, _, step = found.asset.partition("/")
    kind: Kind = "contract" if layer == "validated" else _OF_STEP.get(step, "check")
    failed = (check for check in found.checks if not check.passed and not check.metadata.get(REFUSED_FILES))
    return [_of_check(found, kind, check) for check in failed if check.severity == "error" or kind == "drift"]


def of_refused(table: str, refused: Sequence[Refused], run_id: str) -> list[Alert]:
    """An alert for every file that was refused; the same content refused for the same reason is the same one."""
    return [
        alert(
            "refused_file",
            f"raw/{table}",
            "all",
            file.path,
            evidence=content_key(file.sha256, file.error),
            title=f"Refused: {file.path}",
            text=f"{file.error} The file stays where it is, and the others of {table} went on.",
            run_id=run_id,
        )
        for file in refused
    ]


def _of_check(found: Found, kind: Kind, check: CheckResult) -> Alert:
    where = found.asset if found.partition == "all" else f"{found.asset} {found.partition}"
    pipeline = found.asset.partition("/")[0]
    version = str(found.metadata.get("version", "")) if kind == "gate" else ""
    told = {
        "gate": f"Gate failed: {version}, {check.metadata.get('gate', check.name)}",
        "contract": f"Contract failed: {where}, {check.name}",
        "drift": f"Drift: {where}, {check.name}",
    }
    mend = {
        "gate": f"It is not promoted. `ml-platform models {version}` shows every verdict.",
        "contract": "Land a mended file, or correct the contract, and run again.",
        "drift": f"Look at {found.asset} for its cause; `ml-platform status {pipeline}` shows what the model is worth.",
    }
    compared = f" Value {check.value:.4g}, threshold {check.threshold:.4g}." if _measured(check) else ""
    return alert(
        kind,
        found.asset,
        found.partition,
        check.name,
        evidence=version or found.content_key,
        severity=check.severity,
        title=told.get(kind, f"Check failed: {where}, {check.name}"),
        text=f"{check.description}{compared} {mend.get(kind, 'Mend the cause and run again.')}",
        link=next(_links(check.metadata), "") or next(_links(found.metadata), ""),
        run_id=found.run_id,
    )


def _measured(check: CheckResult) -> bool:
    return check.value is not None and check.threshold is not None


def _links(metadata: Mapping[str, Any]) -> Iterator[str]:
    for value in metadata.values():
        if isinstance(value, dict) and set(value) in ({"url"}, {"path"}):
            yield str(value.get("url") or value["path"])
