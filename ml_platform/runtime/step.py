"""The Step protocol: one class holds everything that planner, orchestration and views need of a step."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import polars as pl

from ml_platform.lake import file_hashes
from ml_platform.lake.data_files import TablePartition
from ml_platform.lake.recipes import Recipe
from ml_platform.lake.transaction import Author
from ml_platform.runtime.workspace import Outcome, Workspace, already_made
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state.alerts import Kind
from ml_platform.state.results import Result

Job = Literal["data", "train"]
Asset = tuple[str, str]  # layer, name: as Dagster's asset key
Column = tuple[Asset, str]


@dataclass(frozen=True)
class TableColumns:
    """The columns of the table that a step fills.

    types:     column → polars type, in order.
    meaning:   column → what it holds.
    required:  columns without nulls. unique: the key, if it is one column.
    made_of:   column → the columns of other assets that it is made of.
    """

    types: Mapping[str, pl.DataType]
    meaning: Mapping[str, str]
    required: Iterable[str] = ()
    unique: Iterable[str] = ()
    made_of: Mapping[str, Sequence[Column]] = field(default_factory=dict)


class Step(ABC):
    """One asset of a pipeline: its inputs, content key, work and description (S31).

    name:         of the asset; `job`: which job runs it.
    result:       the kind of typed result that `make` returns.
    kinds:        the libraries that it always uses.
    summary:      one sentence. `explanation`, `changes_with` and `advice` complete the asset's description.
    freezes:      whether its output is kept once the partition is settled (S6).
    stands_until: the step whose newer record makes this one stale in a settled partition, too; empty: none.
    alerts:       the kind of alert that its failed checks raise.
    is_served:    whether a service answers with its output: its page links there.
    """

    name: ClassVar[str]
    job: ClassVar[Job]
    result: ClassVar[type[Result]]
    kinds: ClassVar[tuple[str, ...]] = ()
    summary: ClassVar[str]
    explanation: ClassVar[str]
    changes_with: ClassVar[str]
    advice: ClassVar[str]
    freezes: ClassVar[bool] = True
    stands_until: ClassVar[str] = ""
    alerts: ClassVar[Kind] = "check"
    is_served: ClassVar[bool] = False

    @abstractmethod
    def upstream(self, pipeline: ModelPipeline) -> tuple[Asset, ...]:
        """The upstream assets."""

    def badges(self, pipeline: ModelPipeline) -> tuple[str, ...]:
        """The libraries that Dagster shows as badges."""
        return self.kinds

    @abstractmethod
    def key(self, ws: Workspace, pipeline: ModelPipeline, partition: str) -> Recipe:
        """The current content key and its reads, from the operational state alone.

        Raises OrderError when an upstream asset was never made.
        """

    @abstractmethod
    def make(self, ws: Workspace, pipeline: ModelPipeline, partition: str, author: Author) -> Outcome:
        """Do the work, write the output and record it."""

    def stale_with(self, pipeline: ModelPipeline) -> tuple[Asset, ...]:
        """The assets whose change makes it stale: its upstream assets and those it reads indirectly."""
        return self.upstream(pipeline)

    def table(self, pipeline: ModelPipeline) -> str | None:
        """The lake table that it fills, `schema.name`."""
        return None

    def columns(self, pipeline: ModelPipeline) -> TableColumns | None:
        """The columns of that table, for people."""
        return None

    def checks(self, pipeline: ModelPipeline) -> tuple[tuple[str, str], ...]:
        """(name, description) of every check of its outcome."""
        return ()

    def asset(self, pipeline: ModelPipeline) -> str:
        """Its name in the ledger."""
        return f"{pipeline.name}/{self.name}"

    def run(self, ws: Workspace, pipeline: ModelPipeline, partition: str, run_id: str) -> Outcome:
        """Do the work, or return the recorded outcome when its content key is already there."""
        with ws.reading():
            recipe = self.key(ws, pipeline, partition)
            author = Author(self.asset(pipeline), partition, recipe.content_key, run_id, recipe.reads)
            hit = already_made(ws, author, self.table(pipeline))
        if hit is not None:
            return hit
        read = {TablePartition(*_table_of(one.asset), one.partition) for one in recipe.reads}
        # Versions of a row may lie in any partition of a validated table, and what is trained on is looked at as a
        # whole. Of the pipeline's own tables the steps of the data job read these partitions, and no others.
        whole = {(one.schema, one.table) for one in read if self.job == "train" or one.schema != pipeline.name}
        file_hashes.check(ws.lake, whole, read)
        return replace(self.make(ws, pipeline, partition, author), content_key=author.content_key)


def _table_of(asset: str) -> tuple[str, str]:
    """Schema and name of the lake table that an asset of the ledger fills, if it fills one."""
    schema, _, name = asset.partition("/")
    return schema, name


def own(pipeline: ModelPipeline, *steps: str) -> tuple[Asset, ...]:
    """Assets of the pipeline's own steps."""
    return tuple((pipeline.name, step) for step in steps)
