"""What a source has against what is on record: which versions wait to be read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ml_platform.errors import SourceUnavailable
from ml_platform.naming import listed
from ml_platform.settings import FileLimits, ProcessShare
from ml_platform.sources.rewritten import recorded_source
from ml_platform.sources.source import Available, Source, Stamp
from ml_platform.spec.canonical import canonical, content_key
from ml_platform.spec.tables import Table
from ml_platform.state import files as file_records
from ml_platform.state import withdrawals
from ml_platform.state.database import State
from ml_platform.state.files import FileVersion, Refused, by_path, versions
from ml_platform.state.withdrawals import Withdrawal

_GONE = "If the rows shall go too: `ml-platform withdraw {table} FILE --why …`."
_LIMITS = [name for name in FileLimits.model_fields if name not in ProcessShare.model_fields]
READER_VERSION = 1  # raise it to have versions on record read anew; otherwise they stand as they were read


@dataclass(frozen=True)
class Refusal:
    """A version that was not taken in, and why in one message."""

    path: str
    error: str


@dataclass(frozen=True)
class Pending:
    """What an ingest would do. `nothing` does not count what was refused and did not change.

    gone: files, or objects, that are not there any more, while their rows stand.
    lies_in: where they are not there any more.
    withdrawn: versions that the source still has and that a person withdrew.
    unavailable: why the source cannot be read now; None when it can. Nothing of it is on record.
    present:     the paths of all versions that the source has.
    taking_back: what to do to have the rows of a withdrawn one again, as a sentence.
    """

    table: str
    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    withdrawn: list[str] = field(default_factory=list)
    unavailable: Refusal | None = None
    present: set[str] = field(default_factory=set)
    taking_back: str = ""
    lies_in: str = ""

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
        refused = [f"Refused: {refusal.error}" for refusal in self.refused]
        return [*unavailable, *refused, *self.departures]

    @property
    def departures(self) -> list[str]:
        """Which files left while their rows stand, in a sentence."""
        return [f"{self.departed} {self.withdrawing}"] if self.gone else []

    @property
    def departed(self) -> str:
        """Which files left while their rows stand; empty when none did."""
        return _absent(self.gone, f"left {self.lies_in} while {{its}} rows stand")

    @property
    def withdrawing(self) -> str:
        """What to do about files that left, as a sentence."""
        return _GONE.format(table=self.table)

    @property
    def remarks(self) -> list[str]:
        """What a person decided about files that are there, in sentences."""
        absent = _absent(self.withdrawn, "{is} withdrawn and not read")
        return [f"{absent} {self.taking_back.format(table=self.table)}"] if absent else []


def _absent(paths: list[str], what: str) -> str:
    if not paths:
        return ""
    words = {"its": "their", "is": "are"} if len(paths) > 1 else {"its": "its", "is": "is"}
    return f"{listed(paths)} {what.format(**words)}."


def unavailable_message(table: str, unavailable: Refusal) -> str:
    """That the source of a table cannot be read now, and why."""
    return f"The source of {table} cannot be read now. {unavailable.error}"


def read_key(table: Table, refused_within: FileLimits | None = None) -> str:
    """What decides how a version is read: when it changes, versions are read anew.

    `refused_within`: for a version that is refused, the limits that it was read within. A raised one may take it in.
    """
    wanted = sorted(table.columns) if table.clean is None else []
    limits = [] if refused_within is None else [[getattr(refused_within, name) for name in _LIMITS]]
    return content_key(READER_VERSION, canonical(table.source.reading), wanted, *limits)[:16]


def pending(state: State, table: Table) -> Pending:
    """What an ingest would read. Nothing is written."""
    return look(state, table, recorded_source(state, table)).pending


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
    renamed_from: FileVersion | None = None  # the version with the same content, whose path is gone
    old_path: Sequence[FileVersion] = ()  # every version of that path, oldest first

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
    key_of_refused = read_key(table, state.settings)
    withdrawn = withdrawals.standing(state, table.name)
    scan = Scan(Pending(table.name, taking_back=table.source.taking_back, lies_in=table.source.lies_in), [], [])
    try:
        for version in source.discover(recorded):
            before = recorded.get(version.path, [])
            scan.pending.present.add(version.path)
            try:
                if version.path in withdrawn and _stays_withdrawn(version, before, withdrawn[version.path]):
                    scan.pending.withdrawn.append(version.path)
                    continue
                same = _same(version, before)
            except OSError:
                continue  # it went away since it was discovered
            except SourceUnavailable:  # of this version alone: it waits, and `read` says why
                same = None
            if same is not None:
                if (same.bytes, same.mtime_ns) != version.stamp:
                    scan.restamped.append((same, version.stamp))
                if not version.readable or same.read_key == (key_of_refused if same.status == "refused" else key):
                    if same.status == "refused":
                        scan.pending.refused.append(Refusal(version.path, same.error or ""))
                    continue
            (scan.pending.changed if before else scan.pending.new).append(version.path)
            scan.waiting.append(Waiting(version, before))
    except SourceUnavailable as unavailable:
        reason = Refusal(unavailable.path, str(unavailable))
        return replace(scan, pending=replace(scan.pending, unavailable=reason))
    if table.source.may_lose_versions:
        _note_absent(scan, {path: versions for path, versions in recorded.items() if path not in scan.pending.present})
    return scan


def _note_absent(scan: Scan, absent: Mapping[str, Sequence[FileVersion]]) -> None:
    """Which files left: those whose content waits under a new name were renamed, the others are gone."""
    standing = [v for versions in absent.values() for v in versions if v.status == "ingested" and v.rows]
    for i, item in enumerate(scan.waiting):
        alike = [v for v in standing if v.bytes == item.version.stamp.size] if not _had_content(item.recorded) else []
        if not alike:
            continue
        try:
            fingerprint = item.version.fingerprint()
        except (OSError, SourceUnavailable):
            continue  # it went away since it was discovered, or cannot be read now
        same = next((v for v in alike if v.sha256 == fingerprint), None)
        if same is not None:
            scan.waiting[i] = replace(item, renamed_from=same, old_path=absent[same.path])
            standing.remove(same)
    scan.pending.gone.extend(sorted(v.path for v in standing))


def _had_content(recorded: Sequence[FileVersion]) -> bool:
    return bool(recorded) and recorded[-1].sha256 != withdrawals.NO_CONTENT


def _stays_withdrawn(version: Available, before: Sequence[FileVersion], withdrawal: Withdrawal) -> bool:
    """Whether it is still the content that was withdrawn. Content that came later may be on record, as refused."""
    own = next(v for v in before if v.file_id == withdrawal.file_id)
    if (own.bytes, own.mtime_ns) == version.stamp:
        return True
    try:
        return withdrawal.by_hand and version.fingerprint() == withdrawal.sha256
    except SourceUnavailable:
        return True  # it cannot be compared now


def _same(version: Available, before: Sequence[FileVersion]) -> FileVersion | None:
    """The last or the standing version that has the same content."""
    last = before[-1:]
    if last and last[0].sha256 == withdrawals.NO_CONTENT:
        return None  # the withdrawal was ended, or other content came
    if last and last[0].sha256 and (last[0].bytes, last[0].mtime_ns) == version.stamp:
        return last[0]
    # Only the last one may lack a fingerprint: it could not be opened, and perhaps still cannot.
    candidates = [*last, *(v for v in before[:-1] if v.status == "ingested" and v.sha256)]
    if not candidates:
        return None
    fingerprint = version.fingerprint()
    return next((v for v in candidates if v.sha256 == fingerprint), None)
