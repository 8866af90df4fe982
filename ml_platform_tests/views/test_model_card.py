"""The model card: one read model, three forms, all from the same records (S42)."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from ml_platform.errors import DeclarationError, NotFoundError
from ml_platform.escaping import NO_SCRIPT, policy_of
from ml_platform.lake import snapshots
from ml_platform.state import promotions, versions
from ml_platform.state.lineage import landed_files
from ml_platform.state.promotions import Promotion
from ml_platform.views.model_card import json_form
from ml_platform.views.model_card.assembled import model_card, stored_card
from ml_platform.views.model_card.markdown import markdown
from ml_platform.views.model_card.page import page
from ml_platform.views.model_card.so_far import changes_about
from ml_platform_tests import scenario
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.hostile_text import Page
from ml_platform_tests.world import World

NAME = "trip_delay"
SCHEMA = Path(__file__).parents[2] / "docs" / "model-card.schema.json"


@pytest.fixture
def town(open_world: OpenWorld, february: Path) -> World:
    declared = scenario.trips(purpose="For dispatchers.", limits=["Not for strikes."], segments=["zone"])
    return open_world(february, declared, pictures=True)


def test_the_card_tells_what_the_records_tell(town: World) -> None:
    card, version = model_card(town.ws, town.pipeline, 2), versions.version(town.ws.state, NAME, 2)
    assert (card.name, card.purpose, card.training.training_set) == (
        f"{NAME}@2",
        "For dispatchers.",
        version.training_set,
    )
    assert {one.name: one.value for one in card.metrics} == version.metrics["holdout"]
    assert all(one.low is not None and one.high is not None for one in card.metrics)
    assert (card.target.label, card.target.table, card.target.predicts_at) == ("late > 10", "trips", "ordered_at")
    assert card.so_far is not None and card.so_far.serves == "yes"
    assert card.reproduction.identical is True
    assert card.limits[0].text == "Not for strikes." and card.limits[0].kind == "declared"
    assert [one.what for one in card.changes] == ["promoted"]
    assert card.training.decision.startswith("triggered: ")


def test_tables_have_the_snapshots_that_wrote_them_and_the_hash_of_their_files(town: World) -> None:
    tables = {one.table: one for one in model_card(town.ws, town.pipeline, 2).tables}
    files = [file for file in landed_files(town.ws.state) if file.table == "trips" and "2024-03" not in file.path]
    lines = sorted(f"{file.sha256} {file.path}\n" for file in files)
    trips = tables["trips"]
    assert trips.files_digest == hashlib.sha256("".join(lines).encode()).hexdigest()
    assert (trips.partitions, trips.files, trips.rows) == (2, 2, 800)
    written = {one.number: one.what for one in snapshots.history(town.ws.lake)}
    assert all("validated/trips" in written[number] for number in trips.snapshots) and len(trips.snapshots) == 2


def test_features_tell_what_training_saw_and_since_when_they_are_there(town: World) -> None:
    card = model_card(town.ws, town.pipeline, 2)
    rows = pl.read_parquet(town.ws.blobs.get(card.training.training_set)).filter(pl.col("_part") == "train")
    features = {one.name: one for one in card.features}
    km = features["km"]
    assert (km.lowest, km.highest, km.null_share) == (rows["km"].min(), rows["km"].max(), 0.0)
    assert features["drivers__years"].null_share == pytest.approx(rows["drivers__years"].null_count() / len(rows))
    assert features["drivers__years"].tables == ("drivers",) and features["zone"].levels == rows["zone"].n_unique()
    assert features["trips__late_mean_7d_by_driver"].available_since == datetime(2024, 1, 1, 1, tzinfo=UTC)
    shares = [one.importance or 0.0 for one in card.features]
    assert shares == sorted(shares, reverse=True) and sum(shares) == pytest.approx(1)


def test_all_three_forms_tell_the_same_and_are_the_same_each_time(town: World) -> None:
    card = model_card(town.ws, town.pipeline, 2)
    text, html, values = markdown(card), page(card), json_form.as_values(card)
    shown = Page(html)
    shown.assert_runs_nothing()
    assert policy_of(html) == NO_SCRIPT and shown.tags.count("img") > 2 and "script" not in shown.tags
    for metric in values["metrics"]:
        assert f"| {metric['name']} | {metric['value']:.4g} |" in text and f"{metric['value']:.4g}" in shown.text
    titles = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
    assert titles == [part.split("</h2>")[0].split(">")[1] for part in html.split("<h2 ")[1:]]
    again = model_card(town.ws, town.pipeline, 2)
    assert (markdown(again), page(again), json_form.as_json(again)) == (text, html, json_form.as_json(card))


def test_json_is_read_back_as_the_card_and_its_schema_is_the_documented_one(town: World) -> None:
    card = model_card(town.ws, town.pipeline, 1)
    assert json_form.from_json(json_form.as_json(card)) == card
    assert json.loads(SCHEMA.read_text()) == json_form.json_schema(), "write it: ml-platform card NAME@N --schema"


def test_the_stored_card_tells_nothing_that_comes_later(town: World) -> None:
    before = stored_card(town.ws, town.pipeline, 1)
    assert before.so_far is None and before.comparison is None and before.changes == ()
    promotions.rollback(town.ws.state, NAME, why="the roads", actor="ada")
    assert stored_card(town.ws, town.pipeline, 1) == before
    card = model_card(town.ws, town.pipeline, 1)
    assert [(one.what, one.actor) for one in card.changes] == [
        ("promoted", "platform"),
        (f"replaced by {NAME}@2", "platform"),
        ("rolled back to", "ada"),
    ]
    assert card.so_far is not None and card.so_far.serves == "yes"
    assert {(one.partition, one.role) for one in card.so_far.realised} == {("2024-02", "champion")}
    assert [one.partition for one in card.so_far.drift] == ["2024-02"]


def test_a_candidate_that_was_kept_out_says_why() -> None:
    moment = datetime(2024, 3, 1, tzinfo=UTC)
    kept = Promotion(1, NAME, 1, "kept", 1, "2024-02", moment, "gate failed", "platform", "r", moment)
    assert [(one.what, one.reason) for one in changes_about([kept], 2, "2024-02")] == [("kept out", "gate failed")]
    assert changes_about([kept], 3, "2024-03") == ()


def test_segments_must_be_columns_and_a_version_must_exist(town: World) -> None:
    with pytest.raises(DeclarationError, match="'moon' is neither input nor feature"):
        scenario.trips(segments=["moon"])
    with pytest.raises(NotFoundError, match="trip_delay@9"):
        model_card(town.ws, town.pipeline, 9)


def test_words_for_the_card_change_no_content_key(open_world: OpenWorld, february: Path) -> None:
    told = open_world(february, scenario.trips(purpose="For dispatchers.", limits=["None."], segments=["driver"]))
    assert told.run("2024-02") == []
