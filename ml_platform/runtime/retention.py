"""Upkeep of the lake and the blobs: what is still referred to is known here."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from ml_platform.lake import maintenance
from ml_platform.runtime.workspace import Workspace

_DIGESTS = """
    SELECT output FROM platform.materializations WHERE output <> ''
    UNION SELECT training_set FROM registry.versions UNION SELECT bundle FROM registry.versions
    UNION SELECT unnest(regexp_extract_all(details, '"([0-9a-f]{64})"', 1)) FROM (
        SELECT details FROM platform.materializations
        QUALIFY row_number() OVER (PARTITION BY asset, partition ORDER BY recorded_at DESC, rowid DESC) = 1)
    UNION SELECT digest FROM platform.screenings WHERE digest IS NOT NULL
"""


def maintain(ws: Workspace, *, keep_days: float, grace: timedelta = maintenance.GRACE) -> dict[str, Any]:
    """Merge, expire and clean; blobs that no version, ledger row or screening names are removed.

    `grace`: what is younger stays, since a run may be about to record it. Of pictures and texts for people
    those of the newest record of each asset and partition stay: no hit shows an older one, and Dagster keeps
    what it once showed in its own log.
    """
    return asdict(maintenance.maintain(ws.lake, keep_days=keep_days, referenced=referenced(ws), grace=grace))


def referenced(ws: Workspace) -> set[str]:
    """The digests of all blobs that something on record speaks of."""
    return {digest for (digest,) in ws.lake.rows(_DIGESTS)}
