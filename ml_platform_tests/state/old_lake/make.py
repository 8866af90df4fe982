"""Makes `lake.tar.xz` and `expected.json`: a lake as the platform left it when all its state lay in DuckLake.

It runs the code of the last commit of that kind, 48a52c2 (0.1.0 of November 2026), not today's:

    git worktree add /tmp/old 48a52c2
    cd /tmp/old
    PYTHONPATH=/tmp/old python <checkout>/ml_platform_tests/state/old_lake/make.py
    git worktree remove /tmp/old

What happens in the lake, month by month, is told in `_trips` and `_churn` below; which tables it
has in `expected.json`. `lake.tar.xz` holds the lake, the artifacts and the landing folder, and
`mtimes.json`: the times of change of the landed files in nanoseconds, which an archive would round
and by which the platform tells whether a file is to be hashed again. `unpack` puts them back.

The versions of DuckDB, polars, dataframely and LightGBM are part of content keys. After an upgrade
of one the planner finds the *unsettled* steps stale (validated tables, features, performance), and
rightly so; settled predictions, decisions, versions, verdicts and promotions stand. So a test
compares keys as they are on record, never as they would be worked out today, and asks for an empty
plan only while the libraries are those of `expected.json`. There is no need to make the lake anew.
"""
# ruff: noqa: I001 — the old modules are not in this tree, so ruff cannot tell that they are the project's own

import json
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import declared
import polars as pl
from digest import digest

import ml_platform
from ml_platform.errors import DeliveryFailed
from ml_platform.ingestion import files
from ml_platform.lake import ledger
from ml_platform.monitoring import alerts, delivery
from ml_platform.registry import promotions, verdicts, versions
from ml_platform.retraining.policy import Forced
from ml_platform.settings import Settings
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.steps import alerting, deciding, summary
from ml_platform.steps.plan import Planner
from ml_platform.steps.upkeep import maintain
from ml_platform_tests import scenario
from ml_platform_tests.steps.world import World

HERE = Path(__file__).resolve().parent
COMMIT = "48a52c2"
LIBRARIES = ("duckdb", "polars", "dataframely", "lightgbm", "numpy", "pyarrow")
FEBRUARY, APRIL = "2024-02", "2024-04"
HOLDS = ("lake/catalog.sqlite", "lake/tables", "artifacts", "landing")


class Alarming(World):
    """A world whose steps raise alerts and deliver them to a console that nobody reads."""

    def step(self, key: str, partition: str, *, pipeline: ModelPipeline | None = None) -> Any:
        outcome = super().step(key, partition, pipeline=pipeline)
        alerting.told(self.ws, key, self.made[-1][1], outcome, "test", lambda line: None)
        return outcome


def main() -> None:
    """Make the lake in a temporary folder, under a relative path as in real life, and pack it."""
    _check_code()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        settings = Settings(data=Path("data"), threads=1, lock_timeout=20)
        with closing(Alarming(settings, list(declared.PIPELINES))) as one:
            _trips(one)
            _churn(one)
            _quiet(one)
            expected = _expected(one)
        (HERE / "expected.json").write_text(json.dumps(expected, indent=1, default=str) + "\n")
        _pack(settings.data, HERE / "lake.tar.xz")
        os.chdir(HERE)


def _check_code() -> None:
    code = Path(ml_platform.__file__).resolve().parent.parent
    commit = subprocess.run(
        ["git", "-C", str(code), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout
    if not commit.startswith(COMMIT):
        sys.exit(f"ml_platform is imported from {code}, which is not {COMMIT}: see the top of {Path(__file__).name}.")


def _trips(one: World) -> None:
    """Seven months of trips: every outcome of a decision, every action of the log, and data that need a look.

    A month is complete once the next one began to arrive, so each lands before the one before it runs.
    """
    # January is trained on, February skipped, March trained on. One row of March breaks the contract. One file of
    # traffic lacks a column, and one of trips is refused by `clean`, which finds no zone.
    one.land("drivers", "drivers.csv", scenario.driver_rows())
    _month(one, "2024-01")
    _month(one, FEBRUARY)
    _month(one, "2024-03", trips=_trip_rows("2024-03").with_columns(km=_first(pl.lit(-5.0), pl.col("km"))))
    one.land("traffic", "traffic_broken.csv", scenario.traffic_rows("2024-01").drop("jam").head(5), _end("2024-01"))
    one.land("trips", "trips_broken.csv", _trip_rows("2024-01").drop("zone").head(5), _end("2024-01"))
    one.run(FEBRUARY)
    # Upkeep once, early: what is older lies in merged files, what is younger in many small ones or in the catalog.
    maintain(one.ws, keep_days=0, grace=timedelta())
    _month(one, APRIL)
    one.run("2024-03")
    # March's champion is rolled back; January's scores April, which is skipped, then trained on because ada wants it.
    promotions.rollback(one.ws.lake, "trip_delay", why="complaints from the harbour", actor="ada", run_id="by hand")
    _month(one, "2024-05")
    one.run(APRIL)
    deciding.force(one.ws, one.pipeline, APRIL, Forced("ada", "a new bridge"))
    one.run(APRIL)
    # Some of February's trips were later than was thought: features follow, and nothing that is settled.
    late = pl.when(pl.col("trip") % 10 == 3).then(pl.col("late") + 7).otherwise("late")
    one.land("trips", f"trips_{FEBRUARY}.csv", _trip_rows(FEBRUARY).with_columns(late), _end(APRIL))
    one.run(APRIL)
    # May is skipped. June's labels are shuffled: its candidate fails a gate and the champion is kept. July only began.
    june = _trip_rows("2024-06")
    shuffled = june["late"].sample(fraction=1.0, shuffle=True, seed=3).fill_null(0.0)
    _month(one, "2024-06", trips=june.with_columns(late=pl.when(pl.col("late").is_not_null()).then(shuffled)))
    _month(one, "2024-07", trips=_trip_rows("2024-07").head(20))
    one.run()


def _churn(one: World) -> None:
    """Two snapshots of customers: one that became a champion, and one whose outcome nobody knows yet."""
    churn = declared.CHURN
    one.land_churn()
    one.run(pipeline=churn)
    one.land_churn(datetime(2024, 4, 1, tzinfo=UTC), settled=False)
    one.run(pipeline=churn)


def _quiet(one: World) -> None:
    """A second channel, which takes nothing: its deliveries failed and would be tried again."""

    def send(items: Sequence[alerts.Alert]) -> None:
        raise DeliveryFailed("json 0f0f0f0f", "the web hook answered 503")

    delivery.deliver(one.ws.lake, [delivery.Channel("json 0f0f0f0f", send)])


def _month(one: World, month: str, trips: pl.DataFrame | None = None) -> None:
    one.land("traffic", f"traffic_{month}.csv", scenario.traffic_rows(month), _end(month))
    one.land("trips", f"trips_{month}.csv", _trip_rows(month) if trips is None else trips, _end(month))


def _trip_rows(month: str) -> pl.DataFrame:
    return scenario.trip_rows(month, count=300)


def _end(month: str) -> datetime:
    return declared.TRIP_DELAY.partitions.window(month)[1]


def _first(then: pl.Expr, otherwise: pl.Expr) -> pl.Expr:
    return pl.when(pl.int_range(pl.len()) == 0).then(then).otherwise(otherwise)


def _expected(one: World) -> dict[str, Any]:
    """What the old code says of the lake: JSON values, moments as text."""
    lake = one.ws.lake
    return {
        "commit": COMMIT,
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in LIBRARIES},
        "materializations": [
            {
                "asset": made.asset,
                "partition": made.partition,
                "content_key": made.content_key,
                "output": made.output,
                "rows": made.rows,
            }
            for _, made in sorted(ledger.latest(lake).items())
        ],
        "pipelines": {pipeline.name: _of_pipeline(one, pipeline) for pipeline in one.pipelines},
        "files": {
            name: [
                {key: getattr(file, key) for key in ("path", "version", "sha256", "status", "arrival", "error")}
                for file in files.versions(lake, name)
            ]
            for name in sorted(one.tables)
        },
        "alerts": lake.frame(
            "SELECT alert_id, kind, severity, asset, partition, about, title FROM platform.alerts ORDER BY alert_id"
        ).to_dicts(),
        "deliveries": lake.frame(
            "SELECT alert_id, channel, state, attempt FROM platform.alert_deliveries ORDER BY ALL"
        ).to_dicts(),
        "rows": {table: lake.value(f"SELECT count(*) FROM {table}") for table in _OPERATIONAL},
        "quarantined": lake.value("SELECT count(*) FROM quarantine.trips"),
        "lineage": {
            "nodes": digest(
                lake.frame("SELECT kind, asset, partition, content_key, output, rows, stands, reads FROM lineage.nodes")
            ),
            "edges": digest(lake.frame("SELECT * FROM lineage.edges")),
            "files": digest(lake.frame('SELECT "table", path, version, sha256, status, error FROM lineage.files')),
        },
    }


_OPERATIONAL = (
    "platform.materializations",
    "platform.reads",
    "platform.files",
    "platform.landings",
    "platform.screenings",
    "platform.alerts",
    "platform.alert_deliveries",
    "registry.versions",
    "registry.verdicts",
    "registry.promotions",
    "trip_delay.decisions",
    "churn.decisions",
)


def _of_pipeline(one: World, pipeline: ModelPipeline) -> dict[str, Any]:
    name, lake = pipeline.name, one.ws.lake
    planner = Planner(one.ws, pipeline)
    numbered = versions.versions(lake, name)
    decisions = deciding.history(one.ws, pipeline)
    return {
        "plan": [str(work) for work in planner.work()],
        "outdated": planner.left(),
        "unlearnt": planner.unlearnt(),
        "champion": promotions.champion_at(lake, name),
        "decisions": [{key: value for key, value in row.items() if key != "run_id"} for row in decisions],
        "promotions": summary.promotion_rows(one.ws, pipeline),
        "versions": [
            {
                key: getattr(numbered_version, key)
                for key in (
                    "version",
                    "content_key",
                    "partition",
                    "training_set",
                    "bundle",
                    "bounds",
                    "metrics",
                    "decided_at",
                    "created_at",
                )
            }
            for numbered_version in numbered
        ],
        "verdicts": [
            {
                "version": numbered_version.version,
                **{
                    key: getattr(verdict, key)
                    for key in ("gate", "gate_key", "slice", "value", "threshold", "passed", "rows", "detail")
                },
            }
            for numbered_version in numbered
            for verdict in verdicts.of(lake, name, numbered_version.version)
        ],
        "months": summary.months(one.ws, pipeline),
        "version_rows": summary.version_rows(one.ws, pipeline),
        "tables": {
            table: {
                partition: {"rows": frame.height, "digest": digest(frame.drop("_partition"))}
                for (partition,), frame in lake.frame(f"FROM {name}.{table}")
                .partition_by("_partition", as_dict=True)
                .items()
            }
            for table in ("features", "predictions", "performance")
        },
    }


def _pack(data: Path, target: Path) -> None:
    """One archive of what belongs to the lake, and the times of change of what landed."""
    catalog = data / "lake" / "catalog.sqlite"
    with closing(sqlite3.connect(catalog)) as connection:  # one file without a log beside it
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("VACUUM")
    shutil.rmtree(data / "artifacts" / "incoming", ignore_errors=True)
    paths = [path for name in HOLDS for path in [data / name, *sorted((data / name).rglob("*"))] if path.is_file()]
    landed = [path for path in paths if path.is_relative_to(data / "landing")]
    mtimes = {path.relative_to(data).as_posix(): path.stat().st_mtime_ns for path in landed}
    (data / "mtimes.json").write_text(json.dumps(mtimes, indent=1))
    with tarfile.open(target, "w:xz", preset=9) as archive:  # the pictures are alike: together they take a tenth
        for path in [data / "mtimes.json", *paths]:
            archive.add(path, path.relative_to(data).as_posix(), filter=_anonymous)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


if __name__ == "__main__":
    main()
