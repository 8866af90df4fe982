"""What happens to a lake on a small disk: `python -m ml_platform_tests.lake.disk_programs NAME FOLDER`."""

import os
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from ml_platform.errors import PlatformError
from ml_platform.lake.transaction import Author, stage, write
from ml_platform.runtime import retention
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform_tests.small_disks import mount, resize

ROOM = 40_000  # kilobytes


def make_lakes(folder: Path) -> None:
    """Make a lake on disks that fill in the midst of it, then make room and open it."""
    refusals = 0
    for size in (150, 324, 400):
        disk = folder / str(size)
        mount(disk, size)
        settings = Settings(data=disk / "data", threads=1, lock_timeout=5)
        try:
            Workspace.open(settings, {}).close()
        except PlatformError as error:
            refusals += 1
            assert "full" in str(error), error
            assert not list(settings.lake.glob("catalog.unfinished*"))
        resize(disk, ROOM)
        with closing(Workspace.open(settings, {})) as opened, write(opened.lake, Author("s/t")) as tx:
            tx.append("s", "t", stage(opened.lake, "SELECT 1 AS v"))
    assert refusals >= 2, "no disk was full: sizes are out of date"


def maintain_a_full_disk(folder: Path) -> None:
    """Fill the disk to the last block, a part of it with what a killed process left, and maintain."""
    disk = folder / "disk"
    mount(disk, ROOM)
    settings = Settings(data=disk / "data", threads=1, lock_timeout=5)
    with closing(Workspace.open(settings, {})) as opened:
        for number in range(4):
            with write(opened.lake, Author("s/t")) as tx:
                tx.append("s", "t", stage(opened.lake, f"SELECT i + {number} AS v FROM range(9) t(i)"))
    spilled = settings.lake / "staging" / f"spill-{0:032x}" / "block.tmp"
    spilled.parent.mkdir()
    spilled.write_bytes(bytes(4_000_000))
    with (disk / "filler").open("wb", buffering=0) as filler:
        try:
            while filler.write(bytes(4096)):
                pass
        except OSError:
            pass
    assert os.statvfs(disk).f_bavail == 0
    grace = timedelta(0)
    assert retention.sweep(settings, grace=grace) == 1
    with closing(Workspace.open(settings, {})) as opened:
        report = retention.maintain(opened, keep_days=0, grace=grace)
        assert report.files_merged == 4
        assert report.files_removed == 4
        assert opened.lake.value("SELECT count(*) FROM s.t") == 36


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]))
