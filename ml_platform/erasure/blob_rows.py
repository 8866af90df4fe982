"""Rows of an entity out of stored blobs: screened files, training sets, what experiments keep, and levels in bundles.

A blob's name stays what records and content keys call it; a note beside it says what stands there now.
"""

import json
import zipfile
from collections import Counter
from collections.abc import Collection, Mapping
from datetime import timedelta
from pathlib import Path

import polars as pl
from sqlalchemy import select, update

from ml_platform.erasure.plan import Plan
from ml_platform.erasure.texts import Markers
from ml_platform.lake import leftovers
from ml_platform.lake.blobs import stored
from ml_platform.models.archive import archived
from ml_platform.runtime.retention import referenced, shown
from ml_platform.runtime.workspace import Workspace
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import erasures
from ml_platform.state.experiment_tables import experiment_outputs, experiments
from ml_platform.state.schema import records, screenings, versions
from ml_platform.validation.judging import PARTITION, RULE_HOLDS

_ROW_GROUP = 100_000  # rows
_LEVELS = "levels.json"


def rewrite_screenings(ws: Workspace, table: str, plan: Plan) -> int:
    """Take the rows out of the screened files of a table; how many. Their partitions and keys stay."""
    gone = 0
    chosen = select(screenings).where(screenings.c.table_name == table, screenings.c.digest != "")
    for row in ws.state.rows(chosen):
        numbers = plan.rows.get(table, {}).get(row.file_id)
        if not numbers or not (path := ws.blobs.path(row.digest)).exists():
            continue
        frame = pl.read_parquet(path)
        left = frame.filter(~pl.col("_row").is_in(numbers))
        if left.height == frame.height:
            continue
        digest = _put(ws, left)
        counts = json.loads(row.partitions)
        valid = Counter(left.filter(RULE_HOLDS)[PARTITION].to_list())
        refused = Counter(left.filter(~RULE_HOLDS)[PARTITION].to_list())
        by_partition = {name: [valid[name], refused[name], *values[2:]] for name, values in counts.items()}
        with ws.state.writing() as connection:
            values = {"digest": digest, "rows": valid.total(), "refused": refused.total()}
            same = update(screenings).where(screenings.c.id == row.id)
            connection.execute(same.values(**values, partitions=json.dumps(by_partition, sort_keys=True)))
        gone += frame.height - left.height
    return gone


def _put(ws: Workspace, frame: pl.DataFrame) -> str:
    with ws.blobs.writing() as path:
        frame.write_parquet(path, row_group_size=_ROW_GROUP)
        return ws.blobs.put_file(path)


def training_sets(ws: Workspace, pipeline: str) -> dict[str, list[str]]:
    """Digest of each training set of a pipeline → the versions that learnt from it, such as `churn@3`."""
    learnt: dict[str, list[str]] = {}
    for digest, number in ws.state.rows(
        select(versions.c.training_set, versions.c.version).where(versions.c.pipeline == pipeline)
    ):
        learnt.setdefault(digest, []).append(f"{pipeline}@{number}")
    made = select(records.c.output).where(records.c.asset == f"{pipeline}/training_set", records.c.output != "")
    tried = select(experiments.c.training_set).where(
        experiments.c.pipeline == pipeline, experiments.c.training_set != ""
    )
    for chosen in (made, tried):
        for (digest,) in ws.state.rows(chosen):
            learnt.setdefault(digest, [])
    return learnt


def holding_examples(
    ws: Workspace, digests: Collection[str], examples: pl.DataFrame, keys: Collection[str]
) -> set[str]:
    """Those of the Parquet blobs that have, or had before they were rewritten for it, rows of these examples."""
    return {digest for digest in digests if _rows_in(ws.blobs.path(digest), examples, keys)}


def _is_parquet(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(4) == b"PAR1"
    except FileNotFoundError:
        return False


def _rows_in(path: Path, examples: pl.DataFrame, keys: Collection[str]) -> int:
    if not _is_parquet(path):
        return 0
    scan = pl.scan_parquet(path)
    if not set(keys) <= set(scan.collect_schema().names()):
        return 0
    mine = scan.join(examples.lazy().select(keys).unique(), on=list(keys), how="semi")
    return int(mine.select(pl.len()).collect().item())


def rewrite_sets(ws: Workspace, pipeline: ModelPipeline, examples: pl.DataFrame, at: str) -> int:
    """Take the examples out of the pipeline's training sets and what experiments keep of it; how many rows."""
    keys, gone = list(pipeline.examples.keys), 0
    outputs = select(experiment_outputs.c.digest).where(experiment_outputs.c.digest != "")  # a backtest's have no blob
    kept = {digest for (digest,) in ws.state.rows(outputs)}
    for digest in sorted({*training_sets(ws, pipeline.name), *kept}):
        path = ws.blobs.path(digest)
        rows = _rows_in(path, examples, keys)
        if not rows:
            continue
        with ws.blobs.writing() as file:
            left = pl.scan_parquet(path).join(
                examples.lazy().select(keys).unique(), on=keys, how="anti", maintain_order="left"
            )
            left.sink_parquet(file, row_group_size=_ROW_GROUP)
            _rewrite(ws, digest, file, at)
        gone += rows
    return gone


def _rewrite(ws: Workspace, digest: str, file: Path, at: str) -> None:
    # What stood for it before may stand for another one, too: it goes with what nothing refers to (`remove_shown`).
    present = ws.blobs.rewrite(digest, file, at)
    erasures.note_rewritten(ws.state, "blob", "", digest, present, ())


def rewrite_bundles(ws: Workspace, markers: Markers, at: str) -> int:
    """Take the entity's values out of the levels of categories that bundles name; how many. The models stay."""
    changed = 0
    for (digest,) in ws.state.rows(select(versions.c.bundle).distinct()):
        path = ws.blobs.path(digest)
        if not path.exists():
            continue
        with zipfile.ZipFile(path) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        levels: Mapping[str, list[str]] = json.loads(parts.get(_LEVELS, b"{}"))
        new = {name: _without(of_column, markers) for name, of_column in levels.items()}
        if new == levels:
            continue
        parts[_LEVELS] = json.dumps(new, sort_keys=True, indent=1, ensure_ascii=False).encode()
        with ws.blobs.writing() as file:
            file.write_bytes(archived(parts))
            _rewrite(ws, digest, file, at)
        changed += sum(old != now for name in levels for old, now in zip(levels[name], new[name], strict=True))
    return changed


def _without(levels: list[str], markers: Markers) -> list[str]:
    """The levels, in their order, which is their code; those of the entity are names that no value has."""
    return [
        f"(forgotten level {number})" if isinstance(level, str) and markers.are_in(level) else level
        for number, level in enumerate(levels)
    ]


def remove_shown(ws: Workspace, markers: Markers) -> int:
    """Remove plots and texts in which the entity stands, and every blob that nothing refers to; how many went."""
    needed, shown_to_people = referenced(ws.state), shown(ws.state)
    removed = leftovers.remove_blobs(ws.lake, ws.blobs.folder, needed, timedelta(0))
    for path in list(stored(ws.blobs.folder)):
        if path.name in shown_to_people and markers.are_in_bytes(path.read_bytes()):
            path.unlink(missing_ok=True)
            removed += 1
    return removed
