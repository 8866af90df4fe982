"""What lakes of before rely on: content keys and bundles of LightGBM are what they were (commit 3c37377)."""

import hashlib
import io
import zipfile
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from ml_platform.errors import BlobError
from ml_platform.lake.blobs import Blobs
from ml_platform.models.bundle import Bundle, load, save
from ml_platform.models.protocol import Signature
from ml_platform.models.registry import recorded_format
from ml_platform.spec.canonical import content_key
from ml_platform.spec.training import LightGBM
from ml_platform.steps import candidate, predictions
from ml_platform.training import fitting
from ml_platform.training.training_plan import plan
from ml_platform.training.training_set import TrainingSet
from ml_platform_tests import scenario as trips
from ml_platform_tests.scenario import labelled_trips

STORED = TrainingSet("5e7", datetime(2024, 2, 1, tzinfo=UTC), 1, {}, 0, {})
TUNED = LightGBM(num_leaves=7, rounds=10, learning_rate=0.2, early_stopping=5, extra={"reg_lambda": 2.0})


@pytest.mark.parametrize(
    ("trainer", "key"),
    [
        (LightGBM(), "5f92064f1ecf64af9e688d9934c07437ea18c5bcb04d76a6d39c3fa94083ecc8"),
        (TUNED, "2107542681f798a0a2378fad24bd4ff4672629434a34964c35a3a3b4bf985e77"),
    ],
)
def test_a_declared_lightgbm_has_the_key_it_had(trainer: LightGBM, key: str) -> None:
    assert content_key(*fitting.declaration(labelled_trips.pipeline(trainer=trainer))) == key


@pytest.fixture
def nothing_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys without a lake, as if every library were of version 1.0."""
    for module in (candidate, predictions):
        monkeypatch.setattr(module.reading, "own", lambda *_: [])
        monkeypatch.setattr(module, "libraries", lambda *names: dict.fromkeys(names, "1.0"))
    monkeypatch.setattr(candidate, "stored_training_set", lambda *_: STORED)
    monkeypatch.setattr(predictions, "serving", lambda *_: None)


@pytest.mark.usefixtures("nothing_read")
def test_candidates_and_predictions_have_the_keys_they_had() -> None:
    workspace: Any = SimpleNamespace()
    trained = candidate.CandidateStep().key(workspace, trips.trips(), "2024-01").content_key
    assert trained == "c9f6aeceb479e3141fe8c515db8349538a62032634ef1a0a6c14f73bb3e41d76"
    scored = predictions.PredictionsStep().key(workspace, trips.trips(), "2024-01").content_key
    assert scored == "f477df5e6c74bd027037b772b66719e273c0cee16cc31adcdaf0844ba3e2731d"


def bundle(**changes: Any) -> Bundle:
    fields: dict[str, Any] = {
        "pipeline": "trips_late",
        "signature": Signature("binary", {"city": "String", "km": "Float64"}, {"city": ["oslo", "rome"]}, ()),
        "model_format": "lightgbm-text",
        "model": b"tree\n",
        "definition": "{}",
        "training": plan(labelled_trips.pipeline(trainer=TUNED), STORED).to_json(),
        "versions": {"libraries": {"lightgbm": "4.6.0"}, "threads": 2},
        **changes,
    }
    return Bundle(**fields)


def parts(packed: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_bundle_of_lightgbm_is_written_in_format_1_to_the_same_bytes() -> None:
    contents = parts(bundle().packed)
    names = ["features.json", "levels.json", "model.txt", "schema.json", "training.json", "versions.json"]
    assert list(contents) == names
    digest = hashlib.sha256(b"\0".join(name.encode() + b"\0" + data for name, data in contents.items())).hexdigest()
    assert digest == "9a1c831646aa967a4954b99667b029b66d8978ed64c4482dbc8ff25a32bc60fb"


def test_a_bundle_of_another_library_is_of_format_2_and_names_its_model(blobs: Blobs) -> None:
    other = bundle(model_format="clay-tablet", model=b"\0\1")
    contents = parts(other.packed)
    assert contents["model/clay-tablet"] == b"\0\1" and "model.txt" not in contents
    loaded = load(blobs, save(blobs, other))
    assert (loaded.model_format, loaded.model, loaded.digest) == ("clay-tablet", b"\0\1", other.digest)
    with pytest.raises(BlobError, match="model format 'clay-tablet' is unknown"):
        _ = loaded.fitted


def test_a_version_that_was_registered_before_formats_were_is_of_lightgbm() -> None:
    assert recorded_format({"holdout": {}, "bytes": 3}) == "lightgbm-text"
    assert recorded_format({"format": "linear-json"}) == "linear-json"
