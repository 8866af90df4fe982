"""The online store: what a request cannot bring, by key, filled from the lake."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class Filling:
    """What is on record of a layout that was filled.

    record:  the newest record of the validated table that it was filled from.
    horizon: the earliest `at` that it answers; None: any.
    since:   when the first row of its table became usable (S14); None: no row is, or the table has no time.
    """

    table: str
    record: int
    horizon: datetime | None
    since: datetime | None
    filled_at: datetime
    values: int = 0
    value_bytes: int = 0


@dataclass(frozen=True)
class Deployment:
    """Which version answers for a pipeline. `bundle` is the digest of its blob; its layouts are filled."""

    pipeline: str
    version: int
    bundle: str
    deployed_at: datetime


class OnlineStore(Protocol):
    """Values by name, and what was filled by the layout's fingerprint, which every name begins with.

    Readers see a filling whole or not at all. It may be shared between threads and processes.
    """

    def read(self, names: Sequence[bytes | None]) -> list[bytes | None]:
        """The values in the order of the names, in one round trip; None where there is none."""

    def fill(self, fingerprint: bytes, values: Iterable[tuple[bytes, bytes]], filling: Filling) -> Filling:
        """Replace all values of a layout, and record how; the record with the counted values."""

    def fillings(self) -> Mapping[bytes, Filling]:
        """What is filled, by fingerprint."""

    def forget(self, fingerprint: bytes) -> None:
        """Remove a layout and its values."""

    def deploy(self, deployment: Deployment) -> None:
        """Let a version answer for its pipeline from now on."""

    def deployments(self) -> Mapping[str, Deployment]:
        """Which version answers, by pipeline."""

    def changes(self) -> int:
        """A number that differs after every change by another process; cheap to ask."""

    def close(self) -> None:
        """Give back files and connections."""
