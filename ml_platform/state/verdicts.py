"""Verdicts: what a gate found about a version, measured once and stored (S23)."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any

import polars as pl

from ml_platform.lake.connection import Lake
from ml_platform.lake.transaction import Author, write
from ml_platform.state import registry_tables


@dataclass(frozen=True)
class Verdict:
    """One finding. Every gate has one with an empty `slice`, which is the gate's outcome; others explain it.

    `gate` is a phrase; `passed` is None for "not judged"; `low` and `high` are the 95 % interval of
    `value`; `snapshot` is the digest of the training set. `measured` is False when the gate itself
    broke: it counts as failed and may be judged again.
    """

    pipeline: str
    version: int
    gate: str
    gate_key: str
    metric: str
    slice: str
    value: float | None
    threshold: float | None
    low: float | None
    high: float | None
    passed: bool | None
    rows: int
    detail: str
    snapshot: str
    measured: bool = True
    run_id: str = ""
    recorded_at: datetime | None = None


_TYPES: dict[str, pl.DataType] = {
    **dict.fromkeys(("version", "rows"), pl.Int64()),
    **dict.fromkeys(("value", "threshold", "low", "high"), pl.Float64()),
    **dict.fromkeys(("passed", "measured"), pl.Boolean()),
    "recorded_at": pl.Datetime("us", "UTC"),
}  # the rest is text
_COLUMNS = [field.name for field in fields(Verdict)]


def record(lake: Lake, author: Author, found: Sequence[Verdict]) -> list[Verdict]:
    """Store verdicts; what is stored now, in the order given.

    One that was measured before for the same version, gate and slice keeps its first finding, and
    that is what is returned. A gate that broke before is judged again by adding a row, not by changing one.
    """
    registry_tables.prepare(lake)
    now = datetime.now(UTC)
    stamped = [replace(v, run_id=author.run_id, recorded_at=now) for v in found]
    with write(lake, author) as tx:
        known: dict[tuple[Any, ...], Verdict] = {}
        for pipeline, version in sorted({(v.pipeline, v.version) for v in stamped}):
            known.update({_identity(v): v for v in of(lake, pipeline, version) if v.measured})
        new = [v for v in stamped if _identity(v) not in known]
        if new:
            schema = {name: _TYPES.get(name, pl.String()) for name in _COLUMNS}
            tx.append(registry_tables.SCHEMA, "verdicts", pl.DataFrame([asdict(v) for v in new], schema=schema))
    return [known.get(_identity(v), v) for v in stamped]


def of(lake: Lake, pipeline: str, version: int) -> list[Verdict]:
    """The verdicts on a version, in the order of recording; the newest of each gate and slice."""
    rows = registry_tables.read(
        lake,
        "verdicts",
        f"SELECT {', '.join(_COLUMNS)} FROM registry.verdicts WHERE pipeline = ? "
        "QUALIFY row_number() OVER (PARTITION BY version, gate_key, slice ORDER BY recorded_at DESC, rowid DESC) = 1 "
        "ORDER BY recorded_at, rowid",
        [pipeline],
    )
    return [found for found in (Verdict(*row) for row in rows) if found.version == version]


def _identity(verdict: Verdict) -> tuple[Any, ...]:
    return verdict.pipeline, verdict.version, verdict.gate_key, verdict.slice
