"""Which assets of a pipeline's tables would change: raw, validated and quarantine."""

from ml_platform.lake import data_files
from ml_platform.runtime.workspace import Workspace, intact
from ml_platform.sources.rereading import can_reread
from ml_platform.sources.scan import pending, refused
from ml_platform.spec.partitions import WHOLE
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.tables import Table
from ml_platform.state import checks, ledger
from ml_platform.state import files as file_records
from ml_platform.validation import validated
from ml_platform.validation.file_plans import is_screened

Assets = list[list[str]]  # keys: layer, table


def lost_needs(ws: Workspace, pipeline: ModelPipeline) -> list[tuple[str, Assets]]:
    """The lost partitions of tables that `clean` of others needs: without them no file can be screened."""
    needs = {need for table in pipeline.tables for need in table.needs}
    needed = {name for name in needs if ws.slices.get(name) is not None}  # others come with the ingestion
    unusable = data_files.unusable(ws.lake)
    lost = sorted((str(one.partition), one.table) for one in unusable if one.schema == "validated")
    return [(partition, layers(pipeline.table(name))) for partition, name in lost if name in needed]


def stale_ingestion(ws: Workspace, pipeline: ModelPipeline) -> Assets:
    """The assets of tables with new files, with fewer refused ones, or not yet screened as currently declared.

    Unpartitioned tables that `clean` of others needs are included, so that they are validated first.
    """
    stale: Assets = []
    for table in pipeline.tables:
        look = pending(ws.state, table)
        waits = not look.nothing or can_reread(ws, table)
        if waits or _refused_before(ws, table) > len(refused(ws.state, table, look)):
            stale.append(["raw", table.name])
        unknown = not is_screened(ws.state, table, ws.slices.get(table.name))
        if (
            stale[-1:] == [["raw", table.name]]
            or unknown
            or (ws.slices.get(table.name) is None and _is_stale(ws, table, WHOLE))
        ):
            stale += layers(table)
    needed = {need for table in pipeline.tables for need in table.needs}
    if any(key == ["validated", name] for key in stale for name in needed):
        needing = [table for table in pipeline.tables if table.needs]
        stale += [key for table in needing for key in layers(table) if key not in stale]
    return stale if stale and _has_data(ws, pipeline, stale) else []


def stale_tables(ws: Workspace, pipeline: ModelPipeline, partition: str) -> Assets:
    """The assets of tables of which this partition, or the whole where there are none, is to be validated."""
    stale: Assets = []
    for table in pipeline.tables:
        if _is_stale(ws, table, WHOLE if ws.slices.get(table.name) is None else partition):
            stale += layers(table)
    return stale


def layers(table: Table) -> Assets:
    """The assets that one validation makes."""
    return [["validated", table.name], ["quarantine", table.name]]


def _refused_before(ws: Workspace, table: Table) -> float:
    """How many refused files a failed check counts at most. Where fewer are there now, it is run again."""
    failed = [row for row in checks.failed(ws.state) if (row.table_name, row.name) == (table.name, "schema")]
    return max((row.value or 0 for row in failed), default=0)


def _has_data(ws: Workspace, pipeline: ModelPipeline, stale: Assets) -> bool:
    """Whether a table has new files or ingested ones. An empty landing folder is no failed contract."""
    return any(key[0] == "raw" for key in stale) or any(
        file_records.standing(ws.state, table.name) for table in pipeline.tables
    )


def _is_stale(ws: Workspace, table: Table, partition: str) -> bool:
    last = ledger.latest_of(ws.state, f"validated/{table.name}", partition)
    key = validated.validated_key(ws.state, table, ws.slices.get(table.name), partition)
    if last is None or key is None or last.content_key != key:
        return True
    if (table.name, partition) in checks.unfinished(ws.state):  # killed between the rows and their checks
        return True
    return not all(intact(ws, last, f"{layer}.{table.name}") for layer in ("validated", "quarantine"))
