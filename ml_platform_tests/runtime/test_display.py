"""What steps leave for people: pictures, previews and cards, and how long they are kept."""

import json
import os
import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from ml_platform.evaluation.candidate import Part
from ml_platform.lake.transaction import Author, write
from ml_platform.runtime import display, retention
from ml_platform.state import ledger
from ml_platform.views import performance_plots
from ml_platform.views.version_card import card_of
from ml_platform_tests import scenario
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.world import World, at_work_for_long


@pytest.fixture
def open_world(open_world: OpenWorld) -> OpenWorld:
    """Opens worlds that draw."""
    return partial(open_world, pictures=True)


def _text(world: World, value: dict[str, str]) -> str:
    return world.ws.blobs.get(value["markdown"]).read_text()


def _picture(world: World, value: dict[str, str]) -> str:
    return world.ws.blobs.get(value["picture"]).read_text()


def test_every_step_of_a_month_shows_something(open_world: OpenWorld, february: Path) -> None:
    trips = open_world(february)
    for step in ("features", "predictions", "performance", "training_set"):
        told = trips.display(f"trip_delay/{step}", "2024-02")
        assert "| row 1 |" in _text(trips, told["preview"]), step
    assert "drivers__years" in _text(trips, trips.display("trip_delay/features", "2024-02")["preview"])
    assert "trips__late_mean_7d" in _picture(
        trips, trips.display("trip_delay/candidate", "2024-02")["feature importance"]
    )
    verdicts = trips.display("trip_delay/verdicts", "2024-02")
    assert "the holdout of @2" in _picture(trips, verdicts["ROC curve"])
    assert {"picture"} == set(verdicts["calibration"]) == set(verdicts["scores by label"])
    champion = trips.display("trip_delay/champion", "2024-02")
    assert _text(trips, champion["model card"]).startswith(f"# {champion['champion']}\n")


def test_the_metric_by_month_appears_once_there_are_two(open_world: OpenWorld, february: Path) -> None:
    trips = open_world(february)
    first, second = (trips.display("trip_delay/performance", month) for month in ("2024-01", "2024-02"))
    assert "roc_auc by month" not in first and "roc_auc by month" not in second  # January had no champion
    trips.land("trips", "trips_2024-04.csv", scenario.trip_rows("2024-04"))
    trips.run("2024-03")
    picture = _picture(trips, trips.display("trip_delay/performance", "2024-03")["roc_auc by month"])
    assert "2024-02" in picture and "2024-03" in picture and "@1" in picture


def test_maintenance_keeps_the_pictures_of_the_newest_records_and_no_others(
    open_world: OpenWorld, february: Path
) -> None:
    trips = open_world(february)
    told = trips.display("trip_delay/verdicts", "2024-02")
    shown = [told["ROC curve"]["picture"], told["model card"]["markdown"]]
    orphan = trips.ws.blobs.put_bytes(b"a picture of a record that is no more")
    for path in (trips.settings.artifacts / digest[:2] / digest for digest in [*shown, orphan]):
        _age(path)
    at_work_for_long(trips)
    retention.maintain(trips.ws, keep_days=7)
    assert all(trips.ws.blobs.whole(digest) for digest in shown)
    assert not trips.ws.blobs.path(orphan).exists()


def test_every_blob_that_the_newest_records_show_is_kept(open_world: OpenWorld, february: Path) -> None:
    trips = open_world(february)
    texts = [
        json.dumps([details.display, list(details.checks)])
        for details in (ledger.details(trips.ws.state, record.id) for record in trips.records().values())
    ]
    digests = re.compile(r'"(?:picture|markdown|blob)": "([0-9a-f]{64})"')
    shown = {digest for text in texts for digest in digests.findall(text)}
    assert len(shown) > 5
    assert shown <= retention.referenced(trips.ws.state)
    assert retention.shown(trips.ws.state) <= shown


def _age(path: Path) -> None:
    old = path.stat().st_mtime - 30 * 86_400
    os.utime(path, (old, old))


def test_pictures_change_no_content_key_and_a_hit_draws_nothing(
    open_world: OpenWorld, february: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trips = open_world(february)

    def drawn(*_: Any) -> Any:
        raise AssertionError("a hit drew a picture")

    monkeypatch.setattr(display, "drawn", drawn)
    monkeypatch.setattr(performance_plots, "drawn", drawn)
    for step in ("features", "predictions", "performance", "candidate", "verdicts", "champion"):
        outcome = trips.step(f"trip_delay/{step}", "2024-02")
        assert outcome.status == "unchanged"
    assert "markdown" in outcome.display["model card"]


def test_without_the_drawing_library_a_sentence_stands_in_its_place(
    open_world: OpenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(display, "find_spec", lambda name: None)
    trips = open_world(None)
    assert "pip install" in display.drawn(trips.ws, lambda: b"never drawn")  # type: ignore[operator]  # a sentence


def test_odd_tables_can_be_previewed(open_world: OpenWorld) -> None:
    trips = open_world(None)
    frame = pl.DataFrame(
        {
            "😀|*": ["a"],
            "bytes": [b"\xff"],
            "nested": [{"a": [1, 2]}],
            "list": [["x"]],
            "_platform": [1],
            **{f"c{number}": [number] for number in range(200)},
        }
    )
    with write(trips.ws.lake, Author("test")) as tx:
        tx.replace("odd", "table", frame, partition="all")
    text = display.preview(trips.ws, "odd.table", rows=1, of="all")
    assert "😀\\|\\*" in text and "0xff" in text and "more columns" in text and "platform" not in text
    assert display.preview(trips.ws, "odd.table", rows=0, of="other") == "No rows."
    assert display.preview(trips.ws, "no.table", rows=1, of="all") == "No rows."


def test_each_task_has_its_pictures(open_world: OpenWorld) -> None:
    ws = open_world(None).ws
    frame = pl.DataFrame({"x": range(6)})
    numbers = Part(frame, pl.Series([1.0, 2, 3, 4, 5, 6]), (), np.array([1.5, 2, 3, 4, 4, 7]))
    assert set(performance_plots.judged(ws, "regression", numbers, "x")) == {"predicted and actual", "residuals"}
    classes = Part(frame, pl.Series(["a", "b"] * 3), ("a", "b"), np.array([[0.9, 0.1], [0.2, 0.8]] * 3))
    assert set(performance_plots.judged(ws, "multiclass", classes, "x")) == {"confusion", "recall by class"}
    alike = Part(frame, pl.Series([True] * 6), (), np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]))
    told = performance_plots.judged(ws, "binary", alike, "the month")
    assert told["ROC curve"] == "none: all labels of the month are true"
    assert "picture" in told["calibration"]
    assert performance_plots.judged(ws, "binary", alike.where(np.zeros(6, bool)), "x") == {}


def test_the_card_has_the_interval_of_the_metric_and_not_of_a_difference(open_world: OpenWorld, february: Path) -> None:
    trips = open_world(february)
    card = card_of(trips.ws, trips.pipeline, 2)
    line = next(line for line in card.splitlines() if line.startswith("| roc_auc | "))
    value, between = (cell.strip() for cell in line.split("|")[2:4])
    low, high = map(float, between.split(" to "))
    assert low <= float(value) <= high and float(value) > 0.5
    assert "## Available since" in card and "trips__late_mean_7d_by_driver" in card
    assert "nothing that became known later" in card
