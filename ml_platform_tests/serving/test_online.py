"""Answers of the online predictor are those of the batch, from a store that was filled from the lake."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ml_platform import Derived, Window
from ml_platform.errors import FeatureError, ServingError
from ml_platform.features.definition import FeatureDefinition
from ml_platform.features.online.answering import Adjustments, OnlineFeatures
from ml_platform.models import bundle as bundles
from ml_platform.models.predictor import Predictor
from ml_platform.serving.batch import answers
from ml_platform.serving.deploying import deploy_champion
from ml_platform.serving.filling import fill
from ml_platform.serving.online import OnlinePredictor
from ml_platform.serving.online_store import Bounds, Filling
from ml_platform.serving.sqlite_store import SQLiteStore
from ml_platform.state import versions
from ml_platform.state.promotions import champion_at
from ml_platform_tests import scenario
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.features.relations import online_answers
from ml_platform_tests.world import World


def predictor(world: World, store: SQLiteStore, answered_span: timedelta | None = None) -> OnlinePredictor:
    ws, name = world.ws, world.pipeline.name
    champion = champion_at(ws.state, name, world.pipeline.partitions.window("2024-02")[0])
    assert champion is not None
    bundle = bundles.load(ws.blobs, versions.version(ws.state, name, champion).bundle)
    fill(ws, OnlinePredictor.definition_of(bundle), store, answered_span)
    return OnlinePredictor(bundle, champion, store)


def batch(world: World) -> list[dict[str, Any]]:
    """The rows of February's features with their predictions."""
    name = world.pipeline.name
    key = world.pipeline.examples.keys[0]
    return world.ws.lake.frame(
        f"SELECT f.*, p.score AS _score, p.class AS _class FROM {name}.features f JOIN {name}.predictions p "
        f"ON p.key = CAST(f.{key} AS VARCHAR) AND p._partition = f._partition WHERE f._partition = '2024-02'"
    ).to_dicts()


def test_online_answers_have_the_features_and_scores_of_the_batch(
    open_world: OpenWorld, february: Path, tmp_path: Path
) -> None:
    world = open_world(february)
    store = SQLiteStore(tmp_path / "online.sqlite")
    online = predictor(world, store)
    rows = batch(world)
    assert len(rows) > 100
    for row in rows:
        answer = online.predict(row)
        assert dict(answer.features) == {name: row[name] for name in answer.features}
        assert (answer.score, answer.class_name) == (row["_score"], row["_class"])
    store.close()


def test_the_age_of_a_row_is_the_time_from_its_event_to_the_prediction(
    open_world: OpenWorld, february: Path, tmp_path: Path
) -> None:
    world = open_world(february)
    online = predictor(world, SQLiteStore(tmp_path / "online.sqlite"))
    seen = world.ws.lake.frame("SELECT zone, observed_at FROM validated.traffic").group_by("zone").all()
    moments = dict(seen.iter_rows())
    ages = set()
    for row in batch(world)[:50]:
        answer = online.predict(row)
        at = row[world.pipeline.examples.at or ""]
        past = [at - moment for moment in moments.get(row["zone"], []) if moment < at]
        if answer.statuses["traffic__status"] == "unknown":
            assert answer.ages == {}
        else:  # a reading may become known later than it happened
            assert timedelta(microseconds=answer.ages["traffic__status"]) in past
            ages |= set(answer.ages.values())
    assert len(ages) > 5


def test_a_row_that_is_older_than_asked_for_is_stale_and_never_younger_than_declared(
    open_world: OpenWorld, february: Path, tmp_path: Path
) -> None:
    world = open_world(february)
    online = predictor(world, SQLiteStore(tmp_path / "online.sqlite"))
    statuses = set()
    for row in batch(world)[:50]:
        plain = online.predict(row)
        age = plain.ages.get("traffic__status", 0)
        for limit in (0, age, 10**15):
            answer = online.predict(row, Adjustments(max_staleness={"traffic__status": limit}))
            too_old = age > limit
            status = "stale" if too_old else plain.statuses["traffic__status"]
            expected = {**plain.features, **({"traffic__jam": None} if too_old else {})}
            assert (dict(answer.features), answer.statuses["traffic__status"]) == (expected, status)
            statuses.add(status)
    assert statuses >= {"ok", "stale"}


def test_an_override_takes_the_place_of_a_looked_up_feature_and_derived_ones_follow(
    open_world: OpenWorld, tmp_path: Path, february: Path
) -> None:
    world = open_world(february)
    definition = predictor(world, SQLiteStore(tmp_path / "online.sqlite")).definition
    derived = scenario.trips(features=[*scenario.trips().features, Derived(decades=pl.col("drivers__years") / 10)])
    features = OnlineFeatures(FeatureDefinition.of(derived))
    question = features.question({name: batch(world)[0][name] for name in definition.row_schema})
    values = [None] * len(features.passes)
    answers = features.answer(question, values, {}, Adjustments(overrides={"drivers__years": 25})).values
    assert (answers["drivers__years"], answers["decades"], answers["drivers__status"]) == (25, 2.5, "overridden")
    assert features.answer(question, values, {}, Adjustments()) == features.answer(question, values, {})


def test_what_no_example_can_use_any_more_is_left_out_and_the_past_is_refused(
    open_world: OpenWorld, february: Path, tmp_path: Path
) -> None:
    world = open_world(february)
    whole, recent = SQLiteStore(tmp_path / "whole.sqlite"), SQLiteStore(tmp_path / "recent.sqlite")
    predictor(world, whole)
    online = predictor(world, recent, answered_span=timedelta(days=2))
    size = {store: sum(filling.value_bytes for filling in store.fillings().values()) for store in (whole, recent)}
    assert size[recent] < size[whole]
    rows = sorted(batch(world), key=lambda row: row[world.pipeline.examples.at])
    with pytest.raises(FeatureError, match=r"earliest moment that the online store answers.*ONLINE_DAYS"):
        online.predict(rows[0])
    assert online.predict(rows[-1]).score == rows[-1]["_score"]


def test_a_store_that_was_not_filled_answers_nothing(open_world: OpenWorld, february: Path, tmp_path: Path) -> None:
    world = open_world(february)
    ws, name = world.ws, world.pipeline.name
    bundle = bundles.load(ws.blobs, versions.versions(ws.state, name)[0].bundle)
    with pytest.raises(ServingError, match="has nothing of"):
        OnlinePredictor(bundle, 1, SQLiteStore(tmp_path / "online.sqlite"))


def test_a_value_of_another_layout_is_never_read(open_world: OpenWorld, february: Path, tmp_path: Path) -> None:
    world = open_world(february)
    store = SQLiteStore(tmp_path / "online.sqlite")
    online = predictor(world, store)
    row = batch(world)[0]
    with store._writing() as connection:
        connection.execute("UPDATE stored_values SET value = zeroblob(64) WHERE length(name) > 8")
    with pytest.raises(FeatureError, match="another layout"):
        online.predict(row)


def test_a_filling_replaces_what_was_there_and_is_skipped_for_the_same_snapshot(
    open_world: OpenWorld, february: Path, tmp_path: Path
) -> None:
    world = open_world(february)
    store = SQLiteStore(tmp_path / "online.sqlite")
    predictor(world, store)
    first = store.fillings()
    predictor(world, store)
    assert store.fillings() == first
    (fingerprint, *_) = first
    store.fill(fingerprint, [(fingerprint + b"[1]", b"x")], first[fingerprint])
    assert store.read([fingerprint + b"[1]", None, fingerprint + b"[2]"]) == [b"x", None, None]
    assert store.fillings()[fingerprint].values == 1


def test_examples_without_time_are_answered_from_the_rows_that_stand(
    open_world: OpenWorld, trained_churn: Path, tmp_path: Path
) -> None:
    world = open_world(trained_churn, scenario.churn())
    ws, pipeline = world.ws, world.pipeline
    champion = champion_at(ws.state, pipeline.name)
    assert champion is not None
    bundle = bundles.load(ws.blobs, versions.version(ws.state, pipeline.name, champion).bundle)
    store = SQLiteStore(tmp_path / "online.sqlite")
    fill(ws, OnlinePredictor.definition_of(bundle), store)
    online = OnlinePredictor(bundle, champion, store)
    rows = ws.lake.frame(f"SELECT * FROM {pipeline.name}.features LIMIT 50").cast(pl.Schema(online.definition.schema))
    scores = answers(rows, Predictor(bundle))["score"].to_list()
    assert scores and [online.predict(row).score for row in rows.iter_rows(named=True)] == scores


def test_a_row_from_the_future_moves_no_horizon(open_world: OpenWorld, february: Path, tmp_path: Path) -> None:
    world = open_world(february)
    future = (
        "UPDATE validated.trips SET _usable_at = TIMESTAMPTZ '2999-01-01' WHERE _row = 0 AND _partition = '2024-01'"
    )
    world.ws.lake.connection.execute(future)
    online = predictor(world, SQLiteStore(tmp_path / "online.sqlite"), answered_span=timedelta(days=1))
    assert online.horizon is not None and online.horizon < datetime.now(UTC)


def test_versions_whose_windows_reach_further_share_no_values_with_others(
    open_world: OpenWorld, february: Path, tmp_path: Path
) -> None:
    world = open_world(february)
    store = SQLiteStore(tmp_path / "online.sqlite")
    short, long = (
        FeatureDefinition.of(
            replace(world.pipeline, features=(Window("trips", agg=["count"], over=[span], as_="busy"),), gates=())
        )
        for span in ("1h", "20d")
    )
    at = world.ws.lake.value("SELECT max(_usable_at) FROM validated.trips WHERE _partition = '2024-02'")
    for definitions in ((short, long), (long, short)):
        for definition in definitions:
            fill(world.ws, definition, store, timedelta(0))
        for definition in definitions:
            example = dict.fromkeys(definition.row_schema) | {definition.at or "": at + timedelta(minutes=1)}
            relations = {"trips": "validated.trips"}
            (expected,) = online_answers(world.ws.lake.connection, definition, relations, [example])
            assert _answered(definition, store, example) == expected
        store.belong_to("another lake")
        assert store.fillings() == {}


def _answered(definition: FeatureDefinition, store: SQLiteStore, example: dict[str, Any]) -> dict[str, Any]:
    features = OnlineFeatures(definition)
    question = features.question(example)
    (one,) = features.passes
    bounds, value = store.read([one.layout.fingerprint, *question.keys])
    assert bounds is not None
    return features.answer(question, [value], {one.table_name: Bounds.of(bounds).since}).values


def test_what_no_deployed_version_reads_is_forgotten(open_world: OpenWorld, february: Path, tmp_path: Path) -> None:
    world = open_world(february)
    store = SQLiteStore(tmp_path / "online.sqlite")
    other = replace(world.pipeline, features=(Window("trips", agg=["count"], over=["9d"], as_="busy"),), gates=())
    (unread,) = (one.layout.fingerprint for one in OnlineFeatures(FeatureDefinition.of(other)).passes)
    fill(world.ws, FeatureDefinition.of(other), store)
    deployment = deploy_champion(world.ws, world.pipeline.name, store, None)
    assert deployment is not None and store.deployments() == {world.pipeline.name: deployment}
    assert unread not in store.fillings() and store.fillings()
    assert deploy_champion(world.ws, world.pipeline.name, store, None) == deployment


def test_a_store_with_tables_of_another_format_is_emptied_once_and_then_kept(tmp_path: Path) -> None:
    path, name = tmp_path / "online.sqlite", b"layout01"
    with closing(sqlite3.connect(path)) as older:
        older.execute("CREATE TABLE stored_values (name BLOB PRIMARY KEY, value BLOB, n INTEGER) WITHOUT ROWID")
        older.execute("INSERT INTO stored_values VALUES (?, ?, 1)", [name, b"old"])
        older.commit()
    store = SQLiteStore(path)
    assert store.read([name]) == [None]
    filling = Filling("flights", 1, None, None, datetime.now(UTC))
    store.fill(name, [(name + b"[1]", b"new")], filling)
    assert SQLiteStore(path).read([name + b"[1]"]) == [b"new"]


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "online.sqlite"
    path.write_bytes(b"not a database, but long enough to be looked at" * 50)
    with pytest.raises(ServingError, match=r"online.sqlite cannot be read or written"):
        SQLiteStore(path)
    SQLiteStore(tmp_path / "new" / "online.sqlite").close()
    assert (tmp_path / "new" / "online.sqlite").stat().st_mode & 0o077 == 0
