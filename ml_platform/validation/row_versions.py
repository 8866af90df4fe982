"""Rows of validated and quarantine tables: versions with their times, and refused rows with their reasons."""

from datetime import UTC, datetime
from typing import Any

import polars as pl

from ml_platform.lake.connection import Lake
from ml_platform.sources.raw_columns import ROW, read_raw
from ml_platform.spec.durations import microseconds
from ml_platform.spec.tables import Table
from ml_platform.state.spans import Spans
from ml_platform.validation.file_plans import Plan
from ml_platform.validation.judging import PARTITION, RAW, REASON, RULE, as_json
from ml_platform.validation.resolution import Resolved
from ml_platform.validation.screenings import rule_version
from ml_platform.validation.times import INSTANT

_LAST_MOMENT = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)


def row_versions(table: Table, offers: pl.DataFrame, plan: Plan, resolved: Resolved) -> pl.DataFrame:
    """The row versions with `_file`, `_arrival`, `_known_at`, `_usable_at`, `_superseded_at` (S2, S5, S6)."""
    arrivals = pl.Series("arrival", [v.arrival for v in plan.files], dtype=INSTANT)
    files = pl.Series("file", [v.file_id for v in plan.files], dtype=pl.String)
    frame = offers[resolved.rows].with_columns(
        pl.lit(arrivals).gather(pl.col("_step")).alias("_arrival"),
        pl.lit(files).gather(pl.col("_step")).alias("_file"),
        _at(arrivals, resolved.began).alias("_began"),
        _at(arrivals, resolved.ended).alias("_ended"),
        pl.Series("_by", resolved.by),
    )
    # A row that comes back arrives anew: it is the newest version.
    frame = frame.with_columns(pl.coalesce("_began", "_arrival").alias("_arrival"))
    declared = pl.col(table.known_column or "_arrival")
    known_at = pl.when(declared.is_not_null()).then(pl.max_horizontal(declared, "_began"))
    frame = frame.with_columns(known_at.alias("_known_at"))
    frame = frame.with_columns(_refreshed(pl.col("_known_at"), table).alias("_usable_at"))
    successor = pl.when(pl.col("_by") >= 0).then(pl.col("_usable_at").gather(pl.col("_by").clip(lower_bound=0)))
    ended = pl.when(pl.col("_ended").is_not_null()).then(pl.coalesce(successor, _refreshed(pl.col("_ended"), table)))
    frame = frame.with_columns(_earliest_end(frame.with_columns(ended.alias("_end"))).alias("_superseded_at"))
    stamps = ("_arrival", "_known_at", "_usable_at", "_superseded_at")
    return frame.select(*table.columns, "_file", ROW, *stamps, PARTITION)


def spans_of(rows: pl.DataFrame, table: Table) -> Spans:
    """The spans of row versions (`state.spans`). A row without a moment of a kind does not count for it."""
    event = [table.event_time] if table.event_time else []
    named = {name: pl.col(name).dt.epoch("us") for name in ("_usable_at", "_known_at", *event)}
    last = pl.max_horizontal(named.values())
    first_usable, first_known = named["_usable_at"].min(), named["_known_at"].min()
    newest = named[table.event_time].max() if table.event_time else pl.lit(None, pl.Int64)
    moments = (first_usable, last.max(), first_known, named["_known_at"].max(), newest)
    return Spans(*rows.select(one.alias(str(i)) for i, one in enumerate(moments)).row(0))


def _earliest_end(frame: pl.DataFrame) -> pl.Series:
    """The first moment at which any later version stands: a correction may be known before the one it corrects."""
    end, by = frame["_end"], frame["_by"]
    corrected = by >= 0
    while True:
        later = pl.select(pl.when(corrected).then(end.gather(by.clip(lower_bound=0)))).to_series()
        earlier = pl.select(pl.min_horizontal(end, later)).to_series()
        if earlier.equals(end, null_equal=True):
            return end
        end = earlier


def _at(arrivals: pl.Series, steps: Any) -> pl.Series:
    numbers = pl.Series(steps, dtype=pl.Int64)
    positions = pl.DataFrame({"n": numbers}).select(pl.when(pl.col("n") >= 0).then(pl.col("n")))
    return arrivals.gather(positions.to_series()) if len(arrivals) else pl.Series([], dtype=INSTANT)


def _refreshed(time: pl.Expr, table: Table) -> pl.Expr:
    """The first refresh at or after a time (S5); the time itself without `refresh`. Null, never, stays null (S2)."""
    if table.refresh is None:
        return time
    span = microseconds(table.refresh)
    ticks = -(-time.cast(pl.Int64) // span) * span
    return pl.when(time.is_not_null()).then(pl.min_horizontal(ticks.cast(INSTANT), pl.lit(_LAST_MOMENT, INSTANT)))


def conflicts_of(lake: Lake, table: Table, offers: pl.DataFrame, plan: Plan, resolved: Resolved) -> pl.DataFrame:
    """Rows refused for another file's row of the same key, with the reason and the row as it came."""
    mine, theirs = offers[resolved.refused], offers[resolved.winners]
    frame = (
        mine.select(PARTITION, "_step", ROW)
        .with_columns(theirs["_step"].alias("winner"), theirs[ROW].alias("winning_row"))
        .filter(pl.col(PARTITION) == plan.partition)
    )
    # Rows of a file that was renamed stand under its new name, by which a person may withdraw it.
    standing = {v.sha256: v.path for v, final in zip(plan.files, plan.final, strict=True) if final}
    named = [
        v.path if final else standing.get(v.sha256, v.path) for v, final in zip(plan.files, plan.final, strict=True)
    ]
    paths = pl.Series(named, dtype=pl.String)
    keyed = ", ".join(table.key)
    reason = pl.concat_str(
        pl.lit(f"the key ({keyed}) of "),
        pl.lit(paths).gather(pl.col("_step")),
        pl.lit(" row "),
        pl.col(ROW).cast(pl.String),
        pl.lit(" has other content in "),
        pl.lit(paths).gather(pl.col("winner")),
        pl.lit(" row "),
        pl.col("winning_row").cast(pl.String),
        pl.lit(", which stands"),
    )
    frame = frame.with_columns(reason.alias(REASON), pl.lit("conflict").alias(RULE))
    parts = []
    for (step,), part in frame.group_by("_step", maintain_order=True):
        version = plan.files[int(str(step))]
        raw = read_raw(lake, table.name, version.file_id, version.columns, part[ROW].to_list())
        parts.append(part.join(as_json(raw), on=ROW, how="left"))
    return pl.concat(parts).select("_step", ROW, RULE, REASON, RAW) if parts else pl.DataFrame()


def quarantine_of(table: Table, refused: pl.DataFrame, conflicts: pl.DataFrame, plan: Plan) -> pl.DataFrame:
    """The rows of the quarantine: those that screening refused, and those of other files' keys."""
    frame = refused.select("_step", ROW, RULE, REASON, RAW)
    if conflicts.width:
        frame = pl.concat([frame, conflicts])
    files = pl.Series([v.file_id for v in plan.files], dtype=pl.String)
    return frame.select(
        pl.col(RAW).alias("row"),
        pl.lit(files).gather(pl.col("_step")).alias("_file"),
        ROW,
        pl.col(RULE).alias("rule"),
        pl.col(REASON).alias("reason"),
        pl.lit(rule_version(table)).alias("rule_version"),
        pl.lit(datetime.now(UTC), INSTANT).alias("quarantined_at"),
    ).sort("_file", ROW)
