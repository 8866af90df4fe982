"""Columns of any name, from the file to the page: the user's names never meet the platform's (S7)."""

import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dataframely as dy
import polars as pl
import pytest

import ml_platform
from ml_platform import (
    AtLeast,
    Derived,
    Drift,
    Examples,
    Files,
    Label,
    Latest,
    LightGBM,
    Lookup,
    ModelPipeline,
    Monthly,
    Retrain,
    Since,
    Split,
    Table,
    TimeSince,
    Window,
)
from ml_platform.errors import DeclarationError
from ml_platform.models import bundle as bundles
from ml_platform.monitoring.evidently_report import DECISION, LABEL, PERFORMANCE, SCORE, shown_names
from ml_platform.monitoring.report_worker import worker
from ml_platform.sources.landing import land
from ml_platform.spec.features import Feature
from ml_platform.state import versions
from ml_platform.steps.report_figures import figures_of
from ml_platform.views.explanation import explain
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.world import World, world

# Columns of predictions, performance, drift, labels, reports and queries; words of SQL, polars and pandas; signs.
NUMBERS = [
    *("score", "scores", "class", "run_id", "pipeline", "slice", "sliced_by", "metric", "value", "low", "high", "rows"),
    *("unlabelled", "feature", "kind", "psi", "importance", "status", "label", "known", "stands", "count", "len", "n"),
    *("name", "names", "exprs", "index", "level_0", "column", "literal", "group", "by", "on", "e", "f", "k", "l", "t"),
    *("k0", "c0", "f0", "f1", "select", "from", "order", "where", "null", "true", "rowid", "all", "rule"),
    *("reason", "row", "predicted score", "true label", "predicted label", "target", "prediction", "weighted"),
    *(
        " ",
        "  two  ",
        'a"b',
        "a'b",
        "a.b",
        "a|b",
        "a|min",
        "a:b",
        "x,y",
        "{z}",
        "[0]",
        "${v}",
        "%s",
        "$1",
        "?",
        "--",
        ";",
    ),
    *("new\nline", "tab\t", "\\", "/", "</script>", "&amp;", "`", "#", "@", "Temp [°C]", "ÄÖÜ", "😀", "日本語"),
    *("n" * 300, "f::VARCHAR", "_partition"[1:], "-", "+", "0", "1e5", "NaN", "None", "é"),
]
TEXTS = ["version", "role", "key", "Indices", "café", "date", "unnest", "struct"]
# The examples' key and clock, and the columns of the tables beside it, are hostile too.
KEY, AT, KNOWN, OUTCOME = "_key"[1:] + "s", "at", "known_at", "y z"
FAR = "kinds of things: {name}"


def contract(name: str, columns: dict[str, Any]) -> Any:
    """A dataframely contract of columns of any name."""
    members = {}
    for place, (alias, column) in enumerate(columns.items()):
        column._name = ""
        column.alias = alias
        members[f"c{place}"] = column
    return type(name, (dy.Schema,), members)


def things() -> Any:
    columns: dict[str, Any] = {
        KEY: dy.Int64(primary_key=True),
        AT: dy.Datetime(time_zone="UTC"),
        KNOWN: dy.Datetime(time_zone="UTC"),
        **{name: dy.Float64(nullable=True) for name in NUMBERS},
        **{name: dy.String() for name in TEXTS},
        OUTCOME: dy.Float64(),
    }
    return contract("Things", columns)


def kinds() -> Any:
    return contract("Kinds", {"version": dy.String(primary_key=True), "score": dy.Float64(), FAR: dy.String()})


def pipeline() -> ModelPipeline:
    order = Table("order", Files("order/*.parquet"), things(), event_time=AT, known_at=KNOWN)
    group = Table("group", Files("group/*.parquet"), kinds())
    features: list[Feature] = [
        Lookup("group", on="version", take=["score", FAR]),
        Latest("order", on="key", take=["value", "len", "role", 'a"b'], as_="select"),
        Since("order", on=["version", "role"]),
        TimeSince("order", on="key", where=pl.col("count") > pl.col("a.b"), as_="since {x}"),
        Window(
            "order", by="key", of="value", agg=["count", "mean", "n_unique"], over=["2d"], where=pl.col("known") > 0.2
        ),
        Window("order", by={"Indices": "Indices"}, of="new\nline", agg=["sum"], over=["5d"], as_="w[1]"),
        Derived(
            {"a+b": pl.col('a"b') + pl.col("a.b"), "Doubled": pl.col("score") * 2, "_x"[1:]: pl.col("at").dt.hour()}
        ),
    ]
    return ModelPipeline(
        "select",
        tables=[order, group],
        examples=Examples("order", KEY, [*NUMBERS, *TEXTS], label=OUTCOME, at=AT),
        features=features,
        trainer=LightGBM(num_leaves=7, rounds=20, min_data_in_leaf=10),
        gates=[
            AtLeast("r2", 0.2),
            *(AtLeast("r2", -9.0, by=by, min_rows=5) for by in ("version", "role", "key", "score")),
        ],
        split=Split(validation="3d", holdout="9d"),
        retrain=Retrain(min_examples=100),
        drift=Drift(report_rows=150, report_columns=25),
        partitions=Monthly(since="2024-01", until="2024-04"),
    )


def rows(month: int, count: int = 320) -> pl.DataFrame:
    chance = random.Random(month)
    first = datetime(2024, month, 1, tzinfo=UTC)
    step = (datetime(2024, month + 1, 1, tzinfo=UTC) - first) / count
    at = pl.Series([first + step * i for i in range(count)], dtype=pl.Datetime("us", "UTC"))
    columns = {
        KEY: pl.Series([month * 1000 + i for i in range(count)]),
        AT: at,
        KNOWN: at.dt.offset_by("1h"),
        **{name: pl.Series([chance.random() for _ in range(count)]) for name in NUMBERS},
        **{name: pl.Series([chance.choice(["2.0", "3.1", "10.4"]) for _ in range(count)]) for name in TEXTS},
    }
    y = columns["score"] * 3 + (columns["version"] == "3.1").cast(pl.Float64) * 2 + columns["new\nline"]
    return (
        pl.DataFrame({**columns, OUTCOME: y})
        .with_columns(score=pl.Series([i % 2 for i in range(count)], dtype=pl.Float64) + 0.0 * columns["score"])
        .with_columns((pl.col("score") * 3 + (pl.col("version") == "3.1") * 2.0 + pl.col("new\nline")).alias(OUTCOME))
    )


def put(one: World, table: str, name: str, frame: pl.DataFrame, arrived: datetime) -> None:
    path = one.settings.data / "outside" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(path)
    land(one.settings, one.tables[table], [path], arrived=arrived)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("named") / "data"
    one = world(folder, pipeline(), pictures=True)
    few = pl.DataFrame({"version": ["2.0", "3.1"], "score": [7.0, 8.0], FAR: ["p", "q"]})
    put(one, "group", "kinds.parquet", few, datetime(2024, 1, 1, tzinfo=UTC))
    for month, count in ((1, 320), (2, 320), (3, 3)):  # rows of March complete February
        put(one, "order", f"{month}.parquet", rows(month, count), datetime(2024, month + 1, 1, tzinfo=UTC))
    one.run("2024-02")
    one.close()
    return folder


@pytest.fixture
def named(open_world: OpenWorld, built: Path) -> World:
    return open_world(built, pipeline())


def test_values_stay_under_their_names_from_raw_to_features(named: World) -> None:
    landed = pl.concat([rows(1), rows(2)]).sort(KEY)
    wanted = [KEY, *NUMBERS, *TEXTS]
    for table in ("raw", "validated"):
        stored = named.frame(f'SELECT * FROM {table}."order"').sort(KEY).filter(pl.col(KEY) < 3000)
        assert stored.select(wanted).equals(landed.select(wanted)), table
    assert named.frame('SELECT * FROM "select".features').sort(KEY).select(wanted).equals(landed.select(wanted))


def test_segments_are_those_of_the_examples_columns(named: World) -> None:
    measured = named.frame(
        "SELECT DISTINCT sliced_by, slice FROM \"select\".performance WHERE sliced_by <> '' ORDER BY ALL"
    )
    by = {
        name: set(measured.filter(pl.col("sliced_by") == name)["slice"]) for name in ("version", "role", "key", "score")
    }
    assert by == {name: {"2.0", "3.1", "10.4"} for name in ("version", "role", "key")} | {"score": {"0.0", "1.0"}}


def test_every_column_is_learnt_gated_compared_and_drawn(named: World) -> None:
    columns = list(pipeline().model_columns)
    bundle = bundles.load(named.ws.blobs, versions.version(named.ws.state, "select", 1).bundle)
    assert list(bundle.columns) == columns
    importance = bundle.fitted.importance()
    assert set(importance) == set(columns) and importance["score"] + importance["Doubled"] > 0.2
    assert named.display("select/champion", "2024-01")["outcome"] == "promoted"
    drift = named.frame("SELECT feature, status FROM \"select\".drift WHERE _partition = '2024-02'")
    assert set(columns) <= set(drift["feature"]) and set(drift["status"]) == {"ok"}
    told = named.display("select/report", "2024-02")
    assert (told["columns drawn"], told.get("left out"), told["performance drawn"]) == (25, None, True), told


def test_a_page_shows_columns_of_any_name_beside_its_own(tmp_path: Path) -> None:
    strange = [
        "predicted score",
        "true label",
        "target",
        "prediction",
        " ",
        'a"b',
        "a.b",
        "{z}",
        "new\nline",
        "</script><i id=x>",
    ]
    names = shown_names([*strange, "n" * 300, "index", "count", "😀"])
    frame = pl.DataFrame({shown: [float(n % 7) for n in range(60)] for shown in names.values()})
    judged = pl.DataFrame({SCORE: [n / 60 for n in range(60)], LABEL: [n / 50 for n in range(60)]})
    frame = pl.concat([frame, judged.with_columns(pl.col(SCORE).alias(DECISION))], how="horizontal")
    frame.write_parquet(tmp_path / "rows.parquet")
    answer = worker().ask(
        {
            **dict.fromkeys(("reference", "current"), str(tmp_path / "rows.parquet")),
            **{kind: str(tmp_path / f"report.{kind}") for kind in ("html", "json")},
            "columns": dict.fromkeys(names.values(), "number"),
            "captions": {name: f"the figure of column {index}" for index, name in enumerate(names.values())},
            "title": "p 2024-01",
            "heading": "",
            "task": "regression",
            "performance": True,
            "threshold": 0.2,
            "about": {"pipeline": "p", "partition": "2024-01", "told": ""},
        }
    )
    assert (answer["columns"], answer["left out"], answer["performance"]) == (len(names), [], True)
    page = (tmp_path / "report.html").read_text()
    assert "<i id=x>" not in page
    assert all(f"the figure of column {index}" in page for index in range(len(names)))
    drawn = (tmp_path / "report.json").read_text()
    assert all(json.dumps(name)[1:-1] in drawn for name in names.values())


def test_the_pages_own_names_are_no_columns_name() -> None:
    own = ["predicted score", "model performance", "true label", "predicted label"]
    assert not set(shown_names(own).values()) & set(own)


def test_every_column_of_a_report_has_its_own_figure(named: World) -> None:
    figures = figures_of(named.ws, named.pipeline, "2024-02")
    assert figures is not None and "new\nline" in figures.columns
    assert set(figures.captions) == {*shown_names(figures.columns).values(), SCORE, PERFORMANCE}
    measured = named.frame(
        "SELECT feature, psi FROM \"select\".drift WHERE _partition = '2024-02' AND kind IN ('number', 'level')"
    )
    psi = dict(measured.iter_rows())
    for name, page_name in shown_names(figures.columns).items():
        assert figures.captions[page_name].startswith(f"PSI {psi[name]:.3f} of all rows")


def test_a_prediction_is_explained_in_the_notebook_by_the_declared_names(named: World) -> None:
    key = named.frame("SELECT key FROM \"select\".predictions WHERE _partition = '2024-02' LIMIT 1")["key"][0]
    explained = explain(named.ws, "select", key)
    assert {effect.feature for effect in explained.effects} == set(pipeline().model_columns)
    assert explained.rows
    with ml_platform.open(named.settings.data) as platform:
        one = platform["select"]
        features = one.features("2024-02")
        again = one.model(1).predict(features)
        stored = one.predictions("2024-02").collect()
    assert sorted(again["score"].to_list()) == sorted(stored["score"].to_list())


REFUSED = {
    "the platform's": (["a", "_superseded_at"], "'_superseded_at' begins with _"),
    "another of it": (["a", "_row"], "'_row' begins with _"),
    "case": (["at", "At"], "'at' and 'At' differ in case"),
    "accents": (["caf\u00e9", "cafe\u0301"], "differ in case or in the spelling of accents"),
    "nul": (["a", "b\x00c"], "cannot be stored"),
    "all columns": (["a", "*"], "pattern of several columns"),
    "an expression": (["a", "^b.*$"], "pattern of several columns"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_name_that_no_column_can_have_is_refused_as_the_table_is_declared(case: str) -> None:
    names, problem = REFUSED[case]
    with pytest.raises(DeclarationError, match=problem):
        Table("t", Files("*.csv"), contract("Odd", {name: dy.Int64(nullable=True) for name in names}))


def test_a_feature_that_differs_from_another_column_in_case_only_is_refused() -> None:
    table = Table(
        "t", Files("*.csv"), contract("Plain", {"id": dy.Int64(primary_key=True), "Hour": dy.Int64(), "y": dy.Bool()})
    )

    def declared(*features: Feature) -> ModelPipeline:
        return ModelPipeline(
            "p", [table], Examples("t", "id", ["Hour"], label="y"), features, LightGBM(), split=Split(0.1, 0.2)
        )

    for features in (
        [Derived(hour=pl.col("Hour") + 1)],
        [Derived(a=pl.col("Hour")), Derived(A=pl.col("Hour"))],
        [Lookup("t", on={"id": "id"}, take=["y"], as_="t"), Lookup("t", on={"Hour": "Hour"}, take=["id"], as_="T")],
    ):
        with pytest.raises(DeclarationError, match=r"already (used|taken)"):
            declared(*features)
    with pytest.raises(DeclarationError, match="empty name"):
        declared(Derived({"": pl.col("Hour") + 1}))


@pytest.mark.parametrize("name", ["temp", "lake", "state", "system", "information_schema", "pg_catalog", "memory"])
def test_a_pipeline_is_not_called_like_a_database_of_the_platform(name: str) -> None:
    with pytest.raises(DeclarationError, match="reserved"):
        ModelPipeline(name, [], Examples("t", "id", [], label="y"), [], LightGBM())


def test_a_column_that_is_spelled_in_another_case_later_stays_one_column(tmp_path: Path) -> None:
    from ml_platform.lake.transaction import Author, write

    one = world(tmp_path / "data", pipeline(), pictures=True)
    for frame in (pl.DataFrame({"Hour": [1]}), pl.DataFrame({"hour": [2]})):
        with write(one.ws.lake, Author("t", run_id="r")) as tx:
            tx.replace("select", "odd", frame, partition=None, evolve=True)
    assert one.frame('SELECT * FROM "select".odd').to_dicts() == [{"hour": 2}]
    one.close()


def test_a_label_in_another_table_whose_columns_are_called_as_in_the_query_is_found() -> None:
    from ml_platform.training.labels import _presence

    reports = Table(
        "reports",
        Files("r/*.csv"),
        contract("Reports", {"known": dy.Int64(primary_key=True), "stands": dy.Datetime(time_zone="UTC")}),
        event_time="stands",
    )
    cases = Table(
        "cases",
        Files("c/*.csv"),
        contract("Cases", {"l": dy.Int64(primary_key=True), "at": dy.Datetime(time_zone="UTC")}),
        event_time="at",
    )
    examples = Examples("cases", "l", [], label=Label("reports", on={"l": "known"}, matures_after="1d"), at="at")
    declared = ModelPipeline("p", [cases, reports], examples, [], LightGBM())
    import duckdb

    connection = duckdb.connect()
    connection.execute("CREATE SCHEMA validated")
    connection.execute(
        "CREATE TABLE validated.reports AS SELECT 7 AS known, TIMESTAMPTZ '2024-01-01 03:00:00+00' AS stands, "
        "TIMESTAMPTZ '2024-01-01 03:00:00+00' AS _known_at, NULL::TIMESTAMPTZ AS _superseded_at"
    )
    at = "TIMESTAMPTZ '2024-01-01 01:00:00+00'"
    examples_sql = f'(SELECT 7 AS l, {at} AS "at" UNION ALL SELECT 8, {at})'
    assert isinstance(declared.examples.label, Label)
    sql = _presence(declared, declared.examples.label, examples_sql, "TIMESTAMPTZ '2024-02-01 00:00:00+00'")
    assert connection.execute(f"SELECT l, _label FROM {sql} ORDER BY l").fetchall() == [(7, True), (8, False)]
