"""What is stale: content keys are compared before anything is launched (S32)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ml_platform.errors import NotFoundError, OrderError
from ml_platform.ingestion import raw, validated
from ml_platform.lake import files, ledger
from ml_platform.spec.partitions import WHOLE
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.tables import Table
from ml_platform.steps.pipeline_steps import steps_of
from ml_platform.steps.workspace import Workspace

Job = Literal["data", "train"]


@dataclass(frozen=True)
class Work:
    """One Dagster run to launch: a job for a partition, number `place` of `of`; `only` some asset keys of it."""

    job: Job
    partition: str
    place: int
    of: int
    only: list[list[str]] | None = None


class Planner:
    """Finds what has to run for a pipeline. It only reads; what it yields is run by the caller in between."""

    def __init__(self, ws: Workspace, pipeline: ModelPipeline) -> None:
        self.ws = ws
        self.pipeline = pipeline
        self._steps = steps_of(pipeline)

    def work(self, through: str | None = None, only: str | None = None) -> Iterator[Work]:
        """The runs to launch, one by one, each found after the one before was run.

        `through` is the last partition, `only` the single one. Raises NotFoundError for a partition
        that the pipeline does not have, and OrderError for one that is not complete yet.
        """
        self.pipeline.partition_keys(through or only)
        if self._ingestion_is_stale():
            yield Work("data", self.pipeline.partition_keys()[0], 0, 1, self._ingestion_assets())
        partitions = self._wanted(through, only)
        for place, partition in enumerate(partitions):
            if self._stale("data", partition):
                yield Work("data", partition, place, len(partitions))
            if self._stale("train", partition):
                yield Work("train", partition, place, len(partitions))
            if self.pipeline.partitions is None and self._stale("data", partition):
                yield Work("data", partition, place, len(partitions))  # the new champion scores what waits

    def complete(self) -> list[str]:
        """The partitions whose data are complete, in order (S20).

        One is complete once a row of the examples' table lies after it. A pipeline without
        partitions is complete once it has a file.
        """
        table = self.pipeline.table(self.pipeline.examples.table)
        keys = validated.validated_keys(self.ws.lake, table, self.ws.slices.get(table.name)) or {}
        if self.pipeline.partitions is None:
            return [WHOLE] if keys else []
        last = max(keys, default="")
        return [partition for partition in self.pipeline.partition_keys() if partition < last]

    def problems(self) -> list[str]:
        """What a person should know: files that are refused, each with place and remedy."""
        found = []
        for table in self.pipeline.tables:
            found += [refusal.error for refusal in raw.pending(self.ws.lake, table).refused]
        return found

    def _wanted(self, through: str | None, only: str | None) -> list[str]:
        complete = self.complete()
        if only is None:
            return [partition for partition in complete if through is None or partition <= through]
        if only not in complete:
            raise OrderError(f"{self.pipeline.name} has no complete data for {only}.",
                             remedy=f"Complete: {complete[0]} to {complete[-1]}." if complete else "Land files first.")  # fmt: skip
        return [only]

    def _ingestion_is_stale(self) -> bool:
        """Whether files wait, or some were never screened under today's contract and clean."""
        for table in self.pipeline.tables:
            look = raw.pending(self.ws.lake, table)
            if not look.nothing or self._validated_keys(table) is None:
                return True
        return any(self._table_is_stale(table, WHOLE) for table in self.pipeline.tables if self._whole(table))

    def _ingestion_assets(self) -> list[list[str]]:
        layers = ("raw", "validated", "quarantine")
        return [[layer, table.name] for table in self.pipeline.tables for layer in layers]

    def _validated_keys(self, table: Table) -> dict[str, str] | None:
        return validated.validated_keys(self.ws.lake, table, self.ws.slices.get(table.name))

    def _whole(self, table: Table) -> bool:
        return self.ws.slices.get(table.name) is None

    def _stale(self, job: Job, partition: str) -> bool:
        if job == "data" and any(
            self._table_is_stale(table, WHOLE if self._whole(table) else partition) for table in self.pipeline.tables
        ):
            return True
        made, lost = ledger.latest(self.ws.lake), files.unusable(self.ws.lake)
        for step in self._steps:
            if step.job != job:
                continue
            last = made.get((f"{self.pipeline.name}/{step.name}", partition))
            try:
                if last is None or last.content_key != step.key(self.ws, self.pipeline, partition):
                    return True
            except (OrderError, NotFoundError):
                return True  # something before it was never made
            if last.output and not self.ws.blobs.whole(last.output):
                return True
            if step.table and files.Slice(*step.table.split("."), partition) in lost:
                return True
        return False

    def _table_is_stale(self, table: Table, partition: str) -> bool:
        last = ledger.latest(self.ws.lake, f"validated/{table.name}").get((f"validated/{table.name}", partition))
        key = validated.validated_key(self.ws.lake, table, self.ws.slices.get(table.name), partition)
        return last is None or key is None or last.content_key != key
