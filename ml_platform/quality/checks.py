"""Checks on a partition of a validated table. One list names and describes them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ml_platform.lake.data_files import may_hold_rows
from ml_platform.lake.pruning import rows_of
from ml_platform.naming import counted, quoted
from ml_platform.quality import against_history, plausibility
from ml_platform.quality.check_result import CheckResult
from ml_platform.quality.history import history
from ml_platform.quality.matches import ABOUT, Reference, matches
from ml_platform.quality.repeated_keys import repeated_keys
from ml_platform.sources.scan import refused as turned_away
from ml_platform.spec.partitions import WHOLE, Partitions
from ml_platform.spec.tables import Table
from ml_platform.state import files
from ml_platform.state.stores import Stores

__all__ = ["CheckResult", "Reference", "check_names", "run_checks"]

QUARANTINE_SHARE = 0.05  # of a partition's rows; more means a broken source rather than a few bad rows
REFERENCE_SHARE = 0.25  # of a partition's rows whose key the other table does not have


@dataclass(frozen=True)
class _Subject:
    stores: Stores
    table: Table
    partition: str
    references: Sequence[Reference]
    since: str  # the first earlier partition to compare with


def check_names(table: Table, partitions: Partitions | None = None) -> list[tuple[str, str]]:
    """(name, description) of every check that `run_checks` reports."""
    key = ", ".join(table.key) or "all columns"
    return [
        ("schema", "Every file has the contract's columns and was screened. Files with further columns are named."),
        ("quarantine_share", f"At most {QUARANTINE_SHARE:.0%} of the rows are in quarantine."),
        ("keys", f"No key ({key}) has two current rows, in any partition."),
        ("references", f"At most {REFERENCE_SHARE:.0%} of the rows refer to a key that the other table does not have."),
        ("matches", ABOUT),
        *plausibility.check_names(table),
        *against_history.check_names(table, partitions),
    ]


def run_checks(
    stores: Stores,
    table: Table,
    partition: str,
    references: Sequence[Reference] = (),
    partitions: Partitions | None = None,
) -> list[CheckResult]:
    """Every check of `check_names`, in its order, on the current content of the lake."""
    past = history(stores, table, partitions, partition)  # it may renew profiles of older code
    since = past.earlier[0].partition if past.earlier and partition != WHOLE else partition
    subject = _Subject(stores, table, partition, references, since)
    with stores.reading():
        results = [check(subject) for check in _CHECKS.values()]
        results += plausibility.run_checks(stores.lake, table, partition)
    return results + against_history.run_checks(stores.blobs, table, partitions, past)


def _schema(s: _Subject) -> CheckResult:
    refused = turned_away(s.stores.state, s.table)
    extra = _extra_columns(s)
    meta: dict[str, Any] = {
        "refused files": [{"file": file.path, "why": file.error} for file in refused],
        "extra columns": extra,
    }
    if refused:
        first = refused[0].error + (f" And {len(refused) - 1} more." if len(refused) > 1 else "")
        listed = f"{counted(len(refused), 'file was', 'files were')} refused, and none may be: {first}"
        return CheckResult("schema", False, "error", len(refused), 0, listed, meta, refused_files=len(refused))
    if extra:
        listed = "; ".join(f"{path}: {', '.join(names)}" for path, names in list(extra.items())[:3])
        return CheckResult(
            "schema",
            False,
            "warn",
            len(extra),
            0,
            f"{counted(len(extra), 'file has', 'files have')} columns that the contract does not have, which are left "
            f"out: {listed}.",
            meta,
        )
    return CheckResult("schema", True, "error", 0, 0, "Every file has the contract's columns and no others.", meta)


def _extra_columns(s: _Subject) -> dict[str, list[str]]:
    """Path → columns that the contract lacks. Empty for tables with `clean`, which may read any column."""
    if s.table.clean is not None:
        return {}
    extra_by_path = {
        version.path: [name for name in json.loads(version.columns) if name not in s.table.columns]
        for version in files.standing(s.stores.state, s.table.name)
    }
    return {path: names for path, names in extra_by_path.items() if names}


def _quarantine_share(s: _Subject) -> CheckResult:
    rules = dict[str, int]()
    if may_hold_rows(s.stores.lake, "quarantine", s.table.name, s.partition):
        rejected = rows_of(s.stores.lake, "quarantine", s.table.name, s.partition)
        asked = f"SELECT rule, count(*) FROM {rejected} GROUP BY ALL ORDER BY 2 DESC, 1"
        rules = dict(s.stores.lake.rows(asked))
    bad, good = sum(rules.values()), _current(s)
    share = bad / (bad + good) if bad + good else 0.0
    are = f"{bad:,} of {counted(bad + good, 'row is', 'rows are')} in quarantine ({share:.2%})"
    description = f"{are}; at most {QUARANTINE_SHARE:.0%} are allowed"
    if rules:
        rule, broken = next(iter(rules.items()))
        description += f". The rule broken most often is {rule}, by {broken:,} of them"
    return CheckResult(
        "quarantine_share",
        share <= QUARANTINE_SHARE,
        "error",
        share,
        QUARANTINE_SHARE,
        f"{description}.",
        {"by rule": rules},
    )


def _keys(s: _Subject) -> CheckResult:
    count, parts = repeated_keys(s.stores.lake, s.table, s.partition)
    description = "Every key has one current row."
    if count:
        keys = counted(count, "key has", "keys have")
        description = f"{keys} several current rows, and each may have one. They are in the partitions {parts}."
    return CheckResult("keys", count == 0, "error", count, 0, description)


def _references(s: _Subject) -> CheckResult:
    worst, phrases, meta = 0.0, [], {}
    for reference in s.references:
        if reference.timed:
            continue
        own = " AND ".join(f"a.{quoted(mine)} = b.{quoted(theirs)}" for mine, theirs in reference.on.items())
        given = " AND ".join(f"a.{quoted(mine)} IS NOT NULL" for mine in reference.on)
        if not s.stores.lake.columns("validated", reference.table):
            continue
        total, unknown = s.stores.lake.rows(
            f"SELECT count(*), count(*) FILTER (NOT EXISTS (SELECT 1 FROM validated.{quoted(reference.table)} b "
            f"WHERE {own})) FROM {rows_of(s.stores.lake, 'validated', s.table.name, s.partition)} a "
            f"WHERE a._superseded_at IS NULL AND {given}"
        )[0]
        share = unknown / total if total else 0.0
        worst = max(worst, share)
        unmatched = f"{unknown:,} of {counted(total, 'row refers', 'rows refer')} to an unknown key ({share:.1%})"
        phrases.append(f"{', '.join(reference.on)} → {reference.table}: {unmatched}")
        meta[reference.table] = share
    allowed = f"; at most {REFERENCE_SHARE:.0%} are allowed."
    description = "; ".join(phrases) + allowed if phrases else "The table refers to no other table."
    return CheckResult("references", worst <= REFERENCE_SHARE, "warn", worst, REFERENCE_SHARE, description, meta)


def _matches(s: _Subject) -> CheckResult:
    paths = {version.file_id: version.path for version in files.versions(s.stores.state, s.table.name)}
    return matches(s.stores.lake, s.table, s.partition, s.since, s.references, paths)


def _current(s: _Subject) -> int:
    rows = rows_of(s.stores.lake, "validated", s.table.name, s.partition)
    return int(s.stores.lake.value(f"SELECT count(*) FROM {rows} WHERE _superseded_at IS NULL"))


_CHECKS: dict[str, Callable[[_Subject], CheckResult]] = {
    "schema": _schema,
    "quarantine_share": _quarantine_share,
    "keys": _keys,
    "references": _references,
    "matches": _matches,
}
