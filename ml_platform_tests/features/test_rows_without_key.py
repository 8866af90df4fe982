"""Rows of a table without key that tie in every time: path of the file, then row, and never a hash (S10)."""

from datetime import timedelta

import dataframely as dy
import polars as pl
import pytest

from ml_platform import Examples, Files, Latest, LightGBM, ModelPipeline, Table
from ml_platform.features.definition import FeatureDefinition
from ml_platform_tests.features.parity import parity
from ml_platform_tests.features.relations import Row, batch_features, connect, version
from ml_platform_tests.features.relations import validated as relations_of
from ml_platform_tests.scenario.flights import DAY, example, pipeline


class Notes(dy.Schema):
    airport = dy.String()
    written = dy.Datetime(time_zone="UTC")
    text = dy.String()


def with_notes() -> ModelPipeline:
    flights = pipeline().tables[0]
    return ModelPipeline(
        "airport",
        tables=(flights, Table("notes", Files("notes/*.csv"), Notes, event_time="written")),
        examples=Examples("flights", "flight", ("carrier", "origin", "tail"), label=pl.col("delay") > 15, at="departs"),
        features=(Latest("notes", on={"origin": "airport"}, take=("text",)),),
        trainer=LightGBM(),
    )


def note(text: str, path: str, row: int, file: str) -> Row:
    written = DAY + timedelta(hours=1)
    known = version({"airport": "EWR", "written": written, "text": text}, written, place=row)
    return {**known, "_path": path, "_file": file}


@pytest.mark.parametrize("files", [("0a", "9f"), ("9f", "0a")], ids=["hashes in order", "hashes turned round"])
def test_the_path_and_then_the_row_decide_in_batch_and_online(files: tuple[str, str]) -> None:
    declared = with_notes()
    definition = FeatureDefinition.of(declared)
    first, second = files
    notes = [note("b1", "b.csv", 1, second), note("b0", "b.csv", 0, second), note("a9", "a.csv", 9, first)]
    with connect() as connection:
        relations = relations_of(connection, declared, {"notes": notes})
        examples = [{**example(1, 5), "origin": "EWR"}]
        made = batch_features(connection, definition, examples, relations)
        assert made["notes__text"].to_list() == ["b1"]
        rows = pl.DataFrame(examples, schema=definition.row_schema)
        assert parity(connection, definition, rows, relations, made).identical
