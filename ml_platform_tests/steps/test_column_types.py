"""Every type of a contract is carried from the file to the score, or refused as the declaration loads (S7).

One pipeline has each carried type as an input of 400 rows a month, and again in a table of 3 rows: DuckLake keeps few
rows in its catalog and many in files.
"""

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import dataframely as dy
import polars as pl
import pytest

from ml_platform import (
    AtLeast,
    Derived,
    Drift,
    Examples,
    Files,
    Latest,
    LightGBM,
    Lookup,
    ModelPipeline,
    Monthly,
    Retrain,
    Split,
    Table,
    Window,
)
from ml_platform.errors import DeclarationError
from ml_platform.models import bundle as bundles
from ml_platform.models.predictor import Predictor
from ml_platform.notebook.opening import open as open_platform
from ml_platform.sources.landing import land
from ml_platform.spec.canonical import canonical
from ml_platform.state import versions
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.world import World, world

LEVELS = ["high", "low", "mid"]
START = datetime(2024, 1, 1, tzinfo=UTC)
# The types that are carried: name → the contract's column, and how row n of a file has it.
CARRIED: dict[str, tuple[Any, Any]] = {
    "level": (dy.Enum(["low", "mid", "high"]), lambda n: LEVELS[n % 3]),
    "sort": (dy.Categorical(), lambda n: "xyz"[n // 3 % 3]),
    "label_text": (dy.String(), lambda n: "pqr"[n // 9 % 3]),
    "price": (dy.Decimal(12, 2, min=Decimal("-1")), lambda n: Decimal(n * 37 % 10_001) / 100),
    "exact": (dy.Decimal(38, 10), lambda n: Decimal("12345678901234.5678901234") + n * 7919 % 1000),
    "big": (dy.UInt64(), lambda n: 2**63 + n * 31 % 97 * 2**20),
    "tiny": (dy.Int8(), lambda n: n * 13 % 256 - 128),
    "short": (dy.UInt16(), lambda n: n * 1009 % 65_536),
    "single": (dy.Float32(), lambda n: (n * 29 % 64) / 64),
    "double": (dy.Float64(), lambda n: (n * 53 % 101) / 7),
    "flag": (dy.Bool(), lambda n: n // 2 % 3 == 0),
    "born": (dy.Date(), lambda n: date(1970, 1, 1) + timedelta(days=n * 41 % 9999)),
}
MODEL = [name for name in CARRIED if name != "born"]


def contract(name: str, **further: Any) -> Any:
    columns = {column: declared for column, (declared, _) in CARRIED.items()}
    return type(name, (dy.Schema,), {**further, **columns})


Things = contract(
    "Things",
    id=dy.Int64(primary_key=True),
    at=dy.Datetime(time_zone="UTC"),
    known_at=dy.Datetime(time_zone="UTC"),
    kind=dy.Int64(),
    y=dy.Float64(),
)
Kinds = contract("Kinds", kind=dy.Int64(primary_key=True))


def pipeline() -> ModelPipeline:
    things = Table("things", Files("things/*.parquet"), Things, event_time="at", known_at="known_at")
    kinds = Table("kinds", Files("kinds/*.parquet"), Kinds)
    windows = [
        Window(
            "things",
            of=name,
            agg=["mean", "max", "n_unique"],
            over=["2d"],
            resolution=1e9 if name in ("big", "exact") else 1e-2,
        )
        for name in ("price", "exact", "big", "tiny", "single")
    ]
    return ModelPipeline(
        "typed",
        tables=[things, kinds],
        examples=Examples("things", "id", ["kind", *CARRIED], label="y", at="at", exclude=["kind"]),
        features=[
            Lookup("kinds", on="kind", take=list(CARRIED)),
            Latest("things", on="kind", take=MODEL, as_="last"),
            *windows,
            Derived(
                age=(pl.col("at").dt.date() - pl.col("born")).dt.total_days(),
                kind_age=(pl.col("at").dt.date() - pl.col("kinds__born")).dt.total_days(),
                is_high=pl.col("level") == "high",
                dear=pl.col("price") > 50.25,
            ),
        ],
        trainer=LightGBM(num_leaves=15, rounds=60, min_data_in_leaf=5),
        gates=[AtLeast("r2", 0.5), AtLeast("r2", -9.0, by="level"), AtLeast("r2", -9.0, by="price")],
        split=Split(validation="3d", holdout="9d"),
        retrain=Retrain(min_examples=100),
        drift=Drift(report_rows=200),
        partitions=Monthly(since="2024-01", until="2024-04"),
    )


def rows(month: int, count: int = 400) -> pl.DataFrame:
    chance = random.Random(month)
    numbers = [chance.randrange(10**6) for _ in range(count)]
    first = datetime(2024, month, 1, tzinfo=UTC)
    days = (datetime(2024, month + 1, 1, tzinfo=UTC) - first) / count
    columns: dict[str, Any] = {name: [of(n) for n in numbers] for name, (_, of) in CARRIED.items()}
    y = [
        (n % 3) * 3 + (n // 3 % 3) * 2 + float(columns["price"][i]) / 20 + (columns["tiny"][i]) / 64
        for i, n in enumerate(numbers)
    ]
    frame = pl.DataFrame(columns, schema={name: Things.columns()[name].dtype for name in CARRIED})
    at = [first + days * i for i in range(count)]
    return frame.with_columns(
        pl.Series("id", range(month * 10_000, month * 10_000 + count)),
        pl.Series("at", at, dtype=pl.Datetime("us", "UTC")),
        pl.Series("known_at", [moment + timedelta(hours=1) for moment in at], dtype=pl.Datetime("us", "UTC")),
        pl.Series("kind", [n % 3 for n in numbers]),
        pl.Series("y", y),
    )


def kind_rows() -> pl.DataFrame:
    columns = {name: [of(n) for n in range(3)] for name, (_, of) in CARRIED.items()}
    frame = pl.DataFrame(columns, schema={name: Kinds.columns()[name].dtype for name in CARRIED})
    return frame.with_columns(pl.Series("kind", range(3)))


def put(one: World, table: str, name: str, frame: pl.DataFrame, arrived: datetime) -> None:
    path = one.settings.data / "outside" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(path)
    land(one.settings, one.tables[table], [path], arrived=arrived)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("typed") / "data"
    one = world(folder, pipeline())
    put(one, "kinds", "kinds.parquet", kind_rows(), START)
    for month, count in ((1, 400), (2, 400), (3, 3)):  # rows of March complete February
        put(one, "things", f"{month}.parquet", rows(month, count), datetime(2024, month + 1, 1, tzinfo=UTC))
    one.run("2024-02")
    one.close()
    return folder


@pytest.fixture
def typed(open_world: OpenWorld, built: Path) -> World:
    return open_world(built, pipeline())


def as_stored(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col(pl.Enum, pl.Categorical).cast(pl.String))


def test_values_are_the_same_in_raw_validated_and_feature_tables(typed: World) -> None:
    landed = as_stored(pl.concat([rows(1), rows(2)])).sort("id")
    listed = ", ".join(["id", *CARRIED])
    for table in ("raw.things", "validated.things", "typed.features"):
        assert typed.frame(f"SELECT {listed} FROM {table} WHERE id < 30000 ORDER BY id").equals(
            landed.select("id", *CARRIED)
        ), table
    few = as_stored(kind_rows()).sort("kind")
    for table in ("raw.kinds", "validated.kinds"):
        assert typed.frame(f"SELECT {', '.join(CARRIED)} FROM {table} ORDER BY kind").equals(few.select(*CARRIED)), (
            table
        )
    looked_up = ", ".join(f"kinds__{name} AS {name}" for name in CARRIED)
    joined = typed.frame(f"SELECT DISTINCT kind, {looked_up} FROM typed.features ORDER BY kind").drop("kind")
    assert joined.equals(few.select(*CARRIED))


def test_the_model_sees_every_column_and_learns_from_levels_and_decimals(typed: World) -> None:
    columns = set(pipeline().model_columns)
    assert columns >= {*MODEL, *(f"kinds__{name}" for name in MODEL), *(f"last__{name}" for name in MODEL)}
    version = versions.version(typed.ws.state, "typed", 1)
    bundle = bundles.load(typed.ws.blobs, version.bundle)
    assert set(bundle.columns) == columns
    assert bundle.levels["level"] == LEVELS and set(bundle.levels) >= {"sort", "label_text", "last__level"}
    importance = bundle.fitted.importance()
    assert importance["level"] + importance["is_high"] > 0.1 and importance["price"] + importance["dear"] > 0.05
    stored = pl.read_parquet(typed.ws.blobs.get(version.training_set))
    landed = as_stored(rows(1)).sort("id")
    assert (
        stored.sort("id")
        .select(*CARRIED)
        .equals(landed.filter(pl.col("id").is_in(stored["id"].implode())).select(*CARRIED))
    )
    assert all(
        typed.display("typed/champion", month)["outcome"] in ("promoted", "kept") for month in ("2024-01", "2024-02")
    )


def test_a_row_scores_as_its_batch(typed: World) -> None:
    version = versions.version(typed.ws.state, "typed", 1)
    predictor = Predictor(bundles.load(typed.ws.blobs, version.bundle))
    features = typed.frame("SELECT * FROM typed.features WHERE _partition = '2024-02' ORDER BY id").head(50)
    scores = predictor.scores(features).tolist()
    assert [predictor.score_row(row) for row in features.iter_rows(named=True)] == scores
    predicted = typed.frame(
        "SELECT score FROM typed.predictions WHERE _partition = '2024-02' ORDER BY CAST(key AS INT)"
    )
    assert predicted["score"].head(50).to_list() == scores


def test_drift_and_the_page_have_every_column_of_the_model(typed: World) -> None:
    drift = typed.frame("SELECT * FROM typed.drift WHERE _partition = '2024-02'")
    assert set(drift["feature"]) >= set(pipeline().model_columns)
    assert drift.filter(pl.col("feature").is_in(MODEL))["status"].unique().to_list() == ["ok"]
    told = typed.display("typed/report", "2024-02")
    assert told.get("left out", []) == [] and "open" in told, told


def test_a_notebook_has_the_same_values(typed: World) -> None:
    with open_platform(typed.settings.data) as platform:
        frame = platform["typed"].features("2024-02").collect().sort("id")
    assert frame.select(*CARRIED).equals(as_stored(rows(2)).sort("id").select(*CARRIED))


REFUSED = {
    "Duration": (dy.Duration(), "total_seconds"),
    "Time": (dy.Time(), "seconds since midnight"),
    "List": (dy.List(dy.String()), "plain columns"),
    "Struct": (dy.Struct({"x": dy.Int64()}), "plain columns"),
    "Array": (dy.Array(dy.Float64(), 3), "plain columns"),
    "Binary": (dy.Binary(), "hex"),
    "Any": (dy.Any(), "Declare text"),
    "Object": (dy.Object(), "Declare text"),
    "nanoseconds": (dy.Datetime(time_unit="ns"), 'time_unit="us"'),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_type_that_the_lake_does_not_hold_is_refused_as_the_table_is_declared(name: str) -> None:
    column, remedy = REFUSED[name]
    declared = type("Odd", (dy.Schema,), {"id": dy.Int64(primary_key=True), "odd": column})
    with pytest.raises(DeclarationError, match=f"'odd' is .*{remedy}"):
        Table("odd", Files("*.csv"), declared)


def _declared(**changes: Any) -> ModelPipeline:
    things = Table("things", Files("things/*.parquet"), Things, event_time="at", known_at="known_at")
    kinds = Table("kinds", Files("kinds/*.parquet"), Kinds)
    examples = Examples(
        "things", "id", changes.pop("inputs", ["kind"]), label="y", at="at", exclude=changes.pop("exclude", ())
    )
    return ModelPipeline("p", tables=[things, kinds], examples=examples, trainer=LightGBM(), **changes)


@pytest.mark.parametrize(
    ("declared", "lost"),
    [
        ({"inputs": ["kind", "born"], "features": []}, "'born' (Date)"),
        ({"features": [Lookup("kinds", on="kind", take=["born"])]}, "'kinds__born' (Date)"),
        ({"features": [Derived(day=pl.col("at").dt.date())]}, "'day' (Date)"),
    ],
)
def test_a_date_that_nothing_reads_is_refused_and_not_dropped(declared: dict[str, Any], lost: str) -> None:
    with pytest.raises(DeclarationError) as refused:
        _declared(**declared)
    assert f"nothing reads {lost}" in str(refused.value)


def test_a_date_that_something_reads_or_that_is_excluded_is_declared() -> None:
    age = Derived(age=(pl.col("at").dt.date() - pl.col("born")).dt.total_days())
    assert list(_declared(inputs=["kind", "born"], features=[age]).model_columns) == ["kind", "age"]
    assert list(_declared(inputs=["kind", "born"], exclude=["born"], features=[]).model_columns) == ["kind"]


def test_a_feature_of_a_type_that_the_lake_does_not_hold_is_refused() -> None:
    with pytest.raises(DeclarationError, match=r"'wait' is Duration.*total_seconds"):
        _declared(features=[Derived(wait=pl.col("at") - pl.col("at"))])


def test_every_carried_type_has_a_canonical_form_with_its_constraints() -> None:
    assert canonical(Things)["columns"]["price"]["min"] == {"decimal": "-1"}
    assert canonical(Things) == canonical(Things) != canonical(Kinds)
