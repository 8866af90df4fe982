"""Validated tables: every version of every valid row, and the quarantine beside them, one partition at a time."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import polars as pl

from ml_platform.lake.blobs import Blobs
from ml_platform.lake.connection import Lake
from ml_platform.lake.data_files import whole
from ml_platform.lake.frames import staged
from ml_platform.lake.storable import storable
from ml_platform.lake.transaction import Author, write
from ml_platform.quality.profile import profile, write_profile
from ml_platform.sources.raw_columns import ROW, read_raw
from ml_platform.sources.scan import Refusal
from ml_platform.spec.durations import microseconds
from ml_platform.spec.partitions import WHOLE, Partitions
from ml_platform.spec.tables import Table
from ml_platform.state import checks, ledger, spans
from ml_platform.state.results import ValidatedResult
from ml_platform.state.spans import Spans
from ml_platform.state.stores import Stores, after
from ml_platform.validation.file_plans import Plan, plans, recipe_of, touched, validated_key, validated_keys
from ml_platform.validation.resolution import Resolved, resolve
from ml_platform.validation.screening import PARTITION, RAW, REASON, RULE, RULE_HOLDS, as_json
from ml_platform.validation.screenings import (
    Screening,
    Screenings,
    keys_of,
    needs_reads,
    rule_version,
    screen_files,
    screening_key,
)
from ml_platform.validation.times import INSTANT

__all__ = ["ValidatedReport", "build_validated", "screening_key", "touched", "validated_key", "validated_keys"]

_LAST_MOMENT = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)


@dataclass(frozen=True)
class ValidatedReport:
    """What became of a partition: `result` as it is on record. `refused`: files that screening refused."""

    table: str
    partition: str
    content_key: str
    result: ValidatedResult
    refused: list[Refusal] = field(default_factory=list)
    unchanged: bool = False


def build_validated(
    stores: Stores, table: Table, partitions: Partitions | None, partition: str, author: Author
) -> ValidatedReport:
    """Make one partition: validated rows, quarantine and profile in one transaction, then the record (S43).

    The record notes that the partition's checks are to come; who runs them records them (`state.checks`).

    The content key is worked out here and replaces the author's. With the key already in the ledger, and
    the rows whole, nothing is written and the report says `unchanged`.
    """
    needs = needs_reads(stores.state, table)
    keys = keys_of(needs)
    state = screen_files(stores, table, partitions, keys)
    plan = plans(state).get(partition, Plan(partition, [], [], []))
    if _drop_damaged(stores.blobs, plan, state):
        state = screen_files(stores, table, partitions, keys)
    recipe = recipe_of(table, state.key, plan, needs)
    key = recipe.content_key
    author = replace(author, asset=f"validated/{table.name}", partition=partition, content_key=key, reads=recipe.reads)
    last = ledger.latest_of(stores.state, author.asset, partition)
    there = all(whole(stores.lake, layer, table.name, partition) for layer in ("validated", "quarantine"))
    if last is not None and last.content_key == key and there:
        result = last.result_as(ValidatedResult)
        return ValidatedReport(table.name, partition, key, result, refused=state.refused, unchanged=True)
    return _build(stores, table, partitions, plan, state, author)


def _drop_damaged(blobs: Blobs, plan: Plan, state: Screenings) -> bool:
    """Remove the plan's blobs whose bytes are not what their name says; whether there were any (S31)."""
    damaged = [digest for v in plan.files if not blobs.whole(digest := state.by_file[v.file_id].digest)]
    for digest in damaged:
        blobs.path(digest).unlink(missing_ok=True)
    return bool(damaged)


def _build(
    stores: Stores, table: Table, partitions: Partitions | None, plan: Plan, state: Screenings, author: Author
) -> ValidatedReport:
    lake, screenings = stores.lake, state.by_file
    screened = _load(stores.blobs, table, partitions, plan, screenings)
    own = pl.col(PARTITION) == plan.partition
    offers = screened.filter(RULE_HOLDS).drop(RULE, REASON, RAW)
    content = list(table.columns)
    resolved = resolve(offers, plan.steps, table.key or content, content, latest=table.on_conflict == "latest")
    rows = _row_versions(table, offers, plan, resolved).filter(own).drop(PARTITION)
    rows = storable(rows.sort([table.event_time or "_file", *(table.key or [ROW]), "_file"]))
    final = [i for i, stands in enumerate(plan.final) if stands]
    refused = screened.filter(own & ~RULE_HOLDS & pl.col("_step").is_in(final))
    conflicts = pl.DataFrame()
    if table.on_conflict == "quarantine" and len(resolved.refused):
        conflicts = _conflicts(lake, table, offers, plan, resolved)
    quarantine = _quarantine(table, refused, conflicts, plan)
    counted = [screenings[plan.files[i].file_id].partitions.get(plan.partition) for i in final]
    in_files = [c for c in counted if c is not None]
    doubles = offers[resolved.duplicates].filter(own).height if len(resolved.duplicates) else 0
    overruled = 0
    if table.on_conflict == "latest" and len(resolved.refused):
        overruled = offers[resolved.refused].filter(own).height
    current = rows.filter(pl.col("_superseded_at").is_null())
    result = ValidatedResult(
        rows=current.height,
        versions=rows.height,
        quarantined=quarantine.height,
        by_rule=dict(Counter(quarantine["rule"].to_list()).most_common()),
        duplicates=doubles + sum(c.duplicates for c in in_files),
        dropped=sum(c.dropped for c in in_files),
        overruled=overruled,
        files=tuple(
            sorted(plan.files[i].path for i in final if plan.partition in screenings[plan.files[i].file_id].partitions)
        ),
    )
    profiled = profile(current.select(content), table.name, plan.partition, author.content_key, table.event_time)
    put, moments = staged(lake, rows), _spans(rows, table)
    with write(lake, author) as tx:
        tx.replace("validated", table.name, put, partition=plan.partition, evolve=True)
        tx.replace("quarantine", table.name, quarantine, partition=plan.partition, evolve=True)
        write_profile(tx, table.name, plan.partition, profiled)
        after(
            tx,
            stores.state,
            lambda: spans.record(
                stores.state, ledger.record(stores.state, author, rows=current.height, result=result).id, moments
            ),
            lambda: checks.expect(stores.state, table.name, plan.partition),
        )
    return ValidatedReport(table.name, plan.partition, author.content_key, result, refused=state.refused)


def _load(
    blobs: Blobs, table: Table, partitions: Partitions | None, plan: Plan, screenings: Mapping[str, Screening]
) -> pl.DataFrame:
    """The screened rows of the plan's files, with `_step`. Of a path with one version only the partition's rows."""
    several = {step.path for step in plan.steps if step.position > 0}
    first = WHOLE if partitions is None else next(iter(partitions.keys()), WHOLE)
    texts = dict.fromkeys((RULE, REASON, PARTITION, RAW), pl.String())
    frames = [pl.DataFrame(schema={**table.columns, ROW: pl.Int64(), **texts, "_step": pl.Int64()})]
    for i, (version, step) in enumerate(zip(plan.files, plan.steps, strict=True)):
        wanted = pl.scan_parquet(blobs.path(screenings[version.file_id].digest))  # verified by _drop_damaged
        homeless = pl.col(PARTITION) == ""
        if step.path not in several:
            mine = pl.col(PARTITION) == plan.partition
            wanted = wanted.filter(mine | homeless if plan.partition == first else mine)
        home = pl.when(homeless).then(pl.lit(first)).otherwise(PARTITION).alias(PARTITION)
        frames.append(wanted.with_columns(home, pl.lit(i, pl.Int64).alias("_step")).collect())
    return pl.concat(frames, rechunk=True)


def _row_versions(table: Table, offers: pl.DataFrame, plan: Plan, resolved: Resolved) -> pl.DataFrame:
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


def _spans(rows: pl.DataFrame, table: Table) -> Spans:
    """The spans of the rows (`state.spans`). A row without a moment of a kind does not count for it."""
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


def _conflicts(lake: Lake, table: Table, offers: pl.DataFrame, plan: Plan, resolved: Resolved) -> pl.DataFrame:
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


def _quarantine(table: Table, refused: pl.DataFrame, conflicts: pl.DataFrame, plan: Plan) -> pl.DataFrame:
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
