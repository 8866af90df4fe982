"""Training a version again begins before its gates are judged, and is done once."""

from pathlib import Path

import pytest

from ml_platform.lake.blobs import Blobs
from ml_platform.settings import Settings
from ml_platform.steps import proofs
from ml_platform.training.reproduction import Reproduction


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The bundles that were trained again, which costs a process each."""
    bundles: list[str] = []

    def reproduce(_: Blobs, training_set: str, bundle: str) -> Reproduction:
        bundles.append(bundle)
        return Reproduction(True, bundle, bundle, training_set)

    monkeypatch.setattr(proofs, "reproduce", reproduce)
    return bundles


def test_the_gates_take_over_the_training_that_was_begun(trainings: list[str], tmp_path: Path) -> None:
    blobs = Blobs(Settings(data=tmp_path))
    proofs.begin_to_train_again(blobs, "set", "one")
    assert proofs.training_again(blobs, "set", "other").result().actual == "other"
    assert proofs.training_again(blobs, "set", "one").result().actual == "one"
    assert sorted(trainings) == ["one", "other"]


def test_one_that_judges_anew_trains_anew(trainings: list[str], tmp_path: Path) -> None:
    blobs = Blobs(Settings(data=tmp_path))
    proofs.begin_to_train_again(blobs, "set", "one")
    for _ in range(2):
        proofs.training_again(blobs, "set", "one").result()
    assert trainings == ["one", "one"]


def test_what_is_not_asked_for_is_not_trained(trainings: list[str], tmp_path: Path) -> None:
    proofs.training_again(Blobs(Settings(data=tmp_path)), "set", "one")
    assert not trainings
