"""A lake as the platform left it when all its state lay in DuckLake (commit 48a52c2), to be opened by today's code.

`unpack` puts it into a folder, `expected` is what the old code said of it, `declared` holds its
pipelines, `digest` compares rows. `make.py` made it all, with the old code: see there.
"""

import json
import os
import tarfile
from functools import cache
from pathlib import Path
from typing import Any

from ml_platform.settings import Settings

_HERE = Path(__file__).parent


def unpack(folder: Path) -> Settings:
    """A copy of the old lake in `folder`, which is made; the settings that open it.

    Landed files get back the time of change that the lake remembers, to the nanosecond.
    """
    with tarfile.open(_HERE / "lake.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    mtimes = folder / "mtimes.json"
    for name, mtime_ns in json.loads(mtimes.read_text()).items():
        os.utime(folder / name, ns=(mtime_ns, mtime_ns))
    mtimes.unlink()
    return Settings(data=folder, threads=1, lock_timeout=20)


@cache
def expected() -> Any:
    """What the old code said of the lake, as JSON values: moments as text. See `_expected` in make.py."""
    return json.loads((_HERE / "expected.json").read_text())
