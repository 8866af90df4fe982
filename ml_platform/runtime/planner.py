"""Plans runs: compares content keys to find stale assets (S32). Settled partitions are kept (S6)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ml_platform.errors import NotFoundError, OrderError
from ml_platform.lake import data_files
from ml_platform.runtime.settled import lacked_examples, settled_steps
from ml_platform.runtime.step import Job, Step
from ml_platform.runtime.workspace import Workspace, intact
from ml_platform.sources.rereading import can_reread
from ml_platform.sources.scan import Pending, pending, refused
from ml_platform.spec.examples import Label
from ml_platform.spec.partitions import WHOLE
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.tables import Table
from ml_platform.state import checks, decisions, ledger
from ml_platform.state import files as file_records
from ml_platform.validation import completeness, validated


@dataclass(frozen=True)
class Work:
    """One run to launch: a job for a partition, number `index` (from 0) of `total`; `only`: some asset keys of it."""

    job: Job
    partition: str
    index: int
    total: int
    only: list[list[str]] | None = None

    @property
    def title(self) -> str:
        """What people see of it while it runs.

        >>> Work("data", "2013-01", 0, 1, [["raw", "flights"], ["validated", "flights"]]).title
        'ingest flights'
        >>> Work("data", "2013-01", 0, 6, [["validated", "flights"], ["flight_delay", "features"]]).title
        'data 2013-01'
        """
        layers = {layer for layer, _ in self.only or []}
        if not layers or not layers <= {"raw", "validated", "quarantine"}:
            return f"{self.job} {self.partition}"
        tables = ", ".join(dict.fromkeys(table for _, table in self.only or []))
        return f"ingest {tables}" if "raw" in layers else f"validate {tables} {self.partition}"


class Planner:
    """Finds the runs that a pipeline needs. It only reads; the caller executes each run before asking for the next.

    Predictions, decisions and models of settled partitions are kept unless `recompute` is set.
    """

    def __init__(
        self, ws: Workspace, pipeline: ModelPipeline, steps: Sequence[Step], *, recompute: bool = False
    ) -> None:
        self.ws = ws
        self.pipeline = pipeline
        self.steps = steps
        self._recompute = recompute

    def work(self, through: str | None = None, only: str | None = None) -> Iterator[Work]:
        """Yield the runs to launch. Each is planned after the previous one finished.

        `through` is the last partition, `only` a single one. Raises NotFoundError for a partition
        that the pipeline does not have, and OrderError for one that is not complete yet.
        """
        keys = self.pipeline.partition_keys(through or only)
        if not keys:
            return  # no partition has ended yet
        first = keys[0]
        with self.ws.reading():
            needed = self._lost_needs()
        for partition, stale in needed:
            yield Work("data", partition, 0, 1, stale)
        with self.ws.reading():
            stale = self._stale_ingestion()
        if stale:
            yield Work("data", first, 0, 1, stale)
        with self.ws.reading():
            partitions = self._wanted(through, only)
            untouched = [p for p in partitions if not self._stale(p)]
            history = self._history(only) if only and not untouched else {}
        for partition, stale in history.items():
            yield Work("data", partition, 0, 1, stale)
        jobs: tuple[Job, ...] = ("data", "train") if self.pipeline.partitions else ("data", "train", "data")
        for index, partition in enumerate(partitions):
            if partition in untouched:
                continue
            untouched = []  # what is made now may make any later partition stale
            for job in jobs:  # without partitions the new champion scores what waits
                with self.ws.reading():
                    stale = self._stale_assets(job, partition)
                if stale:
                    yield Work(job, partition, index, len(partitions), stale)
        if only is None and isinstance(self.pipeline.examples.label, Label):
            yield from self._answered(partitions)

    def _answered(self, partitions: list[str]) -> Iterator[Work]:
        """Runs for earlier partitions that became stale because later ones brought their labels."""
        with self.ws.reading():
            answered = [p for p in partitions if self._stale_assets("data", p)]
        for partition in answered:
            with self.ws.reading():
                stale = self._stale_assets("data", partition)
            if stale:
                yield Work("data", partition, partitions.index(partition), len(partitions), stale)

    def remaining(self, job: Job, partition: str) -> list[list[str]]:
        """The assets that a job is to make for a complete partition, and tables whose source cannot be read now."""
        with self.ws.reading():
            stale = self._stale_assets(job, partition) if partition in self.complete() else []
            if job == "data":
                stale += [*self._stale_ingestion(), *(["raw", one.table] for one in self.pending() if one.unavailable)]
            return stale

    def outdated(self) -> list[str]:
        """The settled partitions whose results would differ if computed now."""
        with self.ws.reading():
            return [p for p in self.complete() if self._leaves("data", p) or self._leaves("train", p)]

    def unlearnt(self) -> bool:
        """Whether the newest partition is settled and would train a different model now."""
        with self.ws.reading():
            return any(self._leaves("train", newest) for newest in self.complete()[-1:])

    def _leaves(self, job: Job, partition: str) -> bool:
        return bool(self._plan(job, partition, with_outdated=True)[1])

    def complete(self) -> list[str]:
        """The partitions with complete data, in order, by the rules of the tables (S20).

        A pipeline without partitions is complete once it has a file.
        """
        if self.pipeline.partitions is not None:
            return completeness.complete(self.ws, self.pipeline, self.ws.slices)
        table = self.pipeline.table(self.pipeline.examples.table)
        return [WHOLE] if validated.validated_keys(self.ws.state, table, self.ws.slices.get(table.name)) else []

    def awaited(self) -> list[str]:
        """What the next ended partition waits for, one sentence each."""
        if self.pipeline.partitions is None:
            return []
        with self.ws.reading():
            awaited = completeness.awaited(self.ws, self.pipeline, self.ws.slices)
        return list(awaited.needs) if awaited else []

    def pending(self) -> list[Pending]:
        """For each table what its source has that is not ingested. Asks every source."""
        return [pending(self.ws.state, table) for table in self.pipeline.tables]

    def _wanted(self, through: str | None, only: str | None) -> list[str]:
        complete = self.complete()
        if only is None:
            return [partition for partition in complete if through is None or partition <= through]
        if only not in complete:
            span = [f"Complete: {complete[0]} to {complete[-1]}."] if complete else []
            awaited = completeness.awaited(self.ws, self.pipeline, self.ws.slices)
            remedy = " ".join([*span, *(awaited.needs if awaited else ())])
            raise OrderError(f"{self.pipeline.name} has no complete data for {only}.", remedy=remedy)
        return [only]

    def _history(self, only: str) -> dict[str, list[list[str]]]:
        """Stale tables of earlier partitions, which the features of a single partition may read."""
        stale_by_partition = {p: self._stale_tables(p) for p in self.pipeline.partition_keys_upto(only)[:-1]}
        return {partition: stale for partition, stale in stale_by_partition.items() if stale}

    def _lost_needs(self) -> list[tuple[str, list[list[str]]]]:
        """The lost partitions of tables that `clean` of others needs: without them no file can be screened."""
        needs = {need for table in self.pipeline.tables for need in table.needs}
        needed = {name for name in needs if self.ws.slices.get(name) is not None}  # others come with the ingestion
        unusable = data_files.unusable(self.ws.lake)
        lost = sorted((str(one.partition), one.table) for one in unusable if one.schema == "validated")
        return [(partition, _layers(self.pipeline.table(name))) for partition, name in lost if name in needed]

    def _stale_ingestion(self) -> list[list[str]]:
        """The assets of tables with new files, with fewer refused ones, or not yet screened as currently declared.

        Unpartitioned tables that `clean` of others needs are included, so that they are validated first.
        """
        stale: list[list[str]] = []
        for table in self.pipeline.tables:
            look = pending(self.ws.state, table)
            waits = not look.nothing or can_reread(self.ws, table)
            if waits or self._refused_before(table) > len(refused(self.ws.state, table, look)):
                stale.append(["raw", table.name])
            unknown = validated.validated_keys(self.ws.state, table, self.ws.slices.get(table.name)) is None
            if (
                stale[-1:] == [["raw", table.name]]
                or unknown
                or (self.ws.slices.get(table.name) is None and self._table_is_stale(table, WHOLE))
            ):
                stale += _layers(table)
        needed = {need for table in self.pipeline.tables for need in table.needs}
        if any(key == ["validated", name] for key in stale for name in needed):
            needing = [table for table in self.pipeline.tables if table.needs]
            stale += [key for table in needing for key in _layers(table) if key not in stale]
        return stale if stale and self._has_data(stale) else []

    def _refused_before(self, table: Table) -> float:
        """How many refused files a failed check counts at most. Where fewer are there now, it is run again."""
        failed = [row for row in checks.failed(self.ws.state) if (row.table_name, row.name) == (table.name, "schema")]
        return max((row.value or 0 for row in failed), default=0)

    def _has_data(self, stale: list[list[str]]) -> bool:
        """Whether a table has new files or ingested ones. An empty landing folder is no failed contract."""
        return any(key[0] == "raw" for key in stale) or any(
            file_records.standing(self.ws.state, table.name) for table in self.pipeline.tables
        )

    def _stale(self, partition: str) -> bool:
        return bool(self._stale_assets("data", partition) or self._stale_assets("train", partition))

    def _stale_assets(self, job: Job, partition: str) -> list[list[str]]:
        """The assets of a job that would change, and their downstream assets in the job."""
        return self._plan(job, partition)[0]

    def _plan(
        self, job: Job, partition: str, *, with_outdated: bool = False
    ) -> tuple[list[list[str]], list[list[str]]]:
        """The stale assets of a job and, if asked for, the outdated ones that are kept because they are settled."""
        if job == "train" and self._nothing_to_train(partition):
            return [], []
        stale: list[list[str]] = []
        outdated: list[list[str]] = []
        if job == "data":
            stale += self._stale_tables(partition)
        settled = frozenset() if self._recompute else self._settled(partition, stale)
        for step in self.steps:
            if step.job != job:
                continue
            asset = [self.pipeline.name, step.name]
            made_of = [list(upstream) for upstream in step.stale_with(self.pipeline)]
            follows = any(key in stale for key in made_of)
            if step.name not in settled or (step.stands_until and follows):
                if follows or self._step_is_stale(step, partition):
                    stale.append(asset)
            elif self._is_lost(step, partition):
                stale.append(asset)
            elif with_outdated and (
                any(key in [*stale, *outdated] for key in made_of) or self._step_is_stale(step, partition)
            ):
                outdated.append(asset)
        return stale, outdated

    def _settled(self, partition: str, stale: list[list[str]]) -> frozenset[str]:
        """The steps that are settled; none where stale tables may bring the missing examples."""
        come = ["validated", self.pipeline.examples.table] in stale
        if come and lacked_examples(self.ws, self.pipeline, partition):
            return frozenset()
        return settled_steps(self.ws, self.pipeline, self.steps, partition)

    def _nothing_to_train(self, partition: str) -> bool:
        """Whether the decision was skipped and no earlier training of the partition is revoked by it (S21)."""
        first = next(step for step in self.steps if step.job == "train")
        decided = decisions.current(self.ws.state, self.pipeline.name).get(partition)
        return self._record(first, partition) is None and decided is not None and not decided.trains

    def _stale_tables(self, partition: str) -> list[list[str]]:
        stale: list[list[str]] = []
        for table in self.pipeline.tables:
            if self._table_is_stale(table, WHOLE if self.ws.slices.get(table.name) is None else partition):
                stale += _layers(table)
        return stale

    def _step_is_stale(self, step: Step, partition: str) -> bool:
        last = self._record(step, partition)
        if last is None or last.content_key != self._key(step, partition):
            return True
        return not intact(self.ws, last, step.table(self.pipeline))

    def _is_lost(self, step: Step, partition: str) -> bool:
        """Whether the recorded output is damaged or missing and can be recomputed unchanged."""
        last = self._record(step, partition)
        if last is None or intact(self.ws, last, step.table(self.pipeline)):
            return False
        return last.content_key == self._key(step, partition)

    def _record(self, step: Step, partition: str) -> ledger.Record | None:
        return ledger.latest_of(self.ws.state, step.asset(self.pipeline), partition)

    def _key(self, step: Step, partition: str) -> str | None:
        """The current content key; None while an upstream asset was never made."""
        try:
            return step.key(self.ws, self.pipeline, partition).content_key
        except (OrderError, NotFoundError):
            return None

    def _table_is_stale(self, table: Table, partition: str) -> bool:
        last = ledger.latest_of(self.ws.state, f"validated/{table.name}", partition)
        key = validated.validated_key(self.ws.state, table, self.ws.slices.get(table.name), partition)
        if last is None or key is None or last.content_key != key:
            return True
        if (table.name, partition) in checks.unfinished(self.ws.state):  # killed between the rows and their checks
            return True
        return not all(intact(self.ws, last, f"{layer}.{table.name}") for layer in ("validated", "quarantine"))


def _layers(table: Table) -> list[list[str]]:
    return [["validated", table.name], ["quarantine", table.name]]
