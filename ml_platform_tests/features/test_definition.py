"""Feature definitions as data (S15)."""

import json
import subprocess
import sys
from dataclasses import replace

import dataframely as dy
import polars as pl
import pytest

from ml_platform import (
    Derived,
    Examples,
    Files,
    Latest,
    LightGBM,
    Lookup,
    ModelPipeline,
    Since,
    Table,
    TimeSince,
    Window,
)
from ml_platform.errors import FeatureError
from ml_platform.features.definition import FeatureDefinition
from ml_platform.spec.features import Feature
from ml_platform.steps.features import code_version
from ml_platform_tests.scenario.flights import pipeline

DAY = 86_400_000_000


def everything(*more: Feature) -> ModelPipeline:
    local = pl.col("departs").dt.convert_time_zone("America/New_York")
    return pipeline(
        Derived(hour=local.dt.hour(), short=pl.col("carrier").str.slice(0, 1), warm=pl.col("weather__temp") > 20.5),
        Lookup("planes", on="tail", take=["seats"]),
        Latest("weather", on={"origin": "airport"}, take=["temp"], max_age="3h", offset="1d"),
        Latest("weather", on={"origin": "airport"}, take=["temp"]),
        Since("flights", on=("carrier", "origin")),
        Window(
            "flights",
            by={"short": "carrier"},
            of="delay",
            agg=["mean", "std"],
            over=["3h", "7d"],
            where=pl.col("delay").is_not_null() & (pl.col("origin") == "JFK"),
            resolution=0.01,
        ),
        *more,
    )


def test_a_definition_survives_json_without_the_pipeline() -> None:
    definition = FeatureDefinition.of(everything())
    again = FeatureDefinition.from_json(definition.to_json())
    assert again == definition and again.key == definition.key and again.to_json() == definition.to_json()
    assert again.schema == definition.schema
    assert again.outputs == everything().feature_schema and again.model_columns == everything().model_columns
    assert set(again.status_columns) == {"planes__status", "weather__status", "weather_1d_ago__status"}


def test_a_definition_holds_json_values_of_our_own_only() -> None:
    text = FeatureDefinition.of(everything()).to_json()
    for foreign in ("BinaryExpr", "TemporalExpr", "pickle", "dataframely"):  # polars' words change with its versions
        assert foreign not in text
    assert json.loads(text)["format"] == 1


def test_a_time_since_is_stored_with_its_condition() -> None:
    feature = TimeSince("weather", on={"origin": "airport"}, where=pl.col("temp") < 0, as_="since_frost")
    definition = FeatureDefinition.of(pipeline(feature))
    assert json.loads(definition.to_json())["joined"] == [
        {
            "kind": "time_since",
            "table": "weather",
            "on": [["origin", "airport"]],
            "where": {"op": "lt", "inputs": [{"column": "temp"}, {"value": 0}], "rules": 2},
            "outputs": ["since_frost"],
        }
    ]
    assert FeatureDefinition.from_json(definition.to_json()) == definition
    assert definition.reads("weather") is None


def test_a_definition_of_newer_code_is_refused_by_name() -> None:
    with pytest.raises(FeatureError, match=r"has format 99; this version reads up to 1\. Use the ml_platform that"):
        FeatureDefinition.from_json('{"format": 99}')


def test_the_key_follows_what_is_computed_and_nothing_else() -> None:  # S31
    key = FeatureDefinition.of(everything()).key
    assert FeatureDefinition.of(everything()).key == key
    assert FeatureDefinition.of(replace(everything(), description="prose", owners=("team:x",))).key == key
    for more in (Derived(x=pl.col("hour") + 1), Window("flights", agg=["count"], over=["3h"])):
        assert FeatureDefinition.of(everything(more)).key != key


def test_reading_back_in_time_is_limited_where_only_windows_read() -> None:
    definition = FeatureDefinition.of(
        pipeline(Window("flights", agg=["count"], over=["3h", "7d"]), Lookup("planes", on="tail", take=["seats"]))
    )
    assert definition.reads("flights") == 7 * DAY
    assert definition.reads("planes") is None and definition.reads("weather") == 0
    assert FeatureDefinition.of(everything()).reads("flights") is None


def test_only_the_columns_that_features_read_are_part_of_it() -> None:
    tables = FeatureDefinition.of(everything()).tables
    assert set(tables["planes"].columns) == {"tail", "seats"}
    assert set(tables["flights"].columns) == {"flight", "departs", "carrier", "origin", "delay"}
    assert not tables["planes"].timed and tables["weather"].key == ("airport", "seen")


def test_serving_needs_the_json_and_no_training_library() -> None:
    text = FeatureDefinition.of(everything()).to_json()
    code = (
        "import sys; from ml_platform.features.definition import FeatureDefinition; "
        "from ml_platform.features.online.answering import OnlineFeatures; "
        "features = OnlineFeatures(FeatureDefinition.from_json(sys.stdin.read())); "
        "assert features.passes; "
        "assert not {'lightgbm', 'sklearn', 'pandas', 'dagster'} & set(sys.modules); "
        "print(len(features.definition.outputs))"
    )
    run = subprocess.run([sys.executable, "-c", code], input=text, capture_output=True, text=True, check=True)
    assert int(run.stdout) == len(everything().feature_schema)


class Fare(dy.Schema):
    """A fare of a route, without a primary key."""

    origin = dy.String()
    seen = dy.Datetime(time_zone="UTC")
    price = dy.Decimal(12, 2)
    seats = dy.Int64()


class KeyedFare(Fare):
    """The same with one."""

    number = dy.Int64(primary_key=True)


LATEST = Latest("fares", on="origin", take=["seats"])


def _with_fares(feature: Feature, contract: type[dy.Schema]) -> ModelPipeline:
    flights = pipeline().tables[0]
    return ModelPipeline(
        "fares",
        tables=(flights, Table("fares", Files("fares/*.csv"), contract, event_time="seen")),
        examples=Examples("flights", "flight", ("carrier", "origin", "tail"), label=pl.col("delay") > 15, at="departs"),
        features=(feature,),
        trainer=LightGBM(),
    )


@pytest.mark.parametrize(
    ("feature", "contract", "version"),
    [
        (LATEST, Fare, 2),
        (LATEST, KeyedFare, 1),
        (Window("fares", by="origin", of="price", agg=["mean"], over=["7d"]), KeyedFare, 2),
        (Window("fares", by="origin", of="price", agg=["n_unique"], over=["7d"]), KeyedFare, 1),
        (Window("fares", by="origin", of="seats", agg=["mean"], over=["7d"]), Fare, 1),
    ],
    ids=["ties without key", "a key", "sums of decimals", "decimals that are not summed", "rows that are summed"],
)
def test_a_change_of_code_counts_where_it_alters_values_only(  # S31
    feature: Feature, contract: type[dy.Schema], version: int
) -> None:
    definition = FeatureDefinition.of(_with_fares(feature, contract))
    assert definition.code_version == version
    assert "version" not in definition.to_json()


def test_the_key_of_the_step_says_so_only_there() -> None:  # S31
    def in_key(feature: Feature, contract: type[dy.Schema]) -> list[int]:
        declared = _with_fares(feature, contract)
        return code_version(declared, FeatureDefinition.of(declared))

    assert in_key(LATEST, KeyedFare) == [1], "as in the lakes of before"
    assert in_key(LATEST, Fare) == [1, 2]
