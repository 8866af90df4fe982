"""Whether the keys of a file still match: an identifier that is spelt otherwise finds nothing, and fails nowhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ml_platform.lake.connection import Lake
from ml_platform.lake.pruning import rows_between
from ml_platform.naming import counted, quoted
from ml_platform.quality.check_result import CheckResult
from ml_platform.spec.partitions import WHOLE
from ml_platform.spec.tables import Table

ABOUT = (
    "The keys of each file match rows of the table that they refer to, or of the table's other files, about as "
    "often as those of earlier files."
)
_EXPECTED = 10  # matches that the least earlier share lets expect; fewer may be missing by chance
_FEWER = 0.5  # of the least share of an earlier file
_SHOWN = 3


@dataclass(frozen=True)
class Reference:
    """Rows of a table refer to another table, or by `timed` features to earlier rows: own column → its column there."""

    table: str
    on: Mapping[str, str]
    timed: bool = False


@dataclass(frozen=True)
class _File:
    file_id: str
    rows: int
    matched: int

    @property
    def share(self) -> float:
        return self.matched / self.rows


@dataclass(frozen=True)
class _Finding:
    reference: Reference
    now: _File
    least: float
    unmatched: list[str]
    usual: list[str]

    @property
    def description(self) -> str:
        columns, table = ", ".join(self.reference.on), self.reference.table
        now = f"{self.now.matched:,} of {counted(self.now.rows, 'row matches', 'rows match')} ({self.now.share:.1%})"
        return (
            f"{columns} → {table}: {now}; of every earlier file at least {self.least:.1%} matched, and at least half "
            "of that is required. "
            f"Not matched: {', '.join(self.unmatched)}; {table} has {', '.join(self.usual)}. "
            "Is the key spelt otherwise (case, zeros, blanks, a point)?"
        )


def matches(
    lake: Lake, table: Table, partition: str, since: str, references: Sequence[Reference], paths: Mapping[str, str]
) -> CheckResult:
    """The check of that name. `since`: the first earlier partition to compare with; `paths`: file id → path."""
    findings: list[_Finding] = []
    judged: list[str] = []
    for reference in references:
        if not lake.columns("validated", reference.table):
            continue
        now, earlier = _files(lake, table, partition, since, reference)
        shares = [file.share for file in earlier]
        if not shares or not now:
            continue
        least = min(shares)
        worst = min(now, key=lambda file: file.share)
        judged.append(
            f"{', '.join(reference.on)} → {reference.table}: {worst.share:.1%} of {counted(worst.rows, 'row')} match; "
            f"of every earlier file at least {least:.1%} did, and at least half of that is required"
        )
        findings += [
            _Finding(reference, file, least, *_examples(lake, table, partition, file, reference))
            for file in now
            if file.share < _FEWER * least and file.rows * least >= _EXPECTED
        ]
    if not findings:
        description = "; ".join(judged) + "." if judged else "There is nothing yet to compare with."
        return CheckResult("matches", True, "warn", None, _FEWER, description)
    worst_one = min(findings, key=lambda finding: finding.now.share)
    severity: Any = "error" if worst_one.now.matched == 0 else "warn"
    meta = {"files": [{"file": paths.get(f.now.file_id, f.now.file_id), "why": f.description} for f in findings]}
    where = paths.get(worst_one.now.file_id, "a file")
    description = f"{where}: {worst_one.description}"
    return CheckResult("matches", False, severity, worst_one.now.share / worst_one.least, _FEWER, description, meta)


def _files(
    lake: Lake, table: Table, partition: str, since: str, reference: Reference
) -> tuple[list[_File], list[_File]]:
    """The files of the partition and those before it. Without partitions the newest file, and the others."""
    mine = rows_between(lake, "validated", table.name, since, partition)
    rows = lake.rows(
        f"WITH known AS ({_keys_sql(table, reference, mine)}) SELECT a._file, a._partition = ?, max(a._arrival), "
        f"count(*), count(known._found) FROM {mine} a LEFT JOIN known ON {_on(reference)} "
        f"WHERE a._superseded_at IS NULL AND {_given(reference)} GROUP BY ALL",
        [partition],
    )
    if partition == WHOLE:
        newest = max((arrival for _, _, arrival, _, _ in rows), default=None)
        rows = [(file, arrival == newest, arrival, total, matched) for file, _, arrival, total, matched in rows]
    now = [_File(file, total, matched) for file, is_now, _, total, matched in rows if is_now]
    return now, [_File(file, total, matched) for file, is_now, _, total, matched in rows if not is_now]


def _keys_sql(table: Table, reference: Reference, mine: str) -> str:
    """The keys that count as known: all of another table, of the same table those that more than one file has.

    `mine`: the rows of the same table that are compared.
    """
    columns = ", ".join(quoted(theirs) for theirs in reference.on.values())
    if reference.table != table.name:
        return f"SELECT {columns}, 1 AS _found FROM validated.{quoted(reference.table)} GROUP BY ALL"
    return f"SELECT {columns}, 1 AS _found FROM {mine} GROUP BY ALL HAVING count(DISTINCT _file) > 1"


def _on(reference: Reference) -> str:
    return " AND ".join(f"a.{quoted(mine)} = known.{quoted(theirs)}" for mine, theirs in reference.on.items())


def _given(reference: Reference) -> str:
    return " AND ".join(f"a.{quoted(mine)} IS NOT NULL" for mine in reference.on)


def _examples(
    lake: Lake, table: Table, partition: str, file: _File, reference: Reference
) -> tuple[list[str], list[str]]:
    """Some keys of the file, and some of the table that they refer to (of the same table: of its other files)."""
    mine = ", ".join(f"a.{quoted(name)}" for name in reference.on)
    theirs = ", ".join(quoted(name) for name in reference.on.values())
    here = lake.rows(
        f"SELECT DISTINCT {mine} FROM validated.{quoted(table.name)} a WHERE a._file = ? AND a._partition = ? "
        f"AND {_given(reference)} ORDER BY ALL LIMIT {_SHOWN}",
        [file.file_id, partition],
    )
    there = lake.rows(
        f"SELECT DISTINCT {theirs} FROM validated.{quoted(reference.table)} WHERE _file <> ? ORDER BY ALL "
        f"LIMIT {_SHOWN}",
        [file.file_id],
    )
    return [_shown(row) for row in here], [_shown(row) for row in there]


def _shown(row: Sequence[Any]) -> str:
    return repr(row[0]) if len(row) == 1 else repr(tuple(row))
