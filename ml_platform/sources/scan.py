"""What a source has against what is on record: which versions wait to be read."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ml_platform.errors import SourceUnavailable
from ml_platform.sources.registry import source_of
from ml_platform.sources.source import Available, Source, Stamp
from ml_platform.spec.canonical import canonical, content_key
from ml_platform.spec.tables import Table
from ml_platform.state import files as file_records
from ml_platform.state.database import State
from ml_platform.state.files import FileVersion, Refused, by_path, versions

READER_VERSION = 1  # raise it when versions would be read differently


@dataclass(frozen=True)
class Refusal:
    """A version that was not taken in, and why in one message."""

    path: str
    error: str


@dataclass(frozen=True)
class Pending:
    """What an ingest would do. `nothing` does not count what was refused and did not change.

    unavailable: why the source cannot be read now; None when it can. Nothing of it is on record.
    present:     the paths of all versions that the source has.
    """

    table: str
    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    unavailable: Refusal | None = None
    present: set[str] = field(default_factory=set)

    @property
    def nothing(self) -> bool:
        """Whether no version waits."""
        return not self.new and not self.changed

    @property
    def paths(self) -> list[str]:
        """What waits, in the order in which it is read."""
        return sorted([*self.new, *self.changed])

    @property
    def problems(self) -> list[str]:
        """That the source cannot be read, and each refusal, one message each with position and remedy."""
        unavailable = [unavailable_message(self.table, self.unavailable)] if self.unavailable else []
        return [*unavailable, *(f"Refused: {refusal.error}" for refusal in self.refused)]


def unavailable_message(table: str, unavailable: Refusal) -> str:
    """That the source of a table cannot be read now, and why."""
    return f"The source of {table} cannot be read now. {unavailable.error}"


def read_key(table: Table) -> str:
    """What decides how a version is read: when it changes, versions are read anew."""
    wanted = sorted(table.columns) if table.clean is None else []
    return content_key(READER_VERSION, canonical(table.source.reading), wanted)[:16]


def pending(state: State, table: Table) -> Pending:
    """What an ingest would read. Nothing is written."""
    return look(state, table, source_of(state.settings, table)).pending


def refused(state: State, table: Table, have: Pending | None = None) -> list[Refused]:
    """The files that are refused now, by the source, `clean` or the contract. Those that were removed do not count.

    `have`: what `pending` returned, if it was asked already. While the source cannot be read, all count.
    """
    have = have or pending(state, table)
    on_record = file_records.refused(state, table.name)
    return [file for file in on_record if have.unavailable is not None or file.path in have.present]


@dataclass(frozen=True)
class Waiting:
    """A version to be read, and the versions of its path that are on record, oldest first."""

    version: Available
    recorded: Sequence[FileVersion]

    @property
    def path(self) -> str:
        return self.version.path


@dataclass(frozen=True)
class Scan:
    """A look at a source. `restamped`: versions whose content did not change, with the stamp they have now."""

    pending: Pending
    waiting: list[Waiting]
    restamped: list[tuple[FileVersion, Stamp]]


def look(state: State, table: Table, source: Source) -> Scan:
    """Compare what the source has with what is on record; contents are compared only where stamps differ."""
    recorded, key = by_path(versions(state, table.name)), read_key(table)
    scan = Scan(Pending(table.name), [], [])
    try:
        for version in source.discover(recorded):
            before = recorded.get(version.path, [])
            scan.pending.present.add(version.path)
            try:
                same = _same(version, before)
            except OSError:
                continue  # it went away since it was discovered
            if same is not None:
                if (same.bytes, same.mtime_ns) != version.stamp:
                    scan.restamped.append((same, version.stamp))
                if same.read_key == key:
                    if same.status == "refused":
                        scan.pending.refused.append(Refusal(version.path, same.error or ""))
                    continue
            (scan.pending.changed if before else scan.pending.new).append(version.path)
            scan.waiting.append(Waiting(version, before))
    except SourceUnavailable as unavailable:
        reason = Refusal(unavailable.path, str(unavailable))
        return replace(scan, pending=replace(scan.pending, unavailable=reason))
    return scan


def _same(version: Available, before: Sequence[FileVersion]) -> FileVersion | None:
    """The last or the standing version that has the same content."""
    last = before[-1:]
    if last and last[0].sha256 and (last[0].bytes, last[0].mtime_ns) == version.stamp:
        return last[0]
    # Only the last one may lack a fingerprint: it could not be opened, and perhaps still cannot.
    candidates = [*last, *(v for v in before[:-1] if v.status == "ingested" and v.sha256)]
    if not candidates:
        return None
    fingerprint = version.fingerprint()
    return next((v for v in candidates if v.sha256 == fingerprint), None)
