"""When records are published to the lake: at the end of a run, or of several runs that one command makes in turn."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ml_platform import interrupts
from ml_platform.secret_free_errors import secret_free_errors
from ml_platform.state.publishing import publish
from ml_platform.state.stores import Stores

_MOST_SECONDS_BETWEEN = 60.0  # seconds; a publication costs 0.3 of CPU, whatever it brings


@dataclass
class _Batch:
    """Several runs on one lake. has_unpublished: whether one has ended whose records are not published."""

    ws: Stores
    last: float = field(default_factory=time.monotonic)
    has_unpublished: bool = False

    def publish(self) -> None:
        with secret_free_errors():
            publish(self.ws)
        self.last, self.has_unpublished = time.monotonic(), False

    def publish_pending(self) -> None:
        if self.has_unpublished:
            self.publish()


_open_batches: list[_Batch] = []  # one, or none


def publish_run(ws: Stores) -> None:
    """Publish what a run recorded, or leave it to `published_together`, for a minute at most between runs."""
    batch = next((one for one in _open_batches if one.ws is ws), None)
    if batch is None:
        publish(ws)
    elif time.monotonic() - batch.last >= _MOST_SECONDS_BETWEEN:
        batch.publish()
    else:
        batch.has_unpublished = True


@contextmanager
def published_together(ws: Stores) -> Iterator[None]:
    """Runs in the body are published at its end, also when one fails. After a kill the next run publishes them."""
    batch = _Batch(ws)
    _open_batches.append(batch)
    try:
        yield
    except Exception as failed:  # whatever failed, the records of finished work are published
        interrupts.stop_if_arrived()
        try:
            batch.publish_pending()
        except Exception as unpublished:  # what failed first is the news; the next run publishes
            interrupts.stop_if_arrived()
            raise failed from unpublished
        raise
    else:
        batch.publish_pending()
    finally:
        _open_batches.remove(batch)
