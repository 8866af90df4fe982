"""A step is one class: the planner, the ledger and Dagster need nothing else to know it."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import dagster as dg
import polars as pl

from ml_platform.lake.recipes import Recipe, recipe
from ml_platform.lake.transaction import Author, write
from ml_platform.orchestration.assets.pipeline import step_asset
from ml_platform.runtime import reading
from ml_platform.runtime.planner import Planner
from ml_platform.runtime.step import Asset, Step, TableColumns, own
from ml_platform.runtime.workspace import Outcome, Workspace, record_after
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import ledger
from ml_platform.state.results import Result
from ml_platform.steps.all_steps import STEPS
from ml_platform_tests.conftest import OpenWorld

NAME = "trip_delay"


@dataclass(frozen=True)
class CountsResult(Result):
    """How many predictions there are."""

    kind: ClassVar[str] = "counts"
    predictions: int = 0


class CountsStep(Step):
    """How many predictions a partition has."""

    name = "counts"
    job = "data"
    result = CountsResult
    kinds = ("duckdb",)
    summary = "How many predictions the partition has."
    explanation = "One row."
    changes_with = "the predictions"
    advice = "none means that there was no champion."
    freezes = False

    def upstream(self, pipeline: ModelPipeline) -> tuple[Asset, ...]:
        return own(pipeline, "predictions")

    def table(self, pipeline: ModelPipeline) -> str:
        return f"{pipeline.name}.counts"

    def columns(self, pipeline: ModelPipeline) -> TableColumns:
        return TableColumns({"predictions": pl.Int64()}, {"predictions": "how many there are"})

    def key(self, ws: Workspace, pipeline: ModelPipeline, partition: str) -> Recipe:
        return recipe("counts", reading.own(ws, pipeline, "predictions", [partition]))

    def make(self, ws: Workspace, pipeline: ModelPipeline, partition: str, author: Author) -> Outcome:
        count = ws.lake.value(f"SELECT count(*) FROM {NAME}.predictions WHERE _partition = ?", [partition])
        with write(ws.lake, author) as tx:
            tx.replace(pipeline.name, "counts", pl.DataFrame({"predictions": [count]}), partition=partition)
            return record_after(tx, ws, author, Outcome(1, result=CountsResult(count), display={"rows": count}))


def test_a_new_step_is_planned_run_recorded_and_skipped_when_nothing_changed(
    open_world: OpenWorld, february: Path
) -> None:
    trips = open_world(february)
    steps = (*STEPS, CountsStep())
    planned = [work.only for work in Planner(trips.ws, trips.pipeline, steps).work("2024-02")]
    assert planned == [[[NAME, "counts"]], [[NAME, "counts"]]]
    for month in ("2024-01", "2024-02"):
        assert steps[-1].run(trips.ws, trips.pipeline, month, "run").status == "made"
    assert list(Planner(trips.ws, trips.pipeline, steps).work("2024-02")) == []
    record = ledger.latest(trips.ws.state, f"{NAME}/counts")[f"{NAME}/counts", "2024-02"]
    assert record.result_as(CountsResult).predictions == 400
    assert steps[-1].run(trips.ws, trips.pipeline, "2024-02", "run").result == CountsResult(400)


def test_dagster_shows_a_new_step_with_its_table_columns_and_words(open_world: OpenWorld, february: Path) -> None:
    pipeline = open_world(february).pipeline
    asset = step_asset(pipeline, CountsStep())
    (spec,) = asset.specs
    assert spec.key == dg.AssetKey([NAME, "counts"])
    assert spec.metadata["dagster/table_name"] == f"lake.{NAME}.counts"
    assert [column.name for column in spec.metadata["dagster/column_schema"].columns] == ["predictions"]
    assert spec.description is not None and "How many predictions the partition has." in spec.description


def test_the_kind_of_a_result_is_the_name_of_its_step() -> None:
    assert [step.result.kind for step in STEPS] == [step.name for step in STEPS]
