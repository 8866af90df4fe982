"""The online store and the service of a pipeline as outcomes with checks, which Dagster shows as two assets."""

from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

from ml_platform.quality.check_result import CheckResult
from ml_platform.runtime.workspace import Outcome, Workspace
from ml_platform.serving.opening_store import existing_store
from ml_platform.serving.probing import unready
from ml_platform.serving.service_state import FilledTable, ServiceState, filled_tables, service_state
from ml_platform.spec.canonical import content_key
from ml_platform.steps.served_parity import PARITY_CHECK, PARITY_DESCRIPTION, compare_served

STORE, SERVICE = "online_store", "service"  # names of the assets
STORE_CHECKS = (("freshness", "The online store has the newest rows of the lake while a service runs."),)
SERVICE_CHECKS = (
    ("version", "A running service answers with the champion of the promotion log."),
    ("health", "A running service is ready to answer."),
    (PARITY_CHECK, PARITY_DESCRIPTION),
)
_TIME_TO_FILL = timedelta(minutes=5)  # after rows were recorded


def store_outcome(ws: Workspace, pipeline: str) -> Outcome:
    """What the online store has for the version that answers, with the check of its freshness."""
    store = existing_store(ws.settings)
    if store is None:
        return Outcome(0, "skipped", checks=(_freshness(None, ()),))
    with closing(store):
        state = service_state(ws, pipeline, store)
        tables = filled_tables(ws, state.deployment, store) if state.deployment is not None else []
    rows = [
        {
            "table": one.table,
            "fresh": one.is_fresh,
            "filled at": one.filling and one.filling.filled_at.isoformat(timespec="seconds"),
            "newest rows recorded at": one.newest_at and one.newest_at.isoformat(timespec="seconds"),
            "answers from": one.filling and one.filling.horizon and one.filling.horizon.isoformat(timespec="seconds"),
            "lake snapshot": one.filling and one.filling.snapshot,
        }
        for one in tables
    ]
    display: dict[str, Any] = {"answers": state.phrase, **({"tables": rows} if rows else {})}
    key = content_key("online store", [(one.table, one.filling and one.filling.record_number) for one in tables])
    return Outcome(len(tables), display=display, checks=(_freshness(state, tables),), content_key=key)


def service_outcome(ws: Workspace, pipeline: str, run_id: str) -> Outcome:
    """Which version answers, with the checks of version, health and parity.

    Raises NotFoundError and BlobError for a logged version or a bundle that is gone.
    """
    store = existing_store(ws.settings)
    try:
        state = service_state(ws, pipeline, store)
    finally:
        if store is not None:
            store.close()
    comparison = compare_served(ws, pipeline, run_id)
    display: dict[str, Any] = {
        "answers": state.phrase,
        "services": [{"address": one.address(ws.settings), "host": one.host} for one in state.services] or "none runs",
        **{f"comparison: {name}": value for name, value in comparison.display.items()},
    }
    if state.deployment is not None:
        display["deployed at"] = {"time": state.deployment.deployed_at.isoformat()}
    checks = (_version(state), _health(ws, state), *comparison.checks)
    deployed = None if state.deployment is None else (state.deployment.version, state.deployment.bundle)
    return Outcome(
        len(state.services), display=display, checks=checks, content_key=content_key("service", pipeline, deployed)
    )


def _freshness(state: ServiceState | None, tables: Sequence[FilledTable]) -> CheckResult:
    if state is None or state.deployment is None:
        return _check("freshness", [], "No version was deployed yet.")
    stale = [one for one in tables if not one.is_fresh]
    if not state.services:
        return _check("freshness", [], "No service runs. It fills the store when it starts.")
    late = [one for one in stale if one.newest_at is None or datetime.now(UTC) - one.newest_at > _TIME_TO_FILL]
    problems = [
        f"The store lacks the newest rows of {one.table}, which were recorded at {one.newest_at}." for one in late
    ]
    return _check("freshness", problems, "Every table is filled from the newest rows, or is about to be.")


def _version(state: ServiceState) -> CheckResult:
    champion = f"{state.pipeline}@{state.promotion.version}" if state.promotion is not None else "none"
    problems = [f"{state.phrase}, and the champion is {champion}."] if state.lags_for_long() else []
    return _check("version", problems, f"{state.phrase}; the champion is {champion}.")


def _health(ws: Workspace, state: ServiceState) -> CheckResult:
    if not state.services:
        deployed = state.deployment is not None
        detail = f"No service runs; {state.phrase} once one does." if deployed else "No service runs."
        return CheckResult("health", not deployed, "warn", 0, None, detail)
    reasons = [
        f"{address}: {reason}"
        for address in (one.address(ws.settings) for one in state.services)
        if (reason := unready(address, state.pipeline))
    ]
    return _check("health", reasons, "Every service is ready.")


def _check(name: str, problems: Sequence[str], otherwise: str) -> CheckResult:
    return CheckResult(name, not problems, "error", len(problems), 0, " ".join(problems) or otherwise)
