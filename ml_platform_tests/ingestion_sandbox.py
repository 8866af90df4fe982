"""A landing folder, a lake and two small tables, with and without time: what every ingestion test starts from."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dataframely as dy
import polars as pl

from ml_platform.lake.connection import Lake
from ml_platform.lake.transaction import Author
from ml_platform.sources.landing import land
from ml_platform.sources.raw import IngestReport, ingest
from ml_platform.spec.partitions import Monthly
from ml_platform.spec.sources import Files
from ml_platform.spec.tables import Table
from ml_platform.state.database import State
from ml_platform.state.files import standing, versions
from ml_platform.state.stores import Stores
from ml_platform.validation.validated import ValidatedReport, build_validated, touched

MONTHS = Monthly("2013-01", "2014-01")


class Reading(dy.Schema):
    """One reading of one sensor."""

    sensor = dy.String(primary_key=True)
    at = dy.Datetime(primary_key=True, time_zone="UTC")
    value = dy.Float64(nullable=True, min=-50, max=100)


class Customer(dy.Schema):
    """One customer, without a time."""

    id = dy.Int64(primary_key=True)
    name = dy.String(nullable=True)


def readings(**changes: Any) -> Table:
    return Table("readings", **{"source": Files("readings/*.csv"), "contract": Reading, "event_time": "at", **changes})


def customers(**changes: Any) -> Table:
    return Table("customers", **{"source": Files("customers/*.csv"), "contract": Customer, **changes})


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@dataclass
class IngestionSandbox:
    """Files land in the folder of `stores`, and every step of ingestion runs on them."""

    stores: Stores

    @property
    def lake(self) -> Lake:
        return self.stores.lake

    @property
    def state(self) -> State:
        return self.stores.state

    @property
    def landing(self) -> Path:
        return self.stores.settings.landing

    def put(self, path: str, content: str | bytes) -> Path:
        """Write a file as somebody without our tools would; its time always moves on."""
        file = self.landing / path
        file.parent.mkdir(parents=True, exist_ok=True)
        before = file.stat().st_mtime_ns if file.exists() else 0
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        while file.stat().st_mtime_ns == before:
            time.sleep(0)
            file.touch()
        return file

    def land(self, table: Table, path: str, content: str, arrived: datetime) -> None:
        """Land a file with a declared arrival."""
        outside = self.landing.parent / "outside" / Path(path).name
        outside.parent.mkdir(parents=True, exist_ok=True)
        outside.write_text(content)
        land(self.stores.settings, table, [outside], arrived=arrived, replace=True)

    def ingest(self, table: Table) -> IngestReport:
        return ingest(self.stores, table, "run")

    def build(self, table: Table, partition: str = "all") -> ValidatedReport:
        return build_validated(self.stores, table, _slices(table), partition, Author("test", run_id="run"))

    def run(self, table: Table) -> list[ValidatedReport]:
        """Ingest and make every partition."""
        self.ingest(table)
        return [self.build(table, name) for name in touched(self.stores, table, _slices(table))]

    def validated(self, table: Table) -> pl.DataFrame:
        """Every row version, with the path of its file."""
        key = ", ".join(f'v."{name}"' for name in table.key or table.columns)
        frame = self.lake.frame(f"SELECT v.* FROM validated.{table.name} v ORDER BY {key}, v._known_at")
        paths = {version.file_id: version.path for version in versions(self.state, table.name)}
        return frame.with_columns(pl.col("_file").replace_strict(paths, return_dtype=pl.String).alias("path"))

    def quarantine(self, table: Table) -> pl.DataFrame:
        return self.lake.frame(f"SELECT * FROM quarantine.{table.name} ORDER BY _file, _row")

    def check_nothing_lost(self, table: Table, reports: list[ValidatedReport]) -> None:
        """Nothing is lost: every row of every standing file is somewhere, and counted once."""
        refused = [r.path for report in reports for r in report.refused]
        came = sum(version.rows for version in standing(self.state, table.name) if version.path not in refused)
        results = [report.result for report in reports]
        went = sum(r.rows + r.quarantined + r.duplicates + r.dropped + r.overruled for r in results)
        assert went == came, reports


def _slices(table: Table) -> Monthly | None:
    return MONTHS if table.event_time else None
