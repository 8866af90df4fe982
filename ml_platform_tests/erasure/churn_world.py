"""The platform of the churn scenario with one customer whose name stands nowhere by chance, in every place there is."""

import gzip
import json
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import polars as pl

from ml_platform.escaping import markdown_text
from ml_platform.lake.transaction import Author, write
from ml_platform.serving.batch import key_of
from ml_platform.serving.deploying import deploy_champion
from ml_platform.serving.opening_store import open_store
from ml_platform.serving.prediction_log import PredictionLog
from ml_platform.settings import Settings
from ml_platform.spec.declarations import Declarations
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import alerts
from ml_platform.state.alerts import alert
from ml_platform_tests import scenario
from ml_platform_tests.world import World

MARK = "7f3aq"  # in every value of the customer that no other has
WHO = f'Zoë "O\'Brien" | {MARK}'
NEXT = scenario.SNAPSHOT + timedelta(days=31)


def declared(pipeline: ModelPipeline | None = None) -> Declarations:
    return Declarations({"churn": pipeline or scenario.churn()})


def settings_of(data: Path) -> Settings:
    return Settings(data=data, threads=1, lock_timeout=20)


def renamed(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame, in which one customer has the name that is to be forgotten."""
    return frame.with_columns(customer=pl.col("customer").replace("c007", WHO))


def land(world: World, taken_at: object = scenario.SNAPSHOT) -> None:
    """A snapshot of customers, among them one row that the contract rejects and one that stands twice."""
    rows = renamed(scenario.customer_rows(taken_at))  # type: ignore[arg-type]  # a datetime
    mine = rows.filter(pl.col("customer") == WHO)
    twice = pl.concat([rows, mine])
    world.land("plans", "plans.csv", scenario.plan_rows())
    name = f"{taken_at:%Y-%m}.csv"
    world.land("customers", name, twice, taken_at)  # type: ignore[arg-type]
    bad = mine.select("customer", taken_at=pl.lit(f"no time {MARK}"), plan=pl.lit("basic"))
    lines = bad.with_columns(spending=None, churned=None, settled_at=None)
    file = world.settings.landing / "customers" / name
    file.write_bytes(file.read_bytes() + lines.write_csv(include_header=False).encode())
    world.land("logins", name, renamed(scenario.login_rows(taken_at)), taken_at)  # type: ignore[arg-type]
    world.land("calls", name, renamed(scenario.call_rows(taken_at)), taken_at)  # type: ignore[arg-type]


def build(data: Path) -> None:
    """A platform at work for a while: a champion that answered, corrections, alerts, and what people look at."""
    with closing(World(settings_of(data), [scenario.churn()], pictures=False)) as world:
        land(world)
        world.run()
        corrected = renamed(scenario.customer_rows()).with_columns(
            plan=pl.when(pl.col("customer") == WHO).then(pl.lit(f"gold {MARK}")).otherwise("plan")
        )
        world.land("customers", "2024-03.csv", corrected, scenario.SNAPSHOT + timedelta(hours=1))
        world.run()
        ws = world.ws
        with closing(open_store(ws.settings)) as store:
            assert deploy_champion(ws, "churn", store, None) is not None
        log = PredictionLog(ws.settings.online / "log" / "churn", budget=10_000_000)
        log.append([_answer(WHO), _answer("c008")])
        log.seal()
        said = alert(
            "check", "churn/features", "all", "a finding", evidence="1", title=f"About {WHO}", text=f"{WHO} is odd"
        )
        alerts.raise_(ws.state, [said])
        page = ws.settings.reports / "churn" / "all" / "report.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(f"<td>{MARK}</td>")
    (data / "outside").rename(data.parent / "outside")


def _answer(customer: str) -> dict[str, object]:
    moment = f"{NEXT:%Y-%m-%dT%H:%M:%S}.000000+00:00"
    key = key_of(
        {"customer": customer, "taken_at": NEXT}, {"customer": pl.String(), "taken_at": pl.Datetime("us", "UTC")}
    )
    texts = {"inputs": {"customer": customer, "plan": "basic"}, "features": {}, "statuses": {}, "ages": {}}
    return {
        "id": f"id-{len(customer)}",
        "key": key,
        "at": moment,
        "requested_at": moment,
        "version": 1,
        "role": "champion",
        "shadow": False,
        "score": 0.5,
        "scores": None,
        "class": None,
        "overridden": [],
        **{name: json.dumps(value, ensure_ascii=False) for name, value in texts.items()},
        "max_staleness": "{}",
        "snapshots": "{}",
    }


def holding(folder: Path, text: str = MARK) -> list[str]:
    """Every file below a folder in whose bytes the text stands, unpacked where they are packed."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and _holds(path, text))


def _holds(path: Path, text: str) -> bool:
    content, wanted = path.read_bytes(), text.encode()
    if wanted in content or wanted in str(path).encode():
        return True
    return any(wanted in part for part in _unpacked(path, content))


def _unpacked(path: Path, content: bytes) -> Iterator[bytes]:
    if content.startswith(b"PAR1"):
        yield pl.read_parquet(path, hive_partitioning=False).write_ndjson().encode()
    elif content.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(path) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    elif content.startswith(b"\x1f\x8b"):
        yield gzip.decompress(content)


def dagster_history(home: Path) -> Path:
    """A database such as Dagster's log of events, in which a preview of rows stands."""
    file = home / "history" / "runs" / "index.db"
    file.parent.mkdir(parents=True)
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE event_logs (id INTEGER PRIMARY KEY, event TEXT)")
        preview = {"label": "preview", "md_str": f"| customer |\n|---|\n| {markdown_text(WHO)} |\n| c008 |"}
        database.execute("INSERT INTO event_logs (event) VALUES (?)", [json.dumps({"metadata": [preview], "who": WHO})])
        database.commit()
    return file


def table_of_others(world: World) -> None:
    """A table that somebody keeps in the lake, with the customer in it."""
    with write(world.ws.lake, Author("theirs")) as tx:
        tx.append("marketing", "letters", pl.DataFrame({"customer": [WHO], "sent": [1]}))
