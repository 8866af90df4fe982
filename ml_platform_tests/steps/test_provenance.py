"""The gate on where columns come from, in a town: a leak blocks, an acknowledgement lets it pass and is kept (S41)."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import polars as pl
import pytest

from ml_platform import Provenance
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.views.version_card import card_of
from ml_platform_tests import scenario
from ml_platform_tests.scenario.monthly_trips import drivers, traffic, trips_table
from ml_platform_tests.world import World, world

NAME, JANUARY = "trip_delay", "2024-01"


def clean_with_the_answer(trips: pl.DataFrame) -> pl.DataFrame:
    """A little of the delay is in the distance: too little for the Leakage gate."""
    late = pl.col("late").cast(pl.Float64, strict=False).fill_null(0.0)
    return trips.with_columns(pl.col("zone").str.strip_chars(), km=pl.col("km").cast(pl.Float64) + late / 100 + 2)


def leaking(**acknowledged: str) -> ModelPipeline:
    declared = scenario.trips(tables=[trips_table(clean=clean_with_the_answer), traffic, drivers])
    gates = [*declared.gates, *([Provenance(acknowledged=acknowledged)] if acknowledged else [])]
    return scenario.trips(tables=declared.tables, gates=gates)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with closing(world(tmp_path_factory.mktemp("town") / "data", leaking())) as one:
        one.land_trips(JANUARY, "2024-02")
        one.run(JANUARY)
        yield one


def outcome(town: World) -> dict[str, Any]:
    verdicts = town.display(f"{NAME}/verdicts", JANUARY)["verdicts"]
    return next(v for v in verdicts if v["gate"].startswith("no input or clock") and not v["slice"])


def test_an_input_made_of_the_label_blocks_until_it_is_acknowledged_and_the_card_keeps_the_reason(town: World) -> None:
    assert outcome(town)["passed"] == "failed"
    champion = town.display(f"{NAME}/champion", JANUARY)
    assert (champion["outcome"], champion["champion"]) == ("kept", "none")
    assert "km moves with the raw column late, which the label is made of." in champion["reason"]
    town.declare(leaking(km="The taximeter tells it."))
    town.run(JANUARY, recompute=True)
    assert outcome(town)["passed"] == "passed"
    assert town.display(f"{NAME}/champion", JANUARY)["champion"] == f"{NAME}@1"
    assert "Acknowledged: The taximeter tells it." in card_of(town.ws, town.pipeline, 1)
