"""Plans runs: compares content keys to find stale assets (S32). Settled partitions are kept (S6)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import get_args

from ml_platform.errors import OrderError
from ml_platform.runtime.stale_tables import Assets, lost_needs, stale_ingestion, stale_tables
from ml_platform.runtime.staleness import Staleness
from ml_platform.runtime.standing import Standing, code_stamps, is_current, may_stand, settled_plan, standing
from ml_platform.runtime.step import Job, Step
from ml_platform.runtime.workspace import Workspace
from ml_platform.sources.scan import Pending, pending
from ml_platform.spec.examples import Label
from ml_platform.spec.partitions import WHOLE
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import settled_plans
from ml_platform.state.settled_plans import SettledPlan
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
        self._staleness = Staleness(ws, pipeline, steps, recompute=recompute)
        code_stamps()

    def work(self, through: str | None = None, only: str | None = None) -> Iterator[Work]:
        """Yield the runs to launch. Each is planned after the previous one finished.

        `through` is the last partition, `only` a single one. Raises NotFoundError for a partition
        that the pipeline does not have, and OrderError for one that is not complete yet.
        """
        keys = self.pipeline.partition_keys(through or only)
        if not keys:
            return  # no partition has ended yet
        first, partitions, history = keys[0], list[str](), dict[str, Assets]()
        begin: int | None = None
        with self.ws.reading():  # one look where neither a lost table nor a file comes before the partitions
            needed = lost_needs(self.ws, self.pipeline)
            stale = [] if needed else stale_ingestion(self.ws, self.pipeline)
            if not needed and not stale:
                partitions, begin, history = self.first_look(through, only)
        for partition, lost in needed:
            yield Work("data", partition, 0, 1, lost)
        if needed:
            with self.ws.reading():
                stale = stale_ingestion(self.ws, self.pipeline)
        if stale:
            yield Work("data", first, 0, 1, stale)
        if needed or stale:
            with self.ws.reading():
                partitions, begin, history = self.first_look(through, only)
        for partition, stale in history.items():
            yield Work("data", partition, 0, 1, stale)
        jobs: tuple[Job, ...] = ("data", "train") if self.pipeline.partitions else ("data", "train", "data")
        while begin is not None:
            partition = partitions[begin]
            for job in jobs:  # without partitions the new champion scores what waits
                with self.ws.reading():
                    stale = self.stale_assets(job, partition)
                if stale:
                    yield Work(job, partition, begin, len(partitions), stale)
            with self.ws.reading():  # what was made now may make any later partition stale
                begin = self.first_stale(partitions, begin + 1)
        if only is None and isinstance(self.pipeline.examples.label, Label):
            yield from self._answered(partitions)

    def first_look(self, through: str | None, only: str | None) -> tuple[list[str], int | None, dict[str, Assets]]:
        """The partitions that are wanted, the position of the first stale one, and what `only` needs before."""
        partitions = self._wanted(through, only)
        begin = self.first_stale(partitions, 0)
        return partitions, begin, self._history(only) if only and begin is not None else {}

    def _answered(self, partitions: list[str]) -> Iterator[Work]:
        """Runs for earlier partitions that became stale because later ones brought their labels."""
        with self.ws.reading():
            stand = self._standing().partitions
            answered = [p for p in partitions if p not in stand and self.stale_assets("data", p)]
        for partition in answered:
            with self.ws.reading():
                stale = self.stale_assets("data", partition)
            if stale:
                yield Work("data", partition, partitions.index(partition), len(partitions), stale)

    def remaining(self, job: Job, partition: str) -> list[list[str]]:
        """The assets that a job is to make for a complete partition, and tables whose source cannot be read now."""
        with self.ws.reading():
            stale = self.stale_assets(job, partition) if partition in self.complete() else []
            if job == "data":
                stale += stale_ingestion(self.ws, self.pipeline)
                stale += [["raw", one.table] for one in self.pending() if one.unavailable]
            return stale

    def outdated(self) -> list[str]:
        """The settled partitions whose results would differ if computed now."""
        with self.ws.reading():
            return self._outdated(self.complete(), self._standing())

    def keep_settled(self) -> None:
        """Keep what a plan of everything finds settled, so that later plans look at what changed since."""
        plan = None if self._is_kept() else self._settled_plan()
        if plan is not None and plan != settled_plans.last(self.ws.state, plan.pipeline):
            settled_plans.keep(self.ws.state, plan)

    def _is_kept(self) -> bool:
        """Whether the plan that was kept is of this moment of the state, so that there is nothing to add to it."""
        with self.ws.reading():
            complete = self.complete() if self.pipeline.partitions else []
            return bool(complete) and is_current(self.ws, self.pipeline, self.steps, complete[-1])

    def _settled_plan(self) -> SettledPlan | None:
        """None without partitions, and before the first of them is complete."""
        if self.pipeline.partitions is None:
            return None
        with self.ws.reading():
            partitions = self.complete()
            if not partitions:
                return None
            stands = self._standing()
            others, outdated = set[str](), set(stands.outdated)
            for partition in partitions:
                if partition in stands.partitions:
                    continue
                stale, leaves = self._stale_and_left(partition)
                if stale or not may_stand(self.ws, self.pipeline, self.steps, partition):
                    others.add(partition)
                if leaves:
                    outdated.add(partition)
            return settled_plan(self.ws, self.pipeline, self.steps, partitions[-1], others, outdated)

    def unlearnt(self) -> bool:
        """Whether the newest partition is settled and would train a different model now."""
        with self.ws.reading():
            return any(self._leaves("train", newest) for newest in self.complete()[-1:])

    def _outdated(self, partitions: list[str], stands: Standing) -> list[str]:
        return [
            p for p in partitions if (p in stands.outdated if p in stands.partitions else self._stale_and_left(p)[1])
        ]

    def _standing(self) -> Standing:
        """What needs no work for sure, by the last plan that was kept."""
        return Standing() if self._recompute else standing(self.ws, self.pipeline, self.steps)

    def first_stale(self, partitions: list[str], begin: int) -> int | None:
        """The position of the first stale partition from `begin` on; None where there is none."""
        stand = self._standing().partitions if begin < len(partitions) else frozenset()
        rest = range(begin, len(partitions))
        return next((i for i in rest if partitions[i] not in stand and self._stale(partitions[i])), None)

    def _stale_and_left(self, partition: str) -> tuple[bool, bool]:
        """Whether a partition needs work, and whether settled results of it would be made otherwise now."""
        plans = (self._staleness.plan(job, partition, with_outdated=True) for job in get_args(Job))
        stale, outdated = zip(*plans, strict=True)
        return any(stale), any(outdated)

    def _leaves(self, job: Job, partition: str) -> bool:
        return bool(self._staleness.plan(job, partition, with_outdated=True)[1])

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

    def pending_of(self, table: str) -> Pending:
        """What the source of one table has that is not ingested; inside `reading()` asked once."""
        return self.ws.state.once(f"pending {table}", lambda: pending(self.ws.state, self.pipeline.table(table)))

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

    def _history(self, only: str) -> dict[str, Assets]:
        """Stale tables of earlier partitions, which the features of a single partition may read."""
        stale_by_partition = {
            p: stale_tables(self.ws, self.pipeline, p) for p in self.pipeline.partition_keys_upto(only)[:-1]
        }
        return {partition: stale for partition, stale in stale_by_partition.items() if stale}

    def stale_assets(self, job: Job, partition: str) -> Assets:
        """The assets of a job that would change, and their downstream assets in the job."""
        return self._staleness.plan(job, partition)[0]

    def _stale(self, partition: str) -> bool:
        return bool(self.stale_assets("data", partition) or self.stale_assets("train", partition))
