"""Validated tables: every version of every valid row, and the quarantine beside them, one partition at a time."""

from collections import Counter
from dataclasses import dataclass, field, replace

from ml_platform.lake.blobs import Blobs
from ml_platform.lake.data_files import whole
from ml_platform.lake.staging import discarded_on_error
from ml_platform.lake.transaction import Author, write
from ml_platform.quality.profile import profile, write_profile
from ml_platform.sources import chunks
from ml_platform.sources.scan import Refusal
from ml_platform.spec.partitions import Partitions
from ml_platform.spec.tables import Table
from ml_platform.state import checks, ledger, spans
from ml_platform.state.results import ValidatedResult
from ml_platform.state.stores import Stores, after
from ml_platform.validation.file_plans import Plan, plans, recipe_of, touched, validated_key, validated_keys
from ml_platform.validation.offers import Offered
from ml_platform.validation.partition_parts import versions_in_parts
from ml_platform.validation.partition_rows import PartitionRows, versions_at_once
from ml_platform.validation.screenings import Screenings, keys_of, needs_reads, screen_files, screening_key

__all__ = ["ValidatedReport", "build_validated", "screening_key", "touched", "validated_key", "validated_keys"]


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
    offered = Offered.of(stores.blobs, table, partitions, plan, state.by_file)
    make = versions_in_parts if offered.rows > chunks.ROWS else versions_at_once
    partition_rows = make(stores.lake, table, plan, offered)
    with discarded_on_error(partition_rows.rows):
        result = _store(stores, table, plan, state, author, partition_rows)
    return ValidatedReport(table.name, plan.partition, author.content_key, result, refused=state.refused)


def _store(
    stores: Stores, table: Table, plan: Plan, state: Screenings, author: Author, partition_rows: PartitionRows
) -> ValidatedResult:
    """Commit the rows of a partition, its quarantine and its profile, then put them on record (S43)."""
    screenings = state.by_file
    final = [i for i, stands in enumerate(plan.final) if stands]
    counted = [screenings[plan.files[i].file_id].partitions.get(plan.partition) for i in final]
    in_files = [c for c in counted if c is not None]
    result = ValidatedResult(
        rows=partition_rows.current,
        versions=partition_rows.versions,
        quarantined=partition_rows.quarantine.height,
        by_rule=dict(Counter(partition_rows.quarantine["rule"].to_list()).most_common()),
        duplicates=partition_rows.duplicates + sum(c.duplicates for c in in_files),
        dropped=sum(c.dropped for c in in_files),
        overruled=partition_rows.overruled,
        files=tuple(
            sorted(plan.files[i].path for i in final if plan.partition in screenings[plan.files[i].file_id].partitions)
        ),
    )
    profiled = profile(partition_rows.columns(), table.name, plan.partition, author.content_key, table.event_time)
    with write(stores.lake, author) as tx:
        for number, rows in enumerate(partition_rows.rows):
            put = tx.append if number else tx.replace
            put("validated", table.name, rows, partition=plan.partition, evolve=True)
        tx.replace("quarantine", table.name, partition_rows.quarantine, partition=plan.partition, evolve=True)
        write_profile(tx, table.name, plan.partition, profiled)
        after(
            tx,
            stores.state,
            lambda: spans.record(
                stores.state,
                ledger.record(stores.state, author, rows=partition_rows.current, result=result).id,
                partition_rows.spans,
            ),
            lambda: checks.expect(stores.state, table.name, plan.partition),
        )
    return result
