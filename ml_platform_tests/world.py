"""A platform of its own in a folder: files land, and the steps run in the planner's order without Dagster."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import polars as pl
from sqlalchemy import delete, select

from ml_platform.discovery import check_shared_tables, slices_of
from ml_platform.lake import lifetime, snapshots
from ml_platform.runtime.planner import Work
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.sources.landing import land
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.tables import Table
from ml_platform.state import ledger
from ml_platform.state.schema import record_details, records
from ml_platform.steps import tables
from ml_platform.steps.all_steps import STEPS, planner, step_named
from ml_platform_tests import empty_lakes, scenario
from ml_platform_tests.scenario import csv

StepRun = tuple[str, str, str]  # asset, partition, status


class Killed(Exception):
    """The process ended here."""


def at_work_for_long(world: "World") -> None:
    """Note that the lake is at work in its folder since 1970, so that files with times of then are its own."""
    lake = world.ws.lake
    lifetime.begin(lake.folder, lake.identity, snapshots.current(lake), datetime(1970, 1, 1, tzinfo=UTC))


@dataclass
class World:
    """Pipelines over one lake. `steps_run` lists every step that ran, with its status.

    Without `pictures` the steps run as in an installation without matplotlib: a month takes a fifth less.
    """

    settings: Settings
    pipelines: list[ModelPipeline]
    pictures: bool = True
    steps_run: list[StepRun] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tables = check_shared_tables(self.pipelines)
        self.ws = Workspace.open(self.settings, slices_of(self.pipelines))

    @property
    def pipeline(self) -> ModelPipeline:
        return self.pipelines[0]

    def close(self) -> None:
        self.ws.close()

    def declare(self, *pipelines: ModelPipeline) -> None:
        """Open the lake anew, as the next process does, under these declarations or the same."""
        self.close()
        self.pipelines = list(pipelines) or self.pipelines
        self.__post_init__()

    # -- landing -----------------------------------------------------------------------------

    def land(self, table: Table | str, name: str, frame: pl.DataFrame, arrived: datetime | None = None) -> None:
        """Land a frame as the file `name`, arrived at the end of the month in its name unless said otherwise."""
        table = self.tables[table] if isinstance(table, str) else table
        outside = self.settings.data / "outside" / name
        outside.parent.mkdir(parents=True, exist_ok=True)
        outside.write_text(csv(frame))
        land(self.settings, table, [outside], arrived=arrived or datetime(2024, 1, 1, tzinfo=UTC), replace=True)

    def land_trips(self, *months: str) -> None:
        """The files of these months, each arriving when its month is over; drivers were there before."""
        if "drivers" in self.tables and not (self.settings.landing / "drivers.csv").exists():
            self.land("drivers", "drivers.csv", scenario.driver_rows())
        for month in months:
            over = self.pipelines[0].partitions.window(month)[1]  # type: ignore[union-attr]  # trips have partitions
            if "traffic" in self.tables:
                self.land("traffic", f"traffic_{month}.csv", scenario.traffic_rows(month), over)
            self.land("trips", f"trips_{month}.csv", scenario.trip_rows(month), over)

    def land_churn(self, taken_at: datetime = scenario.SNAPSHOT, *, settled: bool = True) -> None:
        """A snapshot of customers with the logs of the four weeks before it."""
        if not (self.settings.landing / "plans.csv").exists():
            self.land("plans", "plans.csv", scenario.plan_rows())
        name = f"{taken_at:%Y-%m}.csv"
        self.land("customers", name, scenario.customer_rows(taken_at, settled=settled), taken_at)
        self.land("logins", name, scenario.login_rows(taken_at), taken_at)
        self.land("calls", name, scenario.call_rows(taken_at), taken_at)

    # -- running -----------------------------------------------------------------------------

    def planned(self, through: str | None = None, pipeline: ModelPipeline | None = None) -> list[Work]:
        """What would be launched first, if anything."""
        return list(_first(planner(self.ws, pipeline or self.pipeline).work(through)))

    def run(
        self,
        through: str | None = None,
        *,
        only: str | None = None,
        recompute: bool = False,
        kill_at: int | None = None,
        pipeline: ModelPipeline | None = None,
        launched: list[Work] | None = None,
    ) -> list[StepRun]:
        """Run what is stale, and what is settled too to `recompute` it. The steps that ran.

        `kill_at`: the process ends before that step (from 0).
        """
        pipeline, began = pipeline or self.pipeline, len(self.steps_run)
        for work in planner(self.ws, pipeline, recompute=recompute).work(through, only):
            if launched is not None:
                launched.append(work)
            for key in self.ordered(pipeline, work):
                if kill_at is not None and len(self.steps_run) - began >= kill_at:
                    raise Killed
                self.step(key, work.partition, pipeline=pipeline)
        return self.steps_run[began:]

    def step(self, key: str, partition: str, *, pipeline: ModelPipeline | None = None) -> Any:
        """Run one asset, such as `raw/trips` or `trip_delay/champion`, as somebody might from the UI."""
        pipeline, (group, name), run = pipeline or self.pipeline, key.split("/"), "test"
        with nullcontext() if self.pictures else patch("ml_platform.runtime.display.find_spec", return_value=None):
            if group == "raw":
                references = tables.references_of(self.pipelines, name)
                outcome = tables.ingest(self.ws, self.tables[name], references, run, lambda _: None)
                partition = "all"
            elif group == "validated":
                partition = partition if self.ws.slices[name] is not None else "all"
                references = tables.references_of(self.pipelines, name)
                outcome, _ = tables.validate(self.ws, self.tables[name], references, partition, run)
            else:
                outcome = step_named(name).run(self.ws, pipeline, partition, run)
        self.steps_run.append((key, partition, outcome.status))
        return outcome

    def ordered(self, pipeline: ModelPipeline, work: Work) -> list[str]:
        """The assets that a piece of work is about, upstream first."""
        wanted = {"/".join(key) for key in work.only or []}
        layers = [f"{layer}/{name}" for layer in ("raw", "validated") for name in self._by_need()]
        own = [f"{pipeline.name}/{step.name}" for step in STEPS]
        return [key for key in [*layers, *own] if key in wanted]

    def _by_need(self) -> list[str]:
        return sorted(self.tables, key=lambda name: len(self.tables[name].needs))

    # -- looking -----------------------------------------------------------------------------

    def records(self) -> dict[tuple[str, str], ledger.Record]:
        """(asset, partition) → the newest record."""
        newest: dict[tuple[str, str], ledger.Record] = {}
        for asset in ledger.assets(self.ws.state):
            newest |= ledger.latest(self.ws.state, asset)
        return newest

    def forget_records(self, asset: str) -> None:
        """Lose the records of an asset, as a process does that is killed before it records."""
        mine = select(records.c.id).where(records.c.asset == asset)
        with self.ws.state.writing() as connection:
            connection.execute(delete(record_details).where(record_details.c.record_id.in_(mine)))
            connection.execute(delete(records).where(records.c.asset == asset))

    def keys(self, *, without: tuple[str, ...] = ()) -> dict[tuple[str, str], tuple[str, str]]:
        """(asset, partition) → content key and output, of everything in the ledger but the layers `without`."""
        kept = {where: one for where, one in self.records().items() if not (without and where[0].startswith(without))}
        return {where: (record.content_key, record.output) for where, record in kept.items()}

    def display(self, asset: str, partition: str) -> dict[str, Any]:
        """What a step left for people to look at."""
        record = ledger.latest(self.ws.state, asset)[asset, partition]
        return dict(ledger.details(self.ws.state, record.id).display)

    def result(self, asset: str, partition: str) -> Any:
        """The typed result of a step."""
        return ledger.latest(self.ws.state, asset)[asset, partition].result

    def frame(self, sql: str) -> pl.DataFrame:
        return self.ws.lake.frame(sql)


def world(folder: Path, *pipelines: ModelPipeline, pictures: bool = False) -> World:
    """The platform in a folder, or an empty one. With `pictures` its steps draw."""
    settings = Settings(data=folder, threads=1, lock_timeout=20)
    empty_lakes.begin(settings)
    return World(settings, list(pipelines), pictures)


def _first(work: Iterator[Work]) -> Iterator[Work]:
    for item in work:
        yield item
        return
