"""Maintenance beside an open write that deletes, on whatever catalog."""

import threading

from ml_platform.lake.connection import Lake
from ml_platform.lake.maintenance import maintain
from ml_platform.lake.transaction import Author, stage, write
from ml_platform.settings import Settings


def maintenance_loses_no_delete(lake: Lake, settings: Settings) -> None:
    """A write reads and deletes while another process's maintenance wants to merge and expire: it waits."""
    for _ in range(2):
        with write(lake, Author("s/kept")) as tx:
            tx.append("s", "kept", stage(lake, "SELECT i AS v FROM range(100) t(i)"))
    finished = threading.Event()

    def tidy() -> None:
        with Lake(settings.model_copy(update={"lock_timeout": 60})) as other:
            maintain(other, keep_days=0)
        finished.set()

    with write(lake, Author("s/kept")) as tx:
        assert tx.execute("SELECT count(*) FROM s.kept").fetchone() == (200,)
        thread = threading.Thread(target=tidy)
        thread.start()
        assert not finished.wait(0.5), "it waits for the lock"
        tx.execute("DELETE FROM s.kept WHERE v >= 50")
    thread.join(60)
    assert finished.is_set()
    assert lake.rows("SELECT count(*), max(v) FROM s.kept") == [(100, 49)]
