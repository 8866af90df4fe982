"""A wheel answers alone, with the bits of the platform that built it."""

import hashlib
import json
import re
import shutil
import subprocess
import venv
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from packaging.metadata import Metadata

from ml_platform.errors import BlobError, FeatureError, NotFoundError, ServingError
from ml_platform.features.online.answering import Adjustments
from ml_platform.serving.packaged.manifest import Manifest
from ml_platform.serving.packaged.model import PackagedModel
from ml_platform.serving.packaging import wheel
from ml_platform.serving.packaging.packaged_version import PackagedVersion, version_number
from ml_platform_tests import scenario
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.serving.packages import CARD, alone, champion, february_rows, flight_delay, predictor, unpack
from ml_platform_tests.world import World
from ml_platform_tests.world import world as opened

_PREDICT = """
import json
import polars as pl
import trip_delay_model

rows, state = pl.read_parquet(sys.argv[1]), pl.read_parquet(sys.argv[2]).to_dicts()
model = trip_delay_model.load()
answers = [model.predict(rows, [None] * rows.height), model.predict(rows.to_dicts(), state)]
assert model.predict(rows) == answers[0]
for name, part in zip(("bare", "given"), answers):
    rows = [{"score": a.score, "class": a.class_name, **a.features} for a in part]
    frame = pl.DataFrame(rows, infer_schema_length=None)
    frame.write_parquet(f"{name}.parquet")
print(json.dumps([[dict(a.statuses), a.missing, a.key] for a in answers[0] + answers[1]]))
print(json.dumps(trip_delay_model.about()))
"""


@pytest.fixture(scope="module")
def world(february: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Trips of two months, which the tests of this module read."""
    folder = tmp_path_factory.mktemp("world") / "data"
    shutil.copytree(february, folder)
    with closing(opened(folder, scenario.trips(), pictures=False)) as one:
        yield one


@pytest.fixture(scope="module")
def unpacked(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an installed wheel."""
    return unpack(champion(world), tmp_path_factory.mktemp("wheel"))


def test_without_the_platform_it_gives_the_platforms_scores_classes_and_features(
    world: World, unpacked: Path, tmp_path: Path
) -> None:
    online, rows = predictor(world, tmp_path), february_rows(world)
    looked_up = [name for form in online.definition.joined for name in form.outputs]
    own = [online.predict(row) for row in rows.to_dicts()]
    state = pl.DataFrame([{name: one.features[name] for name in looked_up} for one in own], infer_schema_length=None)
    rows.write_parquet(tmp_path / "rows.parquet")
    state.write_parquet(tmp_path / "state.parquet")
    printed = alone(unpacked, _PREDICT, str(tmp_path / "rows.parquet"), str(tmp_path / "state.parquet"))
    facts, about = (json.loads(line) for line in printed.splitlines())

    nothing = Adjustments(dict.fromkeys(looked_up))
    bare = [online.predict(row, nothing) for row in rows.to_dicts()]
    for name, expected in (("bare", bare), ("given", own)):
        answers = [{"score": one.score, "class": one.class_name, **one.features} for one in expected]
        frame = pl.DataFrame(answers, infer_schema_length=None)
        assert pl.read_parquet(unpacked / f"{name}.parquet").equals(frame), name
    assert {one.score for one in bare} != {one.score for one in own}
    assert state["drivers__years"].null_count() < state.height  # or nothing was looked up at all
    assert about["version"] == online.version and about["card"] == CARD
    assert [fact[2] for fact in facts[: len(own)]] == [str(key) for key in rows["trip"]]
    for statuses, missing, _ in facts[: len(own)]:
        assert missing == looked_up and set(statuses.values()) == {"unknown"}
    for statuses, missing, _ in facts[len(own) :]:
        assert missing == [] and set(statuses.values()) == {"overridden"}


def test_what_a_row_does_not_give_is_missing_and_named(world: World, unpacked: Path) -> None:
    model = PackagedModel(unpacked / "trip_delay_model")
    rows = february_rows(world, 2).to_dicts()
    first, second = model.predict(rows, [{"drivers__years": 3}, None])
    assert first.statuses["drivers__status"] == "overridden" and first.features["drivers__years"] == 3
    assert "drivers__years" not in first.missing and set(second.missing) - set(first.missing) == {"drivers__years"}
    assert second.statuses == {"drivers__status": "unknown", "traffic__status": "unknown"}


@pytest.mark.parametrize(
    "change, message",
    [
        ({"km": "far"}, "rows.1.km: 'far' is no"),
        ({"km": float("nan")}, "rows.1.km: nan is no"),
        ({"trip": None}, "rows.1.trip is None"),
        ({"km": 10**400}, "rows.1.km: 1000"),
        ({"km": 10**5000}, "rows.1.km: that int is no"),
        ({"km": Decimal("sNaN")}, "rows.1.km: "),
        ({"km": np.array([1.0, 2.0])}, "rows.1.km: "),
        ({"zone": "\ud800"}, r"rows.1.zone: '\\ud800' is no"),
        ({"zone": "a\0"}, r"rows.1.zone: 'a\\x00' is no"),
        ({5: 1, "colour": "red"}, "rows.1 has 5, colour"),
        ({"\ud800": 1}, r"rows.1 has \\ud800"),
        ({"colour": "red"}, "rows.1 has colour"),
        ({"ordered_at": "2024-02-01T00:00:00Z"}, "rows.1.ordered_at: '2024-02-01T00:00:00Z' is no"),
    ],
)
def test_rows_that_do_not_fit_are_refused_by_name(
    world: World, unpacked: Path, change: dict[str, object], message: str
) -> None:
    rows = february_rows(world, 2).to_dicts()
    with pytest.raises(FeatureError, match=message):
        PackagedModel(unpacked / "trip_delay_model").predict([rows[0], {**rows[1], **change}])


def test_a_column_that_is_left_out_and_state_that_is_none_are_refused(world: World, unpacked: Path) -> None:
    model, rows = PackagedModel(unpacked / "trip_delay_model"), february_rows(world, 1).to_dicts()
    with pytest.raises(FeatureError, match=r"rows\.0 lacks km"):
        model.predict([{name: value for name, value in rows[0].items() if name != "km"}])
    with pytest.raises(FeatureError, match=r"state\.0: km is no looked-up feature"):
        model.predict(rows, [{"km": 3.0}])
    with pytest.raises(FeatureError, match="2 entries for 1 rows"):
        model.predict(rows, [None, None])
    for state, message in (([5], r"state\.0 is int"), ("x", "state is str"), (5, "state is int"), ([[]], "is list")):
        with pytest.raises(FeatureError, match=message):
            model.predict(rows, state)  # type: ignore[arg-type]  # what somebody may give
    for given, message in (([5], r"rows\.0 is int"), (rows[0], "rows is dict"), (None, "rows is NoneType")):
        with pytest.raises(FeatureError, match=message):
            model.predict(given)  # type: ignore[arg-type]  # what somebody may give


def test_a_damaged_bundle_and_other_libraries_are_refused(unpacked: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(unpacked / "trip_delay_model", tmp_path / "copy")
    manifest = folder / "manifest.json"
    text = manifest.read_text()
    facts = json.loads(text)
    changes = [("version", 99), ("pipeline", "zzz"), ("libraries", {}), ("libraries", [1]), ("bundle", None)]
    for name, value in changes:
        manifest.write_text(json.dumps({**facts, name: value}))
        with pytest.raises(BlobError, match="its facts have another hash"):
            PackagedModel(folder)
    read = Manifest.read(shutil.copytree(unpacked / "trip_delay_model", tmp_path / "whole"))
    manifest.write_text(replace(read, pipeline="zzz").to_json())
    with pytest.raises(BlobError, match="The manifest is of zzz and the bundle of trip_delay"):
        PackagedModel(folder)
    manifest.write_text(replace(read, libraries=["polars"]).to_json())  # type: ignore[arg-type]  # what a file may hold
    with pytest.raises(BlobError, match="its libraries have no versions"):
        PackagedModel(folder)
    manifest.write_text(replace(read, libraries={**read.libraries, "polars": "0.1"}).to_json())
    with pytest.raises(ServingError, match=r"polars 0\.1 is needed"):
        PackagedModel(folder)
    manifest.write_text(text)
    bundle = folder / "bundle.zip"
    bundle.write_bytes(bundle.read_bytes()[:-1] + b"!")
    with pytest.raises(BlobError, match="another hash"):
        PackagedModel(folder)
    bundle.unlink()
    with pytest.raises(BlobError, match="is missing"):
        PackagedModel(folder)


def test_the_same_version_gives_the_same_bytes_and_its_record_names_every_file(world: World, tmp_path: Path) -> None:
    version = champion(world)
    name, data = wheel.wheel_of(version)
    assert wheel.wheel_of(champion(world)) == (name, data)
    assert name == f"trip_delay_model-{version.manifest.version}-py3-none-any.whl"
    (tmp_path / name).write_bytes(data)
    with zipfile.ZipFile(tmp_path / name) as archive:
        listed = [line.split(",")[0] for line in archive.read(archive.namelist()[-1]).decode().splitlines()]
        assert sorted(listed) == sorted(archive.namelist())
        assert hashlib.sha256(archive.read("trip_delay_model/bundle.zip")).hexdigest() == version.manifest.bundle
        info = f"trip_delay_model-{version.manifest.version}.dist-info"
        metadata = Metadata.from_email(archive.read(f"{info}/METADATA"))
    assert {requirement.name for requirement in metadata.requires_dist or ()} == {"lightgbm", "polars"}
    assert "`drivers__years`" in (metadata.description or "") and "Of a test." in (metadata.description or "")


def test_pipelines_whose_names_differ_in_underscores_alone_have_packages_of_their_own(tmp_path: Path) -> None:
    version = flight_delay(tmp_path)
    names = ("a_b", "a__b", "a___b", "a_b_", "_a_b")
    modules = [replace(version, manifest=replace(version.manifest, pipeline=name)).module for name in names]
    assert modules[0] == "a_b_model" and len(set(modules)) == len(names)
    assert not any("__" in module for module in modules)


def test_a_version_of_other_libraries_is_not_packaged(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ml_platform.serving.packaged.manifest._installed", lambda name: "9.9")
    with pytest.raises(ServingError, match=r"9\.9 is installed"):
        champion(world)


def test_a_pipeline_without_a_champion_has_none_to_package(open_world: OpenWorld) -> None:
    empty = open_world(None)
    with pytest.raises(NotFoundError):
        version_number(empty.ws, "trip_delay", "champion")


def test_the_example_of_the_page_runs(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "packaging.md").read_text()
    (example,) = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    printed = alone(unpack(flight_delay(tmp_path), tmp_path), example)
    assert "'weather__temp'" in printed.splitlines()[0] and CARD.strip() in printed


@pytest.mark.slow
def test_it_installs_beside_its_libraries_alone_and_answers(world: World, tmp_path: Path) -> None:
    built = wheel.build(champion(world), tmp_path)
    rows = february_rows(world, 3)
    rows.write_parquet(tmp_path / "rows.parquet")
    expected = [answer.score for answer in _model(champion(world), tmp_path).predict(rows)]
    venv.create(tmp_path / "fresh", with_pip=True)
    python = tmp_path / "fresh" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", str(built.path)], check=True, cwd=tmp_path, timeout=600)
    listed = subprocess.run(
        [python, "-m", "pip", "list", "--format=json"], check=True, capture_output=True, text=True, cwd=tmp_path
    )
    assert not {"ml_platform", "ml-platform", "duckdb", "dagster", "pydantic"} & {
        one["name"] for one in json.loads(listed.stdout)
    }
    program = (
        "import json, polars as pl, trip_delay_model as m\n"
        "print(json.dumps([a.score for a in m.load().predict(pl.read_parquet('rows.parquet'))]))"
    )
    printed = subprocess.run(
        [python, "-I", "-c", program], check=True, capture_output=True, text=True, cwd=tmp_path, timeout=120
    )
    assert json.loads(printed.stdout) == expected


def _model(version: PackagedVersion, folder: Path) -> PackagedModel:
    for name, data in version.files().items():
        path = folder / "own" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return PackagedModel(folder / "own" / version.module)
