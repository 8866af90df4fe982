"""Why the supervisor could not fill the store or deploy a champion: a file that it writes and workers read."""

import json
from collections.abc import Mapping
from pathlib import Path

from ml_platform.lake import durable

_FILE = "faults.json"


def write(online: Path, faults: Mapping[str, str]) -> None:
    """Replace the faults, by pipeline, in the folder of the service. Readers see the old ones or the new ones."""
    online.mkdir(parents=True, exist_ok=True)
    durable.write(online / _FILE, json.dumps(dict(faults)).encode(), 0o600, synced=False)


def read(online: Path) -> Mapping[str, str]:
    """The faults that were written last; none where nothing was.

    >>> from tempfile import mkdtemp
    >>> folder = Path(mkdtemp())
    >>> write(folder, {"flight_delay": "The blob is missing."})
    >>> read(folder)
    {'flight_delay': 'The blob is missing.'}
    """
    try:
        faults: dict[str, str] = json.loads((online / _FILE).read_text())
    except FileNotFoundError:
        return {}
    return faults
