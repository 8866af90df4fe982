"""`ml_platform.open()`: pipelines, tables and SQL."""

from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import ml_platform
from ml_platform.errors import DeclarationError, LakeError, NotFoundError, QuestionRefused
from ml_platform.notebook.pipeline import Pipeline
from ml_platform.notebook.platform import Platform
from ml_platform_tests import scenario


def test_the_settings_say_where_the_lake_is_when_no_folder_is_given(
    february: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_PLATFORM_DATA", str(february))
    with ml_platform.open() as platform:
        assert "trip_delay" in platform.pipelines


def test_a_change_of_the_working_directory_does_not_move_the_lake(
    february: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(february.parent)
    with ml_platform.open("data") as platform:
        monkeypatch.chdir(tmp_path)
        assert platform["trip_delay"].features().collect().height == 800
        assert platform["trip_delay"].champion is not None


def test_without_a_lake_the_error_says_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match=r"There is no lake in .*ml-platform run"):
        ml_platform.open(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_pipelines_are_those_on_record_and_those_declared(platform: Platform) -> None:
    assert list(platform) == list(platform.pipelines) == ["churn", "trip_delay"]
    assert len(platform.pipelines) == 2
    frame = platform.pipelines.frame
    assert frame.select("pipeline", "newest", "partitions", "versions", "champion").rows() == [
        ("churn", None, 0, 0, None),
        ("trip_delay", "2024-02", 2, 2, 2),
    ]
    assert platform.pipeline("trip_delay").name == platform["trip_delay"].name == "trip_delay"


def test_an_unknown_pipeline_is_answered_with_those_there_are(platform: Platform) -> None:
    with pytest.raises(NotFoundError, match=r"no pipeline 'trips'. Known: churn, trip_delay"):
        platform["trips"]


def test_what_is_on_record_needs_no_declaration(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_PLATFORM_PIPELINES", "[]")
    with ml_platform.open(platform.workspace.settings.data) as undeclared:
        pipeline, declared = undeclared["trip_delay"], platform["trip_delay"]
        assert pipeline.declaration is None
        for name in ("performance", "drift", "versions", "decisions", "promotions"):
            assert_frame_equal(getattr(pipeline, name), getattr(declared, name), check_row_order=False)
        assert repr(pipeline) == repr(declared)
        key = declared.predictions().collect()["key"][0]
        unworded = pipeline.why(key).features
        assert unworded.drop("words").equals(declared.why(key).features.drop("words"))
        assert all(words.startswith(f"{name} is ") for name, words in unworded.select("feature", "words").iter_rows())
        assert "<table>" in pipeline._repr_html_()
        with pytest.raises(DeclarationError, match="needs its declaration, and there is none today"):
            _ = pipeline.status


def test_declarations_that_do_not_load_are_a_note(
    february: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_declarations.py").write_text("import ml_platform\n\nthere is no such statement\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("ML_PLATFORM_PIPELINES", '["broken_declarations"]')
    with ml_platform.open(february) as platform:
        assert list(platform) == ["trip_delay"]
        assert platform["trip_delay"].versions.height == 2
        assert "broken_declarations.py, line 3" in repr(platform)
        assert "broken_declarations.py, line 3" in platform._repr_html_()
        with pytest.raises(DeclarationError, match=r"does not load. .*broken_declarations.py, line 3"):
            _ = platform["trip_delay"].status


def test_tables_are_those_of_the_shared_layers(platform: Platform) -> None:
    layers = ("raw", "validated", "quarantine")
    tables = ("drivers", "traffic", "trips")
    assert platform.tables["table"].to_list() == [f"{layer}.{table}" for layer in layers for table in tables]


def test_a_validated_table_is_the_current_row_of_each_key(platform: Platform) -> None:
    trips = platform.table("validated.trips")
    assert isinstance(trips, pl.LazyFrame)
    landed = pl.concat([scenario.trip_rows("2024-01"), scenario.trip_rows("2024-02")])
    expected = landed.select("trip", "km", "zone").sort("trip")
    assert_frame_equal(trips.select("trip", "km", "zone").sort("trip").collect(), expected)
    assert [name for name in trips.collect_schema().names() if name.startswith("_")] == ["_partition"]


def test_a_raw_table_is_as_it_came(platform: Platform) -> None:
    assert platform.table("raw.trips").collect().height >= 800
    assert "_file" in platform.table("raw.trips").collect_schema()


def test_a_filtered_and_cut_table_is_what_the_whole_one_filtered_and_cut_is(platform: Platform) -> None:
    trips = platform.table("validated.trips")
    far = pl.col("km") > 15
    expected = trips.collect().filter(far)
    assert_frame_equal(trips.filter(far).collect(), expected)
    assert trips.filter(far).head(7).collect().height == 7
    assert trips.filter(far).head(7).select("trip").collect().join(expected, on="trip", how="anti").is_empty()


@pytest.mark.parametrize("address", ["validated.flights", "trips", "", "trip_delay.nothing"])
def test_an_unknown_table_is_answered_with_those_there_are(platform: Platform, address: str) -> None:
    with pytest.raises(NotFoundError, match=r"validated\.trips"):
        platform.table(address)


def test_sql_reads_the_lake_and_the_operational_state(platform: Platform) -> None:
    counted = platform.sql("SELECT count(*) AS n FROM trip_delay.predictions")
    assert counted.rows() == [(400,)]
    recorded = platform.sql(
        "SELECT DISTINCT partition FROM state.records WHERE asset = 'trip_delay/features' ORDER BY 1"
    )
    assert recorded["partition"].to_list() == ["2024-01", "2024-02"]
    assert platform.sql("FROM range(50)", limit=3).height == 3


@pytest.mark.parametrize("query", ["DELETE FROM validated.trips", "SELECT 1; SELECT 2", "DELETE FROM state.records"])
def test_sql_does_nothing_but_read(platform: Platform, query: str) -> None:
    with pytest.raises(QuestionRefused):
        platform.sql(query)


def test_frames_outlive_the_platform_that_gave_them(february: Path) -> None:
    with ml_platform.open(february) as platform:
        features, training_set = platform["trip_delay"].features(), platform["trip_delay"].training_set(1)
    assert features.collect().height == 800
    assert training_set.collect().height > 0


def test_a_pipeline_that_never_ran_is_empty_and_says_so(platform: Platform) -> None:
    churn: Pipeline = platform["churn"]
    assert churn.champion is None and churn.versions.is_empty() and churn.decisions.is_empty()
    assert churn.promotions.is_empty() and churn.status.is_empty()
    with pytest.raises(NotFoundError, match=r"no table 'churn\.features'"):
        churn.features()
    assert repr(churn) == "churn: 0 partitions, 0 versions, no champion"


def test_uses_lists_who_reads_a_column_or_a_feature(platform: Platform) -> None:
    used = platform.uses("traffic.jam")
    assert used.select("role", "version", "use").rows() == [
        ("declared", None, "value"),
        ("champion", 2, "value"),
        ("version", 1, "value"),
    ]
    assert platform.uses(feature="traffic__jam")["features"].explode().unique().to_list() == ["traffic__jam"]
