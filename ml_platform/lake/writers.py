"""Which threads are inside a write transaction of a lake: what it brought so far, only its own statements see."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ml_platform.lake.connection import Lake

_local = threading.local()


@contextmanager
def writing(lake: Lake) -> Iterator[None]:
    """This thread is inside a write transaction of `lake` while the context is open."""
    _local.lakes = {*getattr(_local, "lakes", ()), id(lake)}
    try:
        yield
    finally:
        _local.lakes = _local.lakes - {id(lake)}


def is_writing(lake: Lake) -> bool:
    """Whether this thread is inside a write transaction of `lake`."""
    return id(lake) in getattr(_local, "lakes", ())
