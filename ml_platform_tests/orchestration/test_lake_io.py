"""`ml_platform.LakeIOManager`: an asset of a project's own takes partitions of the platform's tables as frames."""

from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ml_platform import LakeIOManager
from ml_platform.errors import LakeError, OrderError, PlatformError
from ml_platform.lake.connection import Lake
from ml_platform.orchestration.build import build_definitions
from ml_platform.orchestration.partitions import partitions_of
from ml_platform.orchestration.workspaces import workspace_for
from ml_platform.settings import Settings
from ml_platform_tests import scenario
from ml_platform_tests.conftest import OpenWorld

MONTHS = dg.MonthlyPartitionsDefinition("2024-01", fmt="%Y-%m")
PREDICTIONS = ["trip_delay", "predictions"]
TRIPS = ["validated", "trips"]


@dg.asset(key_prefix="shop")
def orders() -> int:
    """An asset of the project's own that another I/O manager stores."""
    return 1


@pytest.fixture(autouse=True)
def lake(february: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Trips through February, for reading only. Drivers are a table without time."""
    monkeypatch.setenv("ML_PLATFORM_DATA", str(february))
    monkeypatch.setenv("ML_PLATFORM_THREADS", "1")
    return february


def consumer(key: list[str], annotation: Any, partitions_def: Any, given: list[Any], **options: Any) -> Any:
    """An asset with one input `rows`, which it appends to `given`."""

    def mine(rows: Any) -> None:
        given.append(rows)

    mine.__annotations__["rows"] = annotation
    one = dg.AssetIn(key, input_manager_key="lake_io", **options)
    return dg.asset(ins={"rows": one}, partitions_def=partitions_def)(mine)


def input_of(key: list[str], annotation: Any, partitions_def: Any = None, **options: Any) -> Any:
    """What an asset is given for such an input; `partition_key` and `tags` are those of its run.

    `selected` are the keys of the platform's assets in that run.
    """
    selection = [dg.AssetKey(key) for key in [["mine"], *options.pop("selected", [])]]
    run = {name: options.pop(name) for name in ("partition_key", "tags") if name in options}
    given: list[Any] = []
    mine = consumer(key, annotation, partitions_def, given, **options)
    platform = build_definitions([scenario.trips()])
    resources = {**(platform.resources or {}), "lake_io": LakeIOManager()}
    dg.materialize([mine, orders, *(platform.assets or [])], selection=selection, resources=resources, **run)
    return given[0]


def taken(key: list[str], annotation: Any = pl.DataFrame, partitions_def: Any = None, **options: Any) -> pl.DataFrame:
    """The rows of such an input, which is of the annotated type."""
    given = input_of(key, annotation, partitions_def, **options)
    assert isinstance(given, pl.DataFrame if annotation is Any else annotation)
    return given.collect() if isinstance(given, pl.LazyFrame) else given


def of_month(key: list[str], month: str, annotation: Any = pl.DataFrame, **options: Any) -> pl.DataFrame:
    return taken(key, annotation, MONTHS, partition_key=month, **options)


def refusal(*arguments: Any, **options: Any) -> PlatformError:
    with pytest.raises(PlatformError) as refused:
        input_of(*arguments, **options)
    return refused.value


def stored(february: Path, sql: str) -> pl.DataFrame:
    with Lake(Settings(data=february, threads=1), read_only=True) as opened:
        return opened.frame(sql)


@pytest.mark.parametrize("annotation", [pl.DataFrame, pl.LazyFrame, Any])
def test_a_partitioned_asset_takes_its_own_partition_by_annotation(lake: Path, annotation: Any) -> None:
    expected = stored(lake, "SELECT * EXCLUDE (_partition) FROM trip_delay.predictions WHERE _partition = '2024-02'")
    assert expected.height == 400
    assert_frame_equal(of_month(PREDICTIONS, "2024-02", annotation), expected, check_row_order=False)


@pytest.mark.parametrize(
    ("key", "rows", "column"),
    [
        (TRIPS, 400, "late"),
        (["trip_delay", "features"], 400, "traffic__jam"),
        (["trip_delay", "performance"], 32, "metric"),
        (["trip_delay", "drift"], 9, "psi"),
    ],
)
@pytest.mark.parametrize("annotation", [pl.DataFrame, pl.LazyFrame])
def test_it_takes_each_table_without_the_platforms_own_columns(
    key: list[str], rows: int, column: str, annotation: Any
) -> None:
    frame = of_month(key, "2024-02", annotation)
    assert frame.height == rows and column in frame.columns
    assert not [name for name in frame.columns if name.startswith("_")]


@pytest.mark.parametrize("annotation", [pl.DataFrame, pl.LazyFrame])
def test_a_partition_that_was_made_and_is_empty_is_an_empty_frame_of_the_same_columns(annotation: Any) -> None:
    empty = of_month(PREDICTIONS, "2024-01", annotation)  # nothing served in January
    assert empty.height == 0
    assert empty.schema == of_month(PREDICTIONS, "2024-02").schema


def test_a_partition_mapping_names_a_range_of_partitions() -> None:
    before = dg.TimeWindowPartitionMapping(start_offset=-1)
    both = of_month(TRIPS, "2024-02", partition_mapping=before)
    assert both["ordered_at"].dt.month().value_counts().sort("ordered_at").rows() == [(1, 400), (2, 400)]


def test_a_run_over_a_range_takes_the_partitions_of_the_range() -> None:
    tags = {"dagster/asset_partition_range_start": "2024-01", "dagster/asset_partition_range_end": "2024-02"}
    assert taken(TRIPS, pl.LazyFrame, MONTHS, tags=tags).height == 800


def test_a_quarter_is_mapped_to_its_months_all_of_which_must_have_been_made() -> None:
    quarters = dg.TimeWindowPartitionsDefinition(start="2024-01", fmt="%Y-%m", cron_schedule="0 0 1 */3 *")
    assert str(refusal(TRIPS, pl.DataFrame, quarters, partition_key="2024-01")) == (
        "validated/trips was not made for 2024-03. Materialize validated/trips for 2024-03 first."
    )


def test_an_asset_without_partitions_takes_all_rows() -> None:
    assert taken(TRIPS).height == taken(TRIPS, pl.LazyFrame).height == 800


def test_a_table_without_time_is_taken_whole_by_any_asset() -> None:
    assert of_month(["validated", "drivers"], "2024-02").height == taken(["validated", "drivers"]).height == 11


def test_it_selects_columns_and_the_platforms_own_by_name() -> None:
    frame = of_month(TRIPS, "2024-02", metadata={"columns": ["_known_at", "trip"]})
    assert frame.columns == ["_known_at", "trip"]


def test_a_table_is_taken_in_the_run_that_fills_it(
    february: Path, open_world: OpenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_PLATFORM_DATA", str(open_world(february).settings.data))
    monkeypatch.setenv("ML_PLATFORM_PIPELINES", '["ml_platform_tests.declarations.trips_on_request"]')
    months = partitions_of(scenario.MONTHS)
    filling = [TRIPS, ["quarantine", "trips"]]
    frame = taken(TRIPS, pl.LazyFrame, months, partition_key="2024-03", selected=filling)
    assert frame["ordered_at"].dt.month().unique().to_list() == [3]
    workspace_for(Settings()).lake.close()


def test_rows_that_a_correction_superseded_are_left_out(
    january: Path, open_world: OpenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = open_world(january)
    corrected = scenario.trip_rows("2024-01").with_columns(pl.lit(1.0).alias("km"))
    world.land("trips", "trips_2024-01.csv", corrected, scenario.MONTHS.window("2024-02")[1])
    world.step("raw/trips", "all")
    world.step("validated/trips", "2024-01")
    assert world.ws.lake.value("SELECT count(*) FROM validated.trips") > 400
    monkeypatch.setenv("ML_PLATFORM_DATA", str(world.settings.data))
    for annotation in (pl.DataFrame, pl.LazyFrame):
        frame = of_month(TRIPS, "2024-01", annotation)
        assert frame.height == 400 and frame["km"].unique().to_list() == [1.0]


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
def test_a_lazy_frame_answers_as_the_frame_does_whatever_is_asked(engine: Any) -> None:
    lazy = input_of(TRIPS, pl.LazyFrame, MONTHS, partition_key="2024-02")
    frame = of_month(TRIPS, "2024-02")
    questions = [
        lambda rows: rows.sort("late", descending=True, nulls_last=True).head(7).select("trip", "late"),
        lambda rows: rows.filter(pl.col("zone") == "hill").select("km").sum(),
        lambda rows: rows.filter(pl.col("km") > 5, pl.col("late").is_null()).sort("trip"),
        lambda rows: rows.group_by("zone").agg(pl.col("km").mean().round(6), pl.len()).sort("zone"),
        lambda rows: rows.join(rows.filter(pl.col("zone") == "hill"), on="driver").select(pl.len()),
        lambda rows: rows.select(pl.len()),
        lambda rows: rows.filter(pl.col("ordered_at").dt.day() == 3).sort("trip").tail(5),
        lambda rows: rows.head(0),
    ]
    for question in questions:
        assert_frame_equal(question(lazy).collect(engine=engine), question(frame.lazy()).collect())


def test_a_lazy_frame_reads_only_the_columns_that_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    stream = Lake.stream
    monkeypatch.setattr(Lake, "stream", lambda self, sql: asked.append(sql) or stream(self, sql))
    lazy = input_of(TRIPS, pl.LazyFrame, MONTHS, partition_key="2024-02")
    assert asked == []
    lazy.filter(pl.col("km") > 5).select("trip").collect()
    assert asked[0].startswith('SELECT "trip", "km" FROM lake."validated"."trips" AT (VERSION => ')


def test_a_lazy_frame_stays_at_the_snapshot_of_its_step_while_the_lake_goes_on(
    february: Path, open_world: OpenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = open_world(february)
    monkeypatch.setenv("ML_PLATFORM_DATA", str(world.settings.data))
    lazy = input_of(TRIPS, pl.LazyFrame)
    world.step("validated/trips", "2024-03")
    assert taken(TRIPS).height > 800
    assert lazy.collect().height == 800


def test_a_partition_that_was_not_made_is_named() -> None:
    cause = refusal(PREDICTIONS, pl.LazyFrame, MONTHS, partition_key="2024-03")
    assert isinstance(cause, OrderError)
    assert str(cause) == (
        "trip_delay/predictions was not made for 2024-03. Materialize trip_delay/predictions for 2024-03 first."
    )


def test_an_asset_that_never_ran_is_named(
    tmp_path: Path, open_world: OpenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_PLATFORM_DATA", str(open_world(None).settings.data))
    for key in (PREDICTIONS, ["validated", "drivers"]):
        assert str(refusal(key, pl.DataFrame)).startswith(f"{'/'.join(key)} was not made. Materialize ")


@pytest.mark.parametrize("key", [["shop", "orders"], ["trip_delay", "champion"]])
def test_an_asset_that_fills_no_table_of_the_lake_is_refused_with_what_to_do(key: list[str]) -> None:
    cause = refusal(key, pl.DataFrame)
    assert isinstance(cause, LakeError)
    assert f"The asset {'/'.join(key)} fills no table of the lake" in str(cause)
    assert "Set input_manager_key to the I/O manager that stored it." in str(cause)


@pytest.mark.parametrize("layer", ["raw", "quarantine"])
def test_rows_as_they_came_are_left_to_sql(layer: str) -> None:
    cause = refusal([layer, "trips"], pl.DataFrame)
    assert f"{layer}/trips holds rows as they came" in str(cause)
    assert f"Take validated/trips, or query lake.{layer}.trips through LakeDuckDB." in str(cause)


def test_an_annotation_that_is_no_frame_of_polars_is_refused_by_name() -> None:
    assert str(refusal(TRIPS, dict)) == (
        "The input 'rows' is annotated as dict, which LakeIOManager cannot load. "
        "Annotate it as pl.DataFrame or pl.LazyFrame."
    )


def test_a_column_that_does_not_exist_is_refused_with_those_that_do() -> None:
    cause = refusal(TRIPS, pl.DataFrame, metadata={"columns": ["trip", "miles"]})
    assert "selects columns that validated/trips does not have: miles. Its columns: trip, ordered_at," in str(cause)


def test_it_stores_nothing_and_says_where_to(lake: Path) -> None:
    @dg.asset(io_manager_key="lake_io")
    def mine() -> int:
        return 1

    with pytest.raises(LakeError, match=r"stores nothing, and so not the value of mine.* io_manager_key"):
        dg.materialize([mine], resources={"lake_io": LakeIOManager()})
