"""Maintenance of lake and blobs, which keeps everything that is still referenced."""

import json
import re
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import func, select

from ml_platform.errors import LakeError
from ml_platform.lake import maintenance, sqlite_copies
from ml_platform.lake.leftovers import remove_older
from ml_platform.lake.lost_catalog import RESTORE, catalog_file
from ml_platform.lake.maintenance import MaintenanceReport
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.sources import landing
from ml_platform.state import erasures, experiments
from ml_platform.state.database import State
from ml_platform.state.engine import path
from ml_platform.state.schema import record_details, records, screenings, versions

_UNFINISHED_PAGE = re.compile(r"\.[0-9a-f]{32}")  # how a page of a report is named until it is whole


def sweep(settings: Settings, *, grace: timedelta = maintenance.GRACE) -> int:
    """Remove what killed processes left below the data folder; how many files and folders.

    That is: staged rows and spilled queries, blobs and reports that were being written, and unfinished copies of landed
    files. It opens no lake, so that it also works where the disk is full. `grace`: younger ones stay.
    """
    reports = (path for path in settings.reports.glob("*/**/.*") if _UNFINISHED_PAGE.fullmatch(path.name))
    unfinished = [*landing.leftovers(settings), *reports]
    return maintenance.sweep(settings, grace=grace) + remove_older(unfinished, grace)


def maintain(ws: Workspace, *, keep_days: float, grace: timedelta = maintenance.GRACE) -> MaintenanceReport:
    """Remove leftovers, merge files, expire snapshots and remove blobs that nothing references.

    `grace`: younger blobs are kept, because a run may be about to record them. Plots and texts are kept for the
    newest record of each asset and partition. Dagster keeps earlier ones in its own log.
    """
    _refuse_damaged(ws)
    leftovers = sweep(ws.settings, grace=grace)
    experiments.forget_unused(ws.state)
    report = maintenance.maintain(ws.lake, keep_days=keep_days, referenced=referenced(ws.state), grace=grace)
    return replace(report, leftovers_removed=report.leftovers_removed + leftovers)


def _refuse_damaged(ws: Workspace) -> None:
    """Raise LakeError when a page of the SQLite catalog or state is damaged: what it hides would be removed."""
    if ws.settings.catalog.get_secret_value():
        return
    for file in (catalog_file(ws.settings), path(ws.settings)):
        if problem := sqlite_copies.problem(file):
            raise LakeError(f"{file} is damaged: {problem}. Nothing was removed.", remedy=RESTORE)


def referenced(state: State) -> set[str]:
    """The digests of all referenced blobs."""
    with state.reading():
        return stored_outputs(state) | shown(state) | erasures.present_blobs(state)


def stored_outputs(state: State) -> set[str]:
    """The digests of blobs that a record, version, screening or experiment is about."""
    columns = (records.c.output, versions.c.training_set, versions.c.bundle, screenings.c.digest)
    recorded = {digest for column in columns for (digest,) in state.rows(select(column).where(column != ""))}
    return recorded | experiments.kept_blobs(state)


def shown(state: State) -> set[str]:
    """The digests of plots and texts that the newest record of an asset and partition shows."""
    newest = select(func.max(records.c.id)).group_by(records.c.asset, records.c.partition)
    details = record_details.c
    rows = state.rows(select(details.blobs).where(details.record_id.in_(newest), details.blobs != "[]"))
    return {digest for (text,) in rows for digest in json.loads(text)}
