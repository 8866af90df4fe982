"""Packages of a world's champion, and processes that have nothing but one of them."""

import subprocess
import sys
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ml_platform import LightGBM
from ml_platform.features.definition import FeatureDefinition
from ml_platform.models import bundle as bundles
from ml_platform.models.bundle import Bundle
from ml_platform.models.registry import trainer_of
from ml_platform.models.training_data import TrainingData
from ml_platform.serving.filling import fill
from ml_platform.serving.online import OnlinePredictor
from ml_platform.serving.packaging import wheel
from ml_platform.serving.packaging.packaged_version import PackagedVersion, version_number
from ml_platform.serving.sqlite_store import SQLiteStore
from ml_platform.spec.tasks import Task
from ml_platform.training.environment import environment
from ml_platform_tests.world import World

FORBIDDEN = (
    "ml_platform",
    "dagster",
    "duckdb",
    "sqlalchemy",
    "evidently",
    "pandas",
    "pyarrow",
    "sklearn",
    "fastapi",
    "uvicorn",
)
CARD = "# Model card\n\nOf a test.\n"
_ALONE = """
import sys
from importlib.abc import MetaPathFinder

class Refusal(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in FORBIDDEN:
            raise ModuleNotFoundError(f"{name} is not installed here", name=name)

sys.meta_path.insert(0, Refusal())
sys.path.insert(0, FOLDER)
"""


def champion(world: World) -> PackagedVersion:
    """The version that serves, on its way into a package."""
    name = world.pipeline.name
    return PackagedVersion.of(world.ws, name, version_number(world.ws, name, "champion"), CARD)


def alone(folder: Path, program: str, *arguments: str, forbidden: tuple[str, ...] = (*FORBIDDEN, "pydantic")) -> str:
    """What a program prints in a process of its own that finds the folder, and none of the forbidden modules."""
    start = f"FORBIDDEN, FOLDER = {forbidden!r}, {str(folder)!r}\n{_ALONE}\n{program}"
    done = subprocess.run(
        [sys.executable, "-I", "-c", start, *arguments], capture_output=True, text=True, timeout=120, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def flight_delay(folder: Path) -> PackagedVersion:
    """A version of the shipped pipeline, which learnt from rows of chance: its scores mean nothing."""
    return chance_version(folder, "binary")


def chance_version(folder: Path, task: Task, seed: int = 7) -> PackagedVersion:
    """A version of the features of flights, which learnt labels of chance for that task."""
    from ml_platform.pipelines.flight_delay import flight_delay as pipeline

    definition = FeatureDefinition.of(pipeline)
    random, rows = np.random.default_rng(seed), 300
    columns: dict[str, pl.Series] = {}
    for name, dtype in definition.model_columns.items():
        if dtype == pl.String:
            columns[name] = pl.Series(random.choice(["UA", "EWR", "IAH"], rows))
        else:
            columns[name] = pl.Series(random.integers(0, 2 if dtype == pl.Boolean else 100, rows)).cast(dtype)
    parts = np.repeat(["train", "validation", "holdout"], rows // 3)
    labels: dict[Task, Any] = {
        "binary": random.random(rows) < 0.5,
        "multiclass": random.choice(["a", "b", "c"], rows),
        "regression": random.random(rows) * 10,
    }
    training_set = folder / "training_set.parquet"
    pl.DataFrame(columns).with_columns(_label=pl.Series(labels[task]), _part=parts).write_parquet(training_set)
    types = {name: str(dtype) for name, dtype in definition.model_columns.items()}
    word = LightGBM(rounds=5, min_data_in_leaf=5)
    trainer = trainer_of(word)
    model = trainer.fit(TrainingData(training_set, task, types), trainer.config(word, task), threads=1)
    bundle = Bundle(
        pipeline=pipeline.name,
        signature=model.signature,
        model_format=model.format,
        model=model.to_bytes(),
        definition=definition.to_json(),
        training={"training_set": "0" * 64},
        versions=environment(model.libraries),
    )
    return PackagedVersion.of_bundle(bundle, bundle.packed, 3, CARD, training_set)


def unpack(version: PackagedVersion, folder: Path) -> Path:
    """The folder of the installed wheel of a version."""
    built = wheel.build(version, folder)
    with zipfile.ZipFile(built.path) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def predictor(world: World, folder: Path) -> OnlinePredictor:
    """The platform's own, over a store that was filled from the lake."""
    version = champion(world)
    store = SQLiteStore(folder / "online.sqlite")
    fill(world.ws, version.definition, store, timedelta(days=365))
    bundle = bundles.load(world.ws.blobs, version.manifest.bundle)
    return OnlinePredictor(bundle, version.manifest.version, store)


def february_rows(world: World, count: int = 60) -> pl.DataFrame:
    """Examples of February: the columns that a request brings."""
    names = ", ".join(f'"{name}"' for name in world.pipeline.row_schema)
    return world.ws.lake.frame(
        f"SELECT {names} FROM {world.pipeline.name}.features WHERE _partition = '2024-02' "
        f"ORDER BY {world.pipeline.examples.keys[0]} LIMIT {count}"
    )
