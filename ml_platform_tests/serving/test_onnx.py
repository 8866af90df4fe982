"""ONNX models score as the versions that they were made of, or are not written."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import polars as pl
import pytest

from ml_platform.errors import ServingError
from ml_platform.models.predictor import Predictor
from ml_platform.models.training_data import part
from ml_platform.serving.packaging import onnx
from ml_platform.serving.packaging.packaged_version import PackagedVersion
from ml_platform_tests.serving.packages import chance_version, flight_delay


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> PackagedVersion:
    return flight_delay(tmp_path_factory.mktemp("version"))


def test_its_scores_are_those_of_the_version_by_the_columns_and_codes_of_its_metadata(
    version: PackagedVersion, tmp_path: Path
) -> None:
    built = onnx.build(version, tmp_path, 1e-5)
    metadata = json.loads((tmp_path / "flight_delay_model-3.metadata.json").read_text())
    columns = metadata["input"]["columns"]
    frame = part(version.training_set, "holdout", [column["name"] for column in columns])
    frame = frame.with_columns(carrier=pl.lit("??"), dest=pl.when(pl.int_range(pl.len()) % 2 == 0).then("dest"))
    encoded = []
    for column in columns:  # as somebody would who has the two files alone
        values = frame[column["name"]].to_list()
        if codes := column.get("categories"):
            values = [codes.index(value) if value in codes else None for value in values]
        encoded.append([np.nan if value is None else float(value) for value in values])
    session = onnxruntime.InferenceSession(built.path)
    matrix = np.array(encoded, np.float32).T
    scores = session.run(None, {metadata["input"]["name"]: matrix})[-1][:, 1]
    own = Predictor(version.bundle).scores(frame)
    assert len(set(own)) > 10
    np.testing.assert_allclose(scores, own, rtol=0, atol=1e-5)
    assert session.get_modelmeta().custom_metadata_map["ml_platform"] == json.dumps(metadata, sort_keys=True)


def test_the_report_counts_rows_and_differences_and_twice_gives_the_same_bytes(
    version: PackagedVersion, tmp_path: Path
) -> None:
    built = onnx.build(version, tmp_path / "a", 1e-5)
    onnx.build(version, tmp_path / "b", 1e-5)
    report = json.loads((tmp_path / "a" / "flight_delay_model-3.parity.json").read_text())
    assert built.report == {name: report[name] for name in built.report}
    assert (report["rows"], report["flipped"]) == (100, 0)
    assert report["rows_with_missing"] == 50 * len(version.bundle.columns)
    assert 0 < report["largest_difference"] <= report["tolerance"] == 1e-5
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


def test_a_difference_past_the_tolerance_is_refused_and_nothing_is_written(
    version: PackagedVersion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ServingError, match="does not score as flight_delay@3 does: the largest difference is"):
        onnx.build(version, tmp_path / "out", 0)
    model = onnx._converted(chance_version(tmp_path, "binary", seed=8))
    monkeypatch.setattr(onnx, "_converted", lambda _: model)  # a converter that is wrong
    with pytest.raises(ServingError, match=r"[1-9],?\d* of 2,500 decisions flipped"):
        onnx.build(version, tmp_path / "out", 1.0)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_several_classes_and_values_are_compared_too(task: str, tmp_path: Path) -> None:
    version = chance_version(tmp_path, task)
    report = onnx.build(version, tmp_path, 1e-5).report
    assert report["rows"] == 100 and report["largest_difference"] <= 1e-5


def test_other_models_a_missing_training_set_and_a_missing_library_are_refused(
    version: PackagedVersion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    linear = replace(version, bundle=replace(version.bundle, model_format="linear-json"))
    with pytest.raises(ServingError, match="only plain LightGBM trees"):
        onnx.build(linear, tmp_path, 1e-5)
    with pytest.raises(ServingError, match="training set of flight_delay@3 is missing"):
        onnx.build(replace(version, training_set=tmp_path / "gone"), tmp_path, 1e-5)
    monkeypatch.setattr(onnx, "find_spec", lambda name: None)
    with pytest.raises(ServingError, match="onnx, which is not installed"):
        onnx.build(version, tmp_path, 1e-5)
