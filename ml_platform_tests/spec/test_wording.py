"""Features in words, and the columns they are made of."""

import polars as pl

from ml_platform import Derived, Examples, Latest, LightGBM, Lookup, ModelPipeline, Since, Split, TimeSince, Window
from ml_platform.spec.wording import in_words, made_of, of_example
from ml_platform_tests import scenario


def _with(*features: object) -> ModelPipeline:
    return scenario.trips(features=list(features))


def test_each_kind_of_feature_reads_as_a_sentence() -> None:
    words = in_words(
        _with(
            Derived(hour=pl.col("ordered_at").dt.convert_time_zone("Europe/Paris").dt.hour()),
            Lookup("drivers", on="driver", take=["years"]),
            Latest("traffic", on="zone", take=["jam"], max_age="12h", offset="1d"),
            Since("trips", on="driver"),
            TimeSince("trips", on="driver", where=pl.col("late") > 10),
            Window("trips", by="driver", of="late", agg=["mean", "count"], over=["1d", "7d"]),
            Window("trips", over=["2w"], where=pl.col("km") > 20, as_="far"),
            Window("traffic", by="zone", of="jam", agg=["max"], over=["3h"], clock="event_time"),
        )
    )
    assert words["hour"] == "from the example: hour of ordered_at in Europe/Paris"
    assert words["drivers__years"] == "years of the drivers row with the same driver"
    assert words["traffic_1d_ago__jam"] == (
        "jam of the latest traffic row with the same zone known before ordered_at as of 1 day earlier, "
        "at most 12 hours old"
    )
    assert words["trips__since_by_driver"] == (
        "seconds since the latest trips row with the same driver known before ordered_at"
    )
    assert words["trips__time_since_by_driver"] == (
        "seconds since the latest trips row with the same driver where late > 10 known before ordered_at"
    )
    assert words["trips__late_mean_7d_by_driver"] == (
        "mean of late over trips rows with the same driver known in the last 7 days before ordered_at"
    )
    assert words["trips__late_count_1d_by_driver"] == (
        "number of known late over trips rows with the same driver known in the last day before ordered_at"
    )
    assert words["far_count_2w"] == "number of trips rows where km > 20 known in the last 2 weeks before ordered_at"
    assert words["traffic__jam_max_3h_by_zone"] == (
        "greatest of jam over traffic rows with the same zone of the last 3 hours, as far as known before ordered_at"
    )


def test_the_examples_own_columns_say_which_part_they_play() -> None:
    words = in_words(scenario.trips())
    assert words["trip"].endswith("; names the example")
    assert words["ordered_at"].endswith("; the prediction time")
    assert words["driver"].endswith("; no feature by itself")


def test_every_column_of_the_feature_table_has_words_and_origins() -> None:
    for pipeline in (scenario.trips(), scenario.churn()):
        columns = {**pipeline.row_schema, **pipeline.feature_schema}
        words, behind = in_words(pipeline), made_of(pipeline)
        assert set(words) == set(behind) == set(columns)
        assert all(words.values()) and all(behind.values())
        for origins in behind.values():
            for table, column in origins:
                assert column in pipeline.table(table).columns


def test_a_feature_is_made_of_what_it_reads_its_keys_and_its_clocks() -> None:
    behind = made_of(scenario.trips())
    assert behind["hour"] == [("trips", "ordered_at")]
    assert behind["drivers__years"] == [("drivers", "years"), ("drivers", "driver"), ("trips", "driver")]
    assert set(behind["trips__late_mean_7d_by_driver"]) == {
        ("trips", column) for column in ("late", "driver", "ordered_at", "arrived_at")
    }


def test_a_time_since_is_made_of_the_columns_of_its_condition() -> None:
    behind = made_of(_with(TimeSince("traffic", on="zone", where=pl.col("jam") > 5)))
    read = {("traffic", column) for column in ("jam", "zone", "observed_at", "published_at")}
    assert set(behind["traffic__time_since_by_zone"]) == {("trips", "zone"), *read}


def test_what_is_derived_from_joined_features_or_used_as_a_key_leads_back_to_the_tables() -> None:
    behind = made_of(
        _with(
            Derived(area=pl.col("zone").str.to_lowercase(), senior=pl.col("drivers__years") > 5),
            Lookup("drivers", on="driver", take=["years"]),
            Latest("traffic", on={"area": "zone"}, take=["jam"]),
        )
    )
    assert ("drivers", "years") in behind["senior"]
    assert ("trips", "zone") in behind["traffic__jam"] and ("traffic", "zone") in behind["traffic__jam"]


def test_an_example_without_time_knows_what_is_known_now() -> None:
    songs = ModelPipeline(
        "songs",
        tables=[scenario.trips_, scenario.drivers],
        examples=Examples("trips", key="trip", inputs=["driver", "km"], label=pl.col("late") > 10),
        features=[Lookup("drivers", on="driver", take=["years"])],
        trainer=LightGBM(),
        split=Split(validation=0.1, holdout=0.2),
    )
    assert in_words(songs)["drivers__years"] == "years of the drivers row with the same driver"


def test_each_kind_of_feature_names_itself_for_one_example() -> None:
    pipeline = _with(
        Derived(
            hour=pl.col("ordered_at").dt.convert_time_zone("Europe/Paris").dt.hour(),
            odd=(pl.col("km") * 2 + 17.5) / (pl.col("km") + 31.25) - (pl.col("km") * 3 + 4.5) * (pl.col("km") + 1.5),
        ),
        Lookup("drivers", on="driver", take=["years"]),
        Latest("traffic", on="zone", take=["jam"], max_age="12h", offset="1d"),
        Since("trips", on="driver"),
        TimeSince("trips", on="driver", where=pl.col("late") > 10),
        Window("trips", by="driver", of="late", agg=["mean", "count", "n_unique"], over=["1d", "3h"]),
        Window("trips", over=["2w"], where=pl.col("km") > 20, as_="far"),
        Window("traffic", by="zone", of="jam", agg=["max"], over=["3h"], clock="event_time"),
    )
    words = of_example(pipeline, {"driver": "D7", "zone": "hill", "km": 2.5})
    read = {name: f"{column.phrase} is {column.value(None)}" for name, column in words.items()}
    assert read["hour"] == "hour (hour of ordered_at in Europe/Paris) is missing"
    assert read["odd"] == "odd is missing"
    assert read["drivers__years"] == "years of drivers with driver D7 is missing"
    assert read["traffic_1d_ago__jam"] == "jam of the latest traffic with zone hill, 1 day earlier is missing"
    assert words["trips__since_by_driver"].phrase == "time since the latest of trips with driver D7"
    assert words["trips__since_by_driver"].value(9_000.0) == "2 hours 30 minutes"
    assert (
        words["trips__time_since_by_driver"].phrase == "time since the latest of trips with driver D7 where late > 10"
    )
    assert (
        words["trips__late_mean_3h_by_driver"].phrase == "mean late of trips with driver D7 known in the last 3 hours"
    )
    assert words["trips__late_count_1d_by_driver"].phrase == (
        "number of trips with driver D7 (late present) known in the last day"
    )
    assert words["trips__late_n_unique_1d_by_driver"].phrase == (
        "number of different values of late of trips with driver D7 known in the last day"
    )
    assert words["far_count_2w"].phrase == "number of all trips where km > 20 known in the last 2 weeks"
    assert words["traffic__jam_max_3h_by_zone"].phrase == "greatest jam of traffic with zone hill of the last 3 hours"
    assert words["km"].phrase.startswith("km") and words["km"].value(2.5) == "2.5"


def test_every_column_of_the_feature_table_is_named_for_an_example() -> None:
    for pipeline in (scenario.trips(), scenario.churn()):
        assert set(of_example(pipeline, {})) == {*pipeline.row_schema, *pipeline.feature_schema}


def test_values_that_are_text_show_no_commands_to_a_terminal_and_are_cut() -> None:
    words = of_example(_with(Lookup("drivers", on="driver", take=["years"])), {"driver": "\x1b[31m" + "x" * 300})
    phrase = words["drivers__years"].phrase
    assert "\x1b" not in phrase and len(phrase) < 120
