"""A column may have any name, also one that pydantic has a use for."""

import json

import dataframely as dy
import polars as pl
import pytest
from pydantic import TypeAdapter, ValidationError

from ml_platform import Derived, Examples, LightGBM, ModelPipeline
from ml_platform.features.definition import FeatureDefinition
from ml_platform.serving.events.tables import EventTable
from ml_platform.serving.rest.event_requests import events_adapter, to_event_request
from ml_platform.serving.rest.models import model_of_columns, values_of, values_that_were_set
from ml_platform.serving.rest.request_model import request_adapter, to_predict_request
from ml_platform.serving.rest.wrong_fields import wrong_fields
from ml_platform.spec.sources import Files
from ml_platform.spec.tables import Table
from ml_platform_tests.serving.event_world import BASE

NAMES = [
    "model_config",
    "json",
    "copy",
    "schema",
    "model_dump",
    "model_fields",
    "self",
    "class",
    "unit price",
    "column_0",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("error")
def test_an_event_has_a_column_of_that_name(name: str) -> None:
    contract = type("Contract", (dy.Schema,), {"id": dy.Int64(primary_key=True), "named": dy.Int64(alias=name)})
    adapter = events_adapter([EventTable(Table("things", Files("things/*.csv"), contract), None)])
    sent = [{"id": 1, name: 2}, {"id": 2, name: 3}]
    assert to_event_request(adapter.validate_python({"table": "things", "rows": sent})).rows == sent
    assert name in str(adapter.json_schema())
    for wrong in ({"id": 1, name: "many"}, {"id": 1}):
        with pytest.raises(ValidationError) as refused:
            adapter.validate_python({"table": "things", "rows": [wrong]})
        assert [one["field"] for one in wrong_fields(refused.value)["fields"]] == [f"rows.0.{name}"]
    with pytest.raises(ValidationError) as refused:  # by the name of an attribute
        adapter.validate_python({"table": "things", "rows": [{"id": 1, name: 2, "column_1": 2}]})
    assert [one["field"] for one in wrong_fields(refused.value)["fields"]] == ["rows.0.column_1"]


@pytest.mark.filterwarnings("error")
def test_what_was_set_has_its_column() -> None:
    model = model_of_columns("Some", {name: (int | None, {"default": None}) for name in NAMES})
    row = TypeAdapter(model).validate_python({"copy": 1, "model_config": None})
    assert values_that_were_set(row) == {"copy": 1, "model_config": None}
    assert values_of([row]) == [{**dict.fromkeys(NAMES), "copy": 1}]


class Visits(dy.Schema):
    """An example with inputs of such names."""

    visit = dy.Int64(primary_key=True)
    at = dy.Datetime(time_zone="UTC")
    sent = dy.Float64(alias="json", nullable=True)
    config = dy.String(alias="model_config", nullable=True)
    good = dy.Bool(nullable=True)


@pytest.mark.filterwarnings("error")
def test_an_example_has_an_input_of_that_name() -> None:
    declared = ModelPipeline(
        "visits_go_well",
        tables=(Table("visits", Files("visits/*.csv"), Visits, event_time="at"),),
        examples=Examples("visits", key="visit", at="at", inputs=["json", "model_config"], label="good"),
        features=(Derived(twice=pl.col("json") * 2),),
        trainer=LightGBM(),
    )
    adapter = request_adapter(FeatureDefinition.of(declared))
    row = {"visit": 1, "at": BASE.isoformat(), "json": 0.5, "model_config": None}
    assert to_predict_request(adapter.validate_json(json.dumps({"rows": [row]}))).rows == [{**row, "at": BASE}]
    with pytest.raises(ValidationError) as refused:
        adapter.validate_json(json.dumps({"rows": [{**row, "json": "many"}]}))
    assert [one["field"] for one in wrong_fields(refused.value)["fields"]] == ["rows.0.json"]
