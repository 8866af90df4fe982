"""The online store: what a request cannot bring, by key, filled from the lake."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from struct import Struct
from typing import Any, Literal, Protocol, Self

from ml_platform.spec.durations import since_epoch


@dataclass(frozen=True)
class Filling:
    """What is on record of a layout that was filled.

    record_number: the newest record of the validated table that it was filled from.
    horizon:       the earliest `at` that it answers; None: any.
    since:         when the first row of its table became usable (S14); None: no row is, or the table has no time.
    snapshot:      of the lake, from which it was filled; 0: none.
    """

    table: str
    record_number: int
    horizon: datetime | None
    since: datetime | None
    filled_at: datetime
    values: int = 0
    value_bytes: int = 0
    snapshot: int = 0

    def to_json(self) -> str:
        """As a store keeps it."""
        return json.dumps(asdict(self), default=datetime.isoformat)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What `to_json` gave."""
        data: dict[str, Any] = json.loads(text)
        for name in ("horizon", "since", "filled_at"):
            data[name] = datetime.fromisoformat(data[name]) if data[name] else None
        return cls(**data)

    @property
    def bounds(self) -> "Bounds":
        """What readers need of it."""
        horizon, since = (None if moment is None else since_epoch(moment) for moment in (self.horizon, self.since))
        return Bounds(horizon, since, self.snapshot)


Role = Literal["champion", "challenger", "canary"]


@dataclass(frozen=True)
class CanaryTerms:
    """What a canary answers, and within which bounds (S58).

    entry: of the log of canaries. champion: the version beside which it answers, and beside no other. share: of the
    keys. max_error_share: of its rows that it may fail to answer. max_latency_ratio: how many times the champion's CPU
    time a row may take. ended: why it answers nothing any more; empty while it answers. evidence: what was measured
    when the service took it back, as JSON; empty otherwise.
    """

    entry: int
    champion: int
    share: float
    max_error_share: float
    max_latency_ratio: float
    ended: str = ""
    evidence: str = ""


@dataclass(frozen=True)
class Deployment:
    """Which version answers for a pipeline, answers a share of its keys, or shadows what answers.

    `bundle` is the digest of its blob; its layouts are filled. `terms` are those of a canary, and of no other role.
    """

    pipeline: str
    version: int
    bundle: str
    deployed_at: datetime
    role: Role = "champion"
    terms: CanaryTerms | None = None

    def to_json(self) -> str:
        """As a store keeps it."""
        values = {name: value for name, value in asdict(self).items() if value is not None}
        return json.dumps(values, default=datetime.isoformat)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What `to_json` gave."""
        data = json.loads(text)
        terms = CanaryTerms(**data["terms"]) if "terms" in data else None
        return cls(**{**data, "deployed_at": datetime.fromisoformat(data["deployed_at"]), "terms": terms})


@dataclass(frozen=True)
class Bounds:
    """From which moments on a layout answers, in microseconds. It is stored under the layout's fingerprint alone.

    horizon: the earliest `at`; None: any. since: when the first row of its table became usable; None: none is.
    snapshot: of the lake, whose rows it answers from; 0: none.
    """

    horizon: int | None
    since: int | None
    snapshot: int = 0

    def packed(self) -> bytes:
        """The bytes that are stored."""
        moments = (_ABSENT if moment is None else moment for moment in (self.horizon, self.since))
        return _BOUNDS.pack(*moments, self.snapshot)

    @classmethod
    def of(cls, value: bytes) -> "Bounds":
        """What `packed` gave."""
        *moments, snapshot = _BOUNDS.unpack(value)
        horizon, since = (None if moment == _ABSENT else moment for moment in moments)
        return cls(horizon, since, snapshot)


_BOUNDS = Struct("<qqq")
_ABSENT = -(2**63)


class StoredValues(Protocol):
    """Values by name, as a prediction reads them."""

    def read(self, names: Sequence[bytes | None]) -> list[bytes | None]:
        """The values in the order of the names, in one round trip; None where there is none."""


class ServedStore(StoredValues, Protocol):
    """What a service needs of a store: values, and which versions answer."""

    def deployments(self, role: Role = "champion") -> Mapping[str, Deployment]:
        """Which version has the role, by pipeline: champions answer, canaries a share, and challengers shadow."""

    def changes(self) -> int:
        """A number that differs after every change by others; cheap to ask. Compare only answers of one thread."""


class OnlineStore(ServedStore, Protocol):
    """Values by name, and what was filled by the layout's fingerprint, which every name begins with.

    The name that is the fingerprint alone holds the layout's `Bounds`. Readers see a filling whole or not at all: what
    one `read` gives is of one moment. It may be shared between threads and processes.
    """

    def fill(self, fingerprint: bytes, values: Iterable[tuple[bytes, bytes]], filling: Filling) -> Filling:
        """Replace all values and the bounds of a layout, and record how; the record with the counted values.

        fingerprint: of the layout. values: name and value, each name once and beginning with the fingerprint.
        """

    def change(self, values: Mapping[bytes, bytes | None], table: str, number: int) -> None:
        """Put values in place of those under the same names, and note the number of the change; all or nothing.

        values: names begin with a fingerprint, and values of layouts that are not filled are left out. None: the name
        has no value any more. One caller at a time changes values of a table, and fills its layouts.
        """

    def mark(self, table: str) -> int:
        """The number of the newest change of a table; 0 without one."""

    def fillings(self) -> Mapping[bytes, Filling]:
        """What is filled, by fingerprint."""

    def forget(self, fingerprint: bytes) -> None:
        """Remove a layout and its values."""

    def belong_to(self, lake: str) -> None:
        """Empty the store unless it was filled from the lake of that identity."""

    def deploy(self, deployment: Deployment) -> None:
        """Let a version have its role for its pipeline from now on."""

    def withdraw(self, pipeline: str, role: Role = "champion") -> None:
        """Let no version of a pipeline have a role."""

    def close(self) -> None:
        """Give back files and connections."""
