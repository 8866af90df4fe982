"""Maintenance of lake and blobs, which keeps everything that is still referenced."""

import re
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import func, select

from ml_platform.lake import maintenance
from ml_platform.lake.maintenance import MaintenanceReport
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.sources import landing
from ml_platform.state.schema import record_details, records, screenings, versions

_DIGEST = re.compile(r'"([0-9a-f]{64})"')
_UNFINISHED_PAGE = re.compile(r"\.[0-9a-f]{32}")  # how a page of a report is named until it is whole


def sweep(settings: Settings, *, grace: timedelta = maintenance.GRACE) -> int:
    """Remove what killed processes left below the data folder; how many files and folders.

    That is: staged rows and spilled queries, blobs and reports that were being written, and unfinished copies of landed
    files. It opens no lake, so that it also works where the disk is full. `grace`: younger ones stay.
    """
    reports = (path for path in settings.reports.glob("*/**/.*") if _UNFINISHED_PAGE.fullmatch(path.name))
    unfinished = [*landing.leftovers(settings), *reports]
    return maintenance.sweep(settings, grace=grace) + maintenance.remove_older(unfinished, grace)


def maintain(ws: Workspace, *, keep_days: float, grace: timedelta = maintenance.GRACE) -> MaintenanceReport:
    """Remove leftovers, merge files, expire snapshots and remove blobs that nothing references.

    `grace`: younger blobs are kept, because a run may be about to record them. Plots and texts are kept for the
    newest record of each asset and partition. Dagster keeps earlier ones in its own log.
    """
    leftovers = sweep(ws.settings, grace=grace)
    report = maintenance.maintain(ws.lake, keep_days=keep_days, referenced=referenced(ws), grace=grace)
    return replace(report, leftovers_removed=report.leftovers_removed + leftovers)


def referenced(ws: Workspace) -> set[str]:
    """The digests of all referenced blobs."""
    newest = select(func.max(records.c.id)).group_by(records.c.asset, records.c.partition)
    shown = select(records.c.result, record_details.c.display, record_details.c.checks).join(
        record_details, record_details.c.record_id == records.c.id
    )
    with ws.state.reading():
        digests = {row[0] for row in ws.state.rows(select(records.c.output).where(records.c.output != ""))}
        for training_set, bundle in ws.state.rows(select(versions.c.training_set, versions.c.bundle)):
            digests |= {training_set, bundle}
        digests |= {row[0] for row in ws.state.rows(select(screenings.c.digest).where(screenings.c.digest != ""))}
        for texts in ws.state.rows(shown.where(records.c.id.in_(newest))):
            for text in texts:
                digests.update(_DIGEST.findall(text))
    return digests
