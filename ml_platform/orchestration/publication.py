"""When records are published to the lake: at the end of a run, or of several runs that one command makes in turn."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ml_platform import interrupts
from ml_platform.secret_free_errors import secret_free_errors
from ml_platform.state.publishing import publish
from ml_platform.state.stores import Stores

_AT_LEAST_EVERY = 60.0  # seconds; a publication costs 0.3 of CPU, whatever it brings


@dataclass
class _Together:
    """Several runs on one lake. waits: whether one has ended whose records are not published."""

    ws: Stores
    last: float = field(default_factory=time.monotonic)
    waits: bool = False

    def publish(self) -> None:
        with secret_free_errors():
            publish(self.ws)
        self.last, self.waits = time.monotonic(), False

    def publish_what_waits(self) -> None:
        if self.waits:
            self.publish()


_together: list[_Together] = []  # one, or none


def publish_run(ws: Stores) -> None:
    """Publish what a run recorded, or leave it to `published_together`, for a minute at most between runs."""
    several = next((one for one in _together if one.ws is ws), None)
    if several is None:
        publish(ws)
    elif time.monotonic() - several.last >= _AT_LEAST_EVERY:
        several.publish()
    else:
        several.waits = True


@contextmanager
def published_together(ws: Stores) -> Iterator[None]:
    """Runs in the body are published at its end, also when one fails. After a kill the next run publishes them."""
    several = _Together(ws)
    _together.append(several)
    try:
        yield
    except Exception as failed:  # whatever failed, the records of finished work are published
        interrupts.stop_if_arrived()
        try:
            several.publish_what_waits()
        except Exception as unpublished:  # what failed first is the news; the next run publishes
            interrupts.stop_if_arrived()
            raise failed from unpublished
        raise
    else:
        several.publish_what_waits()
    finally:
        _together.remove(several)
