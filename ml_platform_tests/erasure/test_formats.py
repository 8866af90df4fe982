"""Landed files of every format, packed ones and keys of every kind, in a table with `clean`."""

import gzip
import json
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import dataframely as dy
import polars as pl
import pytest

from ml_platform import Examples, Files, LightGBM, ModelPipeline, Split, Table
from ml_platform.erasure import entity_of, forget
from ml_platform.spec.declarations import Declarations
from ml_platform_tests.erasure.churn_world import holding, settings_of
from ml_platform_tests.world import World

BIG = 2**63 - 1


class People(dy.Schema):
    person = dy.Int64(primary_key=True)
    born = dy.Date(nullable=True)
    name = dy.String(nullable=True)
    tall = dy.Bool(nullable=True)


def clean(raw: pl.DataFrame) -> pl.DataFrame:
    """Another name for the key, and rows without a name are dropped."""
    return raw.rename({"id": "person"}).filter(pl.col("name").is_not_null())


def pipeline(source: Files) -> ModelPipeline:
    return ModelPipeline(
        "tallness",
        description="Who is tall.",
        owners=["team:x"],
        tables=[Table("people", source, People, clean=clean)],
        examples=Examples("people", "person", ["name"], label="tall"),
        features=[],
        trainer=LightGBM(),
        split=Split(validation=0.1, holdout=0.2),
        gates=[],
    )


ROWS: list[dict[str, Any]] = [
    {"id": 1, "born": date(1990, 1, 2), "name": 'Zoë 7f3aq,\n"q"', "tall": True},
    {"id": BIG, "born": date(1990, 1, 3), "name": "7f3aq of BIG", "tall": False},
    {"id": 3, "born": None, "name": "c", "tall": True},
    {"id": BIG, "born": None, "name": None, "tall": None},
]


def as_csv(rows: list[dict[str, Any]]) -> bytes:
    return pl.DataFrame(rows).write_csv().encode()


def as_lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(f"{json.dumps(row, default=str)}\n" for row in rows).encode()


def as_parquet(rows: list[dict[str, Any]], file: Path) -> bytes:
    pl.DataFrame(rows).write_parquet(file)
    return file.read_bytes()


FORMATS: dict[str, Callable[[list[dict[str, Any]], Path], bytes]] = {
    "csv": lambda rows, _: as_csv(rows),
    "csv.gz": lambda rows, _: gzip.compress(as_csv(rows)),
    "ndjson": lambda rows, _: as_lines(rows),
    "json": lambda rows, _: json.dumps(rows, default=str).encode(),
    "parquet": as_parquet,
}


@pytest.mark.slow
@pytest.mark.parametrize("ending", FORMATS)
def test_rows_go_from_files_of_every_format_also_those_that_clean_drops(ending: str, tmp_path: Path) -> None:
    declared = pipeline(Files(f"people/*.{ending}"))
    settings = settings_of(tmp_path / "data")
    folder = settings.landing / "people"
    folder.mkdir(parents=True)
    (folder / f"read.{ending}").write_bytes(FORMATS[ending](ROWS, tmp_path / "x"))
    with closing(World(settings, [declared], pictures=False)) as world:
        world.step("raw/people", "all")
        world.step("validated/people", "all")
        (folder / f"waits.{ending}").write_bytes(FORMATS[ending](ROWS[1:], tmp_path / "x"))
        key = world.records()["validated/people", "all"].content_key
    declarations = Declarations({"tallness": declared})
    entity = entity_of(declared.table("people"), [str(BIG)])
    report = forget(settings, declarations, entity, actor="ann")
    assert report.counts["raw.people"] == 2 and report.counts["landed files of people"] == 4
    assert holding(settings.data, "of BIG") == []
    forget(settings, declarations, entity_of(declared.table("people"), ["born=1990-01-02"]), actor="ann")
    assert holding(settings.data, "7f3aq") == []
    with closing(World(settings, [declared], pictures=False)) as world:
        world.step("raw/people", "all")
        assert world.ws.lake.rows("SELECT person, name FROM validated.people") == [(3, "c")]
        outcome = world.step("validated/people", "all")
        assert outcome.rows == 1 and outcome.content_key != key  # the waiting file is another content
