"""A pipeline with transforms: trained, judged, served one by one and together, and packaged, to the same bits (S60)."""

from contextlib import closing
from pathlib import Path

import pytest

from ml_platform import Imputed, LightGBM, Log, OneHot, Reduced, Scaled, TargetEncoded
from ml_platform.errors import ServingError
from ml_platform.models.bundle import load
from ml_platform.models.predictor import Predictor
from ml_platform.serving.packaged.model import PackagedModel
from ml_platform.serving.packaging import onnx
from ml_platform.spec.transforms import Transform
from ml_platform.state import verdicts, versions
from ml_platform.state.promotions import champion_at
from ml_platform_tests import scenario
from ml_platform_tests.serving.packages import champion, february_rows, predictor, unpack
from ml_platform_tests.world import World, world

TRANSFORMS: list[Transform] = [
    Log("km"),
    Imputed("drivers__years", indicator=True),
    TargetEncoded("zone", smoothing=5),
    Scaled(["km", "zone"]),
    Reduced(["km", "hour"], name="size"),
]


def passes(trips: World) -> None:
    trips.land_trips("2024-01", "2024-02")
    trips.run()
    judged = [one for one in verdicts.of(trips.ws.state, trips.pipeline.name, 1) if one.slice == ""]
    assert [one.detail for one in judged if not one.passed] == []
    assert any("same bits" in one.gate for one in judged) and any("same bytes" in one.gate for one in judged)
    assert champion_at(trips.ws.state, trips.pipeline.name)


def test_a_candidate_with_transforms_passes_every_gate_serves_and_is_packaged(tmp_path: Path) -> None:
    pipeline = scenario.trips(trainer=LightGBM(num_leaves=7, rounds=20), transforms=TRANSFORMS)
    with closing(world(tmp_path / "data", pipeline)) as trips:
        passes(trips)
        version = versions.version(trips.ws.state, pipeline.name, 1)
        assert version.metrics["format"] == "transformed-lightgbm-text"
        assert version.parameters["transforms"] == ", ".join(one.written() for one in TRANSFORMS)
        bundle = load(trips.ws.blobs, version.bundle)
        assert set(Predictor(bundle).importance()) == set(pipeline.model_columns)
        assert trips.run() == []

        packaged = champion(trips)
        online, frame = predictor(trips, tmp_path), february_rows(trips, 120)
        own = [online.predict(row) for row in frame.to_dicts()]
        assert online.predict_many(frame).answers["score"].to_list() == [answer.score for answer in own]
        moved = online.contributions(frame.to_dicts()[:3], own[:3])
        assert all(one is not None and set(one) == set(pipeline.model_columns) for one in moved)
        looked_up = [column for form in online.definition.joined for column in form.outputs]
        state = [{column: answer.features[column] for column in looked_up} for answer in own]
        alone = PackagedModel(unpack(packaged, tmp_path / "wheel") / f"{pipeline.name}_model")
        assert [one.score for one in alone.predict(frame, state)] == [answer.score for answer in own]
        with pytest.raises(ServingError, match=r"has fitted transforms .*TargetEncoded.*, which do not become ONNX"):
            onnx.build(packaged, tmp_path)


@pytest.mark.slow
def test_flights_with_transforms_pass_every_gate_and_are_served_as_in_the_batch(tmp_path: Path) -> None:
    from dataclasses import replace

    from ml_platform.demo.nyc_flights import land_months
    from ml_platform.discovery import find
    from ml_platform.settings import Settings

    words: list[Transform] = [
        Imputed("planes__seats"),
        TargetEncoded(["dest", "carrier"]),
        OneHot("origin"),
        Log("distance"),
    ]
    pipeline = replace(find("flight_delay"), transforms=words)
    with closing(World(Settings(data=tmp_path / "data"), [pipeline], pictures=False)) as flights:
        land_months(flights.ws.settings, "2013-02")
        flights.run()
        judged = [one for one in verdicts.of(flights.ws.state, "flight_delay", 2) if one.slice == ""]
        assert [one.detail for one in judged if not one.passed] == [] and len(judged) >= 9
        assert champion_at(flights.ws.state, "flight_delay") == 2
