"""Three tables that take events, of every kind that features read, over a lake of their own."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import dataframely as dy
import polars as pl

from ml_platform import (
    Derived,
    Examples,
    Files,
    Latest,
    LightGBM,
    Lookup,
    ModelPipeline,
    Monthly,
    Table,
    TimeSince,
    Window,
)
from ml_platform.features.definition import FeatureDefinition
from ml_platform.features.offline import compute
from ml_platform.features.online.answering import OnlineFeatures
from ml_platform.lake.transaction import Author
from ml_platform.runtime.workspace import Workspace
from ml_platform.serving.events.keeping import EventKeeper
from ml_platform.serving.events.tables import tables_with_events
from ml_platform.serving.events.taking import EventTaker, Taken
from ml_platform.serving.filling import fill
from ml_platform.serving.online_store import Bounds, OnlineStore
from ml_platform.serving.opening_store import open_store
from ml_platform.settings import Settings
from ml_platform.sources.landing import land
from ml_platform.sources.raw import ingest
from ml_platform.state.stores import Stores
from ml_platform.validation.validated import build_validated, touched
from ml_platform.validation.version_order import with_paths
from ml_platform_tests.examples import threads

Row = dict[str, Any]
BASE = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


class Readings(dy.Schema):
    """One reading. Its key is neither its sensor nor its time, so a correction may move it to another one."""

    id = dy.Int64(primary_key=True)
    sensor = dy.String()
    at = dy.Datetime(time_zone="UTC")
    seen = dy.Datetime(time_zone="UTC", nullable=True)
    value = dy.Float64(nullable=True, min=-50, max=100)
    price = dy.Decimal(12, 2, nullable=True)


class Clicks(dy.Schema):
    """One click, without a key."""

    person = dy.Int64()
    at = dy.Datetime(time_zone="UTC")
    page = dy.Enum(["a", "b", "c"])


class People(dy.Schema):
    """One person, without a time."""

    person = dy.Int64(primary_key=True)
    name = dy.String(nullable=True)
    born = dy.Date(nullable=True)


class Visits(dy.Schema):
    """An example."""

    visit = dy.Int64(primary_key=True)
    at = dy.Datetime(time_zone="UTC")
    sensor = dy.String()
    person = dy.Int64()
    good = dy.Bool(nullable=True)


def pipeline(on_conflict: Any = "latest", of_visits: Any = "quarantine", **of_readings: Any) -> ModelPipeline:
    """Features of all kinds over the tables."""
    return ModelPipeline(
        "visits_go_well",
        tables=(
            Table(
                "readings",
                Files("readings/*.csv"),
                Readings,
                **{"event_time": "at", "known_at": "seen", "on_conflict": on_conflict, **of_readings},
            ),
            Table("clicks", Files("clicks/*.parquet"), Clicks, event_time="at"),
            Table("people", Files("people.csv"), People, on_conflict=on_conflict),
            Table("visits", Files("visits/*.csv"), Visits, event_time="at", on_conflict=of_visits),
        ),
        examples=Examples("visits", key="visit", at="at", inputs=["sensor", "person"], label="good"),
        features=(
            Window("readings", by="sensor", of="value", agg=["sum", "std", "count", "min"], over=["3h", "2d"]),
            Window("readings", by="sensor", of="price", agg=["sum", "n_unique"], over=["1d"]),
            Latest("readings", on="sensor", take=["value", "price"], max_age="2d"),
            TimeSince("readings", on="sensor", where=pl.col("value") > 10),
            Window("clicks", by="person", of="page", agg=["count", "n_unique"], over=["3h", "2d"]),
            Latest("clicks", on="person", take=["page"]),
            Lookup("people", on="person", take=["name", "born"]),
            Derived(age=2026 - pl.col("people__born").dt.year()),
        ),
        trainer=LightGBM(),
        partitions=Monthly("2013-01"),
    )


@dataclass
class EventWorld:
    """A lake, an online store and who takes events. `span`: how long before the newest row answers are asked for."""

    stores: Stores
    pipeline: ModelPipeline
    span: timedelta | None = None
    store: OnlineStore = field(init=False)
    _closing: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        settings = self.stores.settings
        self.tables = tables_with_events(self.pipeline)
        self.definition = FeatureDefinition.from_json(FeatureDefinition.of(self.pipeline).to_json())
        self.features = OnlineFeatures(self.definition)
        self.store = self._closing.enter_context(closing(open_store(settings)))
        self.keeper = self._closing.enter_context(EventKeeper(settings, self.tables))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def taker(self, table: str) -> EventTaker:
        """Who takes events of a table, as a process of its own would."""
        settings = self.stores.settings
        taker = EventTaker(self.tables[table], settings.events, self.store, settings.log_budget_bytes)
        return self._closing.enter_context(taker)

    def take(self, table: str, rows: Sequence[Row]) -> Taken:
        """Take events of a table."""
        return self.taker(table).take(rows)

    def land(self, table: str, rows: Sequence[Row]) -> None:
        """Land a file of rows."""
        declared = self.tables[table].table
        suffix = "parquet" if table == "clicks" else "csv"
        name = "people.csv" if table == "people" else f"{len(list(self.stores.settings.landing.rglob('*')))}.{suffix}"
        outside = self.stores.settings.data / "outside" / name
        outside.parent.mkdir(parents=True, exist_ok=True)
        frame = pl.DataFrame(rows, schema=declared.stored_columns, orient="row")
        frame.write_parquet(outside) if suffix == "parquet" else frame.write_csv(outside)
        land(self.stores.settings, declared, [outside], replace=True)

    def land_events(self, *, all_of_them: bool = True) -> int:
        """Land the events of all tables; how many files."""
        keeper, state = self.keeper, self.stores.state
        return sum(keeper.land(state, table, all_of_them=all_of_them) for table in keeper.posted)

    def validate(self, *, all_of_them: bool = True) -> None:
        """Land the events, all of them or those that the service would land by now, and run ingestion."""
        self.land_events(all_of_them=all_of_them)
        for name, table in self.tables.items():
            report = ingest(self.stores, table.table, "run")
            assert not report.refused and not report.waiting, report
            for partition in touched(self.stores, table.table, table.partitions) or ["all"]:
                build_validated(self.stores, table.table, table.partitions, partition, Author(name, run_id="run"))

    def fill(self) -> None:
        """Fill the store, as the service does after a run, for tables of which events were posted."""
        fill(self.stores, self.definition, self.store, self.span, self.keeper, self.keeper.taking)

    def online(self, examples: Sequence[Row]) -> list[Row]:
        """The features of examples from the online store."""
        fingerprints = [one.layout.fingerprint for one in self.features.passes]
        answers = []
        for example in examples:
            question = self.features.question(example)
            values = self.store.read([*fingerprints, *question.keys])
            bounds = [Bounds.of(value) for value in values[: len(fingerprints)] if value is not None]
            names = [one.table_name for one in self.features.passes]
            since = {name: of_table.since for name, of_table in zip(names, bounds, strict=True)}
            horizon = max((one.horizon for one in bounds if one.horizon is not None), default=None)
            if horizon is not None and question.at < horizon:
                answers.append({})
            else:
                answers.append(self.features.answer(question, values[len(fingerprints) :], since).values)
        return answers

    def batch(self, examples: Sequence[Row]) -> list[Row]:
        """The features of examples as the batch computes them from the lake."""
        connection = self.stores.lake.connection
        connection.register("asked", pl.DataFrame(examples, schema=self.definition.row_schema, orient="row").to_arrow())
        relations = {name: with_paths(self.stores.state, name) for name in self.definition.tables}
        made = compute(connection, self.definition, "asked", relations)
        frame = connection.execute(f"SELECT * FROM {made} ORDER BY visit").pl()
        connection.execute(f"DROP TABLE {made}")
        connection.unregister("asked")
        names = [*self.definition.outputs, *self.definition.status_columns]
        return frame.select(names).to_dicts()

    def ready(self) -> None:
        """Land one row of each table long ago, and fill the store for those that take events."""
        for table in self.tables:
            self.taker(table)
        long_ago = BASE - timedelta(days=90)
        self.land("readings", [reading(0, "s0", 0, at=long_ago)])
        self.land("clicks", [{"person": 0, "at": long_ago, "page": "a"}])
        self.land("people", [{"person": 0, "name": "Ada", "born": None}])
        self.land("visits", [{"visit": 0, "at": long_ago, "sensor": "s0", "person": 0, "good": True}])
        self.validate()
        self.fill()


def reading(key: int, sensor: str, hours: float, value: float | None = 1.0, **changes: Any) -> Row:
    """A reading so many hours before now."""
    at = BASE - timedelta(hours=hours)
    return {"id": key, "sensor": sensor, "at": at, "seen": at, "value": value, "price": None, **changes}


def visits(*moments: datetime, sensors: Sequence[str] = ("s0", "s1"), people: Sequence[int] = (0, 1)) -> list[Row]:
    """An example for every moment, sensor and person."""
    asked = [(at, sensor, person) for at in moments for sensor in sensors for person in people]
    return [
        {"visit": number, "at": at, "sensor": sensor, "person": person}
        for number, (at, sensor, person) in enumerate(asked)
    ]


@contextmanager
def copied(
    folder: Path, on_conflict: str = "latest", *, span: timedelta | None = None, **changes: Any
) -> Iterator[EventWorld]:
    """A copy of the fixture `events_lake`, whose store is filled for a span of None."""
    declared = pipeline(on_conflict, **changes)
    with TemporaryDirectory() as own:
        shutil.copytree(folder, Path(own) / "data")
        settings = Settings(data=Path(own) / "data", threads=threads(), lock_timeout=20)
        with closing(Workspace.open(settings, declared.slices)) as stores, EventWorld(stores, declared, span) as world:
            yield world
