"""Since when this catalog is at work in its folder, so that maintenance removes nothing that another one made.

`lake.json` beside the catalog holds the identity of the lake, its newest snapshot and the moment since when. The moment
starts anew when the file is missing, when the lake is another one, and when the catalog is older than one that was
here: somebody put a copy in its place, and what the newer one had written may be needed once more.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ml_platform.lake import durable
from ml_platform.lake.disk_faults import explained

if TYPE_CHECKING:
    from ml_platform.lake.connection import Lake

_FILE = "lake.json"


@dataclass(frozen=True)
class Lifetime:
    """The lake, its newest snapshot that was seen, and since when its catalog is at work here."""

    lake: str
    snapshot: int
    since: datetime


def read(folder: Path) -> Lifetime | None:
    """What the folder notes; None where there is no note, or none that can be read."""
    try:
        noted = json.loads((folder / _FILE).read_text())
        return Lifetime(noted["lake"], noted["snapshot"], datetime.fromisoformat(noted["since"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def continues(noted: Lifetime | None, lake: str, snapshot: int) -> bool:
    """Whether the catalog with that identity and newest snapshot is the one that was at work here."""
    return noted is not None and noted.lake == lake and noted.snapshot <= snapshot


def note(folder: Path, lake: str, snapshot: int) -> Lifetime:
    """Note the newest snapshot. Under the write lock, or before anybody else knows the lake."""
    noted = read(folder)
    since = noted.since if noted is not None and continues(noted, lake, snapshot) else datetime.now(UTC)
    lifetime = Lifetime(lake, snapshot, since)
    if lifetime != noted:
        _write(folder, lifetime)
    return lifetime


def begin(folder: Path, lake: str, snapshot: int, since: datetime) -> None:
    """Note that the catalog with that identity and newest snapshot is at work here from `since` on."""
    _write(folder, Lifetime(lake, snapshot, since))


def observe(lake: "Lake", metadata: str) -> None:
    """At the opening for writing: note it when another catalog was at work here before, or none."""
    newest = f"SELECT max(snapshot_id) FROM {metadata}.ducklake_snapshot"
    noted = read(lake.folder)  # first: the snapshot that is asked for afterwards is never behind it
    if not continues(noted, lake.identity, int(lake.value(newest) or 0)):
        with lake.locked("the note of a new catalog"):
            note(lake.folder, lake.identity, int(lake.value(newest) or 0))


def _write(folder: Path, lifetime: Lifetime) -> None:
    noted = {"lake": lifetime.lake, "snapshot": lifetime.snapshot, "since": lifetime.since.isoformat()}
    with explained(folder):
        durable.write(folder / _FILE, json.dumps(noted).encode(), synced=False)  # each commit writes it
