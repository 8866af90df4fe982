"""An example: real data that a pipeline of ours can be tried on, and landing it as it might have arrived."""

import importlib
import pkgutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

import ml_platform.demo
from ml_platform.errors import NotFoundError
from ml_platform.settings import Settings
from ml_platform.sources.landed import files_of
from ml_platform.sources.landing import land
from ml_platform.spec.partitions import Partitions
from ml_platform.spec.tables import Table

_AFTER = timedelta(hours=6)  # from the end of a partition to the arrival of its file


@dataclass(frozen=True)
class Example:
    """What a demo module declares, at its top level, for one pipeline.

    `land` puts what is not there yet into the landing folder, up to the partition given (None: all there is), and
    says how many files that were. `source` says in a line what the data are and whence they come.
    """

    pipeline: str
    source: str
    land: Callable[[Settings, str | None], int]


@dataclass(frozen=True)
class Delivery:
    """A file for a table, and when it came."""

    table: Table
    name: str
    arrived: datetime
    rows: pl.DataFrame

    @property
    def path(self) -> str:
        """Where it lands, relative to the landing folder."""
        return str(Path(files_of(self.table).pattern).with_name(self.name))


def examples() -> dict[str, Example]:
    """Every example by the name of its pipeline, in order of name: those of all modules of this package."""
    modules = (
        importlib.import_module(f"{__package__}.{m.name}") for m in pkgutil.iter_modules(ml_platform.demo.__path__)
    )
    declared = [value for module in modules for value in vars(module).values() if isinstance(value, Example)]
    return {example.pipeline: example for example in sorted(declared, key=lambda example: example.pipeline)}


def find(name: str) -> Example:
    """The example of that name. Raises NotFoundError, listing those there are."""
    by_name = examples()
    if name not in by_name:
        raise NotFoundError("example", name, list(by_name))
    return by_name[name]


def land_missing(settings: Settings, deliveries: Iterable[Delivery]) -> int:
    """Land as CSV what is not in the landing folder yet; how many files that were."""
    landed = 0
    with tempfile.TemporaryDirectory() as scratch:
        for delivery in deliveries:
            if (settings.landing / delivery.path).exists():
                continue
            file = Path(scratch) / delivery.name
            delivery.rows.write_csv(file, datetime_format="%Y-%m-%dT%H:%M:%SZ")
            land(settings, delivery.table, [file], arrived=delivery.arrived)
            landed += 1
    return landed


def sliced(
    table: Table, rows: pl.DataFrame, at: pl.Expr, partitions: Partitions, through: str | None
) -> Iterable[Delivery]:
    """A file for each partition up to `through` and for the one after it, whose first rows say that it is complete.

    `at` is the UTC time by which rows are in a partition; each file comes some hours after its end.
    """
    keys = rows.select(partitions.key_of(at).alias("key"))["key"]
    for key in keys.unique().sort():
        arrived = partitions.window(key)[1] + _AFTER
        yield Delivery(table, f"{table.name}_{key}.csv", arrived, rows.filter(keys == key))
        if through is not None and key > through:
            return
