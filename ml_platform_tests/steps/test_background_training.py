"""Training a version again begins before its gates are judged, and is done once."""

import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from ml_platform.child_process import Cancellation
from ml_platform.errors import TrainingError
from ml_platform.lake.blobs import Blobs
from ml_platform.settings import Settings
from ml_platform.steps import background_training
from ml_platform.training.reproduction import Reproduction


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The bundles that were trained again, which costs a process each."""
    bundles: list[str] = []

    def reproduce(_: Blobs, training_set: str, bundle: str, cancellation: Cancellation) -> Reproduction:
        bundles.append(bundle)
        return Reproduction(True, bundle, bundle, training_set)

    monkeypatch.setattr(background_training, "reproduce", reproduce)
    return bundles


def test_the_gates_take_over_the_training_that_was_begun(trainings: list[str], tmp_path: Path) -> None:
    blobs = Blobs(Settings(data=tmp_path))
    background_training.begin_to_train_again(blobs, "set", "one")
    assert background_training.training_again(blobs, "set", "other").result().actual == "other"
    assert background_training.training_again(blobs, "set", "one").result().actual == "one"
    assert sorted(trainings) == ["one", "other"]


def test_one_that_judges_anew_trains_anew(trainings: list[str], tmp_path: Path) -> None:
    blobs = Blobs(Settings(data=tmp_path))
    background_training.begin_to_train_again(blobs, "set", "one")
    for _ in range(2):
        background_training.training_again(blobs, "set", "one").result()
    assert trainings == ["one", "one"]


def test_what_is_not_asked_for_is_not_trained(trainings: list[str], tmp_path: Path) -> None:
    background_training.training_again(Blobs(Settings(data=tmp_path)), "set", "one")
    assert not trainings


def ended_when_taken_back(_: Blobs, training_set: str, bundle: str, cancellation: Cancellation) -> Reproduction:
    """Training again as `reproduce` ends it: it goes on until it is taken back."""
    select.select([cancellation], [], [])
    raise TrainingError(f"{training_set}/{bundle} was stopped.", remedy="None is needed.")


def test_a_step_that_fails_ends_the_training_that_it_began(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(background_training, "reproduce", ended_when_taken_back)
    blobs = Blobs(Settings(data=tmp_path))
    with pytest.raises(KeyboardInterrupt), background_training.cancelled_on_error(blobs, "set"):
        background_training.begin_to_train_again(blobs, "set", "one")
        begun = background_training._begun[str(blobs.folder), "set", "one"]
        raise KeyboardInterrupt
    with pytest.raises(TrainingError, match="set/one was stopped"):
        begun.result()
    assert str(blobs.folder) not in {folder for folder, *_ in background_training._begun}


def test_a_training_that_the_gates_took_over_is_left_to_them(trainings: list[str], tmp_path: Path) -> None:
    blobs = Blobs(Settings(data=tmp_path))
    with background_training.cancelled_on_error(blobs, "set"):
        background_training.begin_to_train_again(blobs, "set", "one")
    assert background_training.training_again(blobs, "set", "one").result().actual == "one"
    assert trainings == ["one"]


def test_giving_up_what_is_finished_keeps_its_result(trainings: list[str], tmp_path: Path) -> None:
    again = background_training.training_again(Blobs(Settings(data=tmp_path)), "set", "one")
    again.start()
    assert again.result().actual == "one"
    again.cancel()
    assert again.result().actual == "one"
    assert trainings == ["one"]


def test_a_process_ends_without_waiting_for_a_training_that_nobody_asked_for(tmp_path: Path) -> None:
    program = f"""
import signal
from pathlib import Path
from ml_platform.lake.blobs import Blobs
from ml_platform.settings import Settings
from ml_platform.steps import background_training

background_training.reproduce = lambda *_: signal.sigwait([signal.SIGUSR1])
background_training.begin_to_train_again(Blobs(Settings(data=Path({str(tmp_path)!r}))), "set", "one")
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60, env=environment)
