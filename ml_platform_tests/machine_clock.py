"""A machine's clock that a test sets, as far as the platform stamps with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

import pytest

from ml_platform.state import clock


@dataclass
class MachineClock:
    """Shows the real time, shifted by what a test set it forward or back."""

    shift: timedelta = timedelta()

    @property
    def now(self) -> datetime:
        return datetime.now(UTC) + self.shift


@contextmanager
def machine_clock() -> Iterator[MachineClock]:
    """The clock by which stamps are made in the body."""
    shown = MachineClock()

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return shown.now.astimezone(tz)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "datetime", Shifted)
        yield shown
