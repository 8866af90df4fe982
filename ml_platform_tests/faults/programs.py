"""What other processes do in these tests; `workers` starts them.

A process receives orders, `(function, folder, argument…)`, and answers each with `{"done": …}` or
`{"failed": trace}`. It may say things before that (`say`).
"""

import json
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import polars as pl

from ml_platform.lake import transaction
from ml_platform.lake.connection import Lake
from ml_platform.lake.transaction import Author, Transaction, write
from ml_platform.runtime import retention
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.sources import landing
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import ledger, promotions
from ml_platform.state.database import State
from ml_platform.state.publishing import publish
from ml_platform.steps.all_steps import planner
from ml_platform_tests import scenario
from ml_platform_tests.faults import lake_contents, trip_pipelines
from ml_platform_tests.scenario.landing import csv
from ml_platform_tests.world import World

LANDED = ("2024-01", "2024-02", "2024-03")
_connection: Connection | None = None  # to whoever orders the work of this process
_WAIT = 120.0  # seconds for the write lock: eleven processes share it here


def world(folder: Path, *pipelines: ModelPipeline) -> World:
    """The platform in a folder, with a longer wait for the lock than other tests have."""
    return World(Settings(data=folder, threads=1, lock_timeout=_WAIT), list(pipelines))


def say(what: object) -> None:
    """Tell whoever ordered the work; where nobody did, print it."""
    if _connection is not None:
        _connection.send(what)
    else:
        sys.stdout.write(f"{json.dumps(what)}\n")
        sys.stdout.flush()


def months_apart(folder: Path, month: str) -> None:
    """Raw to features of one month, and the tables of the months before it, which its features read."""
    with closing(world(folder, *trip_pipelines.pipelines())) as opened:
        (pipeline,) = (p for p in opened.pipelines if p.name == trip_pipelines.APART)
        for work in planner(opened.ws, pipeline).work(only=month):
            if work.job == "train":
                return
            for key in opened.ordered(pipeline, work):
                opened.step(key, work.partition, pipeline=pipeline)
                if key == f"{trip_pipelines.APART}/features":
                    publish(opened.ws)
                    return


def end_to_end(folder: Path, name: str) -> None:
    """One of the four, from files to champion."""
    with closing(world(folder, *trip_pipelines.pipelines())) as opened:
        (pipeline,) = (p for p in opened.pipelines if p.name == name)
        opened.run(trip_pipelines.THROUGH, pipeline=pipeline)
        publish(opened.ws)


def write_beside(folder: Path, times: int) -> None:
    """A writer that is no pipeline: as many commits of one row."""
    with Lake(Settings(data=folder, threads=1, lock_timeout=_WAIT)) as lake:
        for number in range(times):
            with write(lake, Author("beside/rows", run_id="beside")) as tx:
                tx.append("beside", "rows", pl.DataFrame({"number": [number]}))


def look(folder: Path) -> list[int]:
    """Read until the file `enough` is there; how many looks, and at how many parts of tables.

    What was seen is said whenever it changed: a test knows what may be seen.
    """
    os.nice(10)  # it never rests, and the others have work to do
    looks, parent = 0, os.getppid()
    seen: dict[lake_contents.TablePart, int] = {}
    with Lake(Settings(data=folder, threads=1), read_only=True) as lake:
        while not (folder / "enough").exists() and os.getppid() == parent:  # nobody else would end it
            looks += 1
            for part, rows in lake_contents.rows_by_part(lake).items():
                if seen.get(part) != rows:
                    seen[part] = rows
                    say({"saw": [*part, rows]})
    return [looks, len(seen)]


def run(folder: Path, through: str) -> int:
    """A pipeline without a gate that depends on the machine's speed, to its champion; how many steps ran.

    At its end the story is published to the lake, as at the end of every run.
    """
    with closing(world(folder, trip_pipelines.trips(trip_pipelines.APART))) as opened:
        say({"began": True})
        steps = opened.run(through)
        publish(opened.ws)
        return len(steps)


def write_sources(folder: Path) -> None:
    """The files that `land` lands: drivers, and trips of three months."""
    folder.mkdir(parents=True)
    (folder / "drivers.csv").write_text(csv(scenario.driver_rows()))
    for month in LANDED:
        (folder / f"trips_{month}.csv").write_text(csv(scenario.trip_rows(month)))


def open_lake(folder: Path, _: str) -> None:
    """Make lake and operational state, or open them."""
    world(folder, trip_pipelines.trips(trip_pipelines.APART)).close()


def land(folder: Path, sources: str) -> list[str]:
    """Land the files of `write_sources`, each arriving when its month is over; how each ended."""
    pipeline, settings = trip_pipelines.trips(trip_pipelines.APART), Settings(data=folder, threads=1)
    arrivals = {"drivers.csv": datetime(2024, 1, 1, tzinfo=UTC)}
    arrivals |= {f"trips_{month}.csv": pipeline.partitions.window(month)[1] for month in LANDED}  # type: ignore[union-attr]  # trips have partitions
    outcomes = []
    for name, arrived in arrivals.items():
        table = pipeline.table(name.partition(".")[0].partition("_")[0])
        outcomes += landing.land(settings, table, [Path(sources, name)], arrived=arrived)
        say({"landed": name})
    return [landed.outcome for landed in outcomes]


def land_all(folder: Path, sources: str, arrived: str) -> list[str]:
    """Land a folder of files for trips, corrections among them; how each ended."""
    table, settings = trip_pipelines.trips(trip_pipelines.APART).table("trips"), Settings(data=folder, threads=1)
    say({"began": True})
    landed = landing.land(settings, table, [Path(sources)], arrived=datetime.fromisoformat(arrived), replace=True)
    return [file.outcome for file in landed]


def run_first(folder: Path, _: str) -> int:
    """Run the first month."""
    return run(folder, LANDED[0])


def run_second(folder: Path, _: str) -> int:
    """Run the second month."""
    return run(folder, LANDED[1])


def maintain(folder: Path, _: str = "") -> dict[str, Any]:
    """Upkeep as `ml-platform maintain` does it, without grace for anything; what it did."""
    settings, grace = Settings(data=folder, threads=1, lock_timeout=_WAIT), timedelta(0)
    say({"began": True})
    swept = retention.sweep(settings, grace=grace)
    with closing(Workspace.open(settings, {})) as opened:
        report = asdict(retention.maintain(opened, keep_days=0, grace=grace))
    return {**report, "leftovers_removed": report["leftovers_removed"] + swept}


def tell(folder: Path, _: str) -> dict[str, Any]:
    """What there is: rows, keys, champions and the story, without what is told by the moment; and what nobody needs."""
    with closing(world(folder, trip_pipelines.trips(trip_pipelines.APART))) as opened:
        lake, name = opened.ws.lake, trip_pipelines.APART
        hidden = [path.name for path in folder.rglob(".*")]
        return {
            "rows": sorted(map(repr, lake_contents.rows_by_part(lake).items())),
            "keys": sorted(map(repr, lake_contents.keys(opened.ws.state).items())),
            "champions": repr(lake_contents.champions(opened.ws.state, name)),
            "story": {kind: sorted(map(repr, rows)) for kind, rows in lake_contents.story(lake).items()},
            "twice": [lake_contents.duplicate_keys(lake, [name]), lake_contents.recorded_twice(opened.ws.state)],
            "left over": [lake_contents.orphans(opened.ws, retention.referenced(opened.ws.state)), hidden],
            "stale": repr(opened.planned(LANDED[1])),
        }


def change_champion(folder: Path, action: str, version: int) -> None:
    """What `ml-platform promote` and `rollback` do."""
    with closing(world(folder, trip_pipelines.trips(trip_pipelines.APART))) as opened:
        say({"began": True})
        state, name = opened.ws.state, trip_pipelines.APART
        if action == "promote":
            gates = opened.pipeline.required_gates
            promotions.promote(state, name, version, gates, partition="", reason="it is", actor="ada", by_hand=True)
        else:
            promotions.rollback(state, name, why="it errs", actor="ada", to=version)
        publish(opened.ws)


def run_killed_before_record(folder: Path, through: str, asset: str) -> None:
    """`run` that kills itself when the rows of `asset` are committed and nothing about them is on record yet."""
    original = transaction.write

    @contextmanager
    def write(lake: Lake, author: Author, details: Mapping[str, Any] | None = None) -> Iterator[Transaction]:
        with original(lake, author, details) as tx:
            if author.asset == asset:
                tx.after_commit(_kill)  # it is asked first: before what puts the rows on record
            yield tx

    for module in list(sys.modules.values()):
        if getattr(module, "write", None) is original:
            module.write = write  # type: ignore[attr-defined]  # it has one, as was just asked
    run(folder, through)


def run_killed_in_record(folder: Path, through: str, asset: str) -> None:
    """`run` that kills itself when the record of `asset` is written and its transaction not yet committed."""
    original = ledger.record

    def record(state: State, author: Author, **values: Any) -> ledger.Record:
        with state.writing():  # some steps have none of their own around it
            written = original(state, author, **values)
            if author.asset == asset:
                _kill()
        return written

    ledger.record = record
    run(folder, through)


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def answer_orders(connection: Connection, environment: dict[str, str]) -> None:
    """Do what is ordered until the other end is closed. The environment is that of the test, not of the server."""
    global _connection
    _connection = connection
    os.environ.clear()
    os.environ.update(environment)
    while True:
        try:
            name, folder, *arguments = connection.recv()
        except EOFError:
            return
        connection.send(_answer(name, folder, arguments))


def _answer(name: str, folder: Path, arguments: list[Any]) -> dict[str, Any]:
    try:
        return {"done": globals()[name](folder, *arguments)}
    except Exception:  # told to whoever gave the order, who fails with it
        return {"failed": traceback.format_exc()}
