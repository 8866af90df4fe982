"""Records of experiments: what is read is what was written, and what none uses is forgotten."""

import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ml_platform.errors import NotFoundError, StateError
from ml_platform.lake.work_marks import marked
from ml_platform.state import annotations, experiment_lists, experiments
from ml_platform.state.database import State
from ml_platform.state.experiments import Change, Details, Experiment


def begun(state: State, key: str = "k") -> Experiment:
    one = Experiment(
        pipeline="trips",
        partition="2024-01",
        content_key=key,
        training_key="",
        base_declaration="",
        changes=(Change("trainer.num_leaves", 7, 5),),
        metric="roc_auc",
        actor="ada",
        started_at=datetime.now(UTC),
    )
    return experiments.begin(state, one)


def test_a_finished_experiment_is_read_as_it_was_written_and_tags_added_meanwhile_stay(state: State) -> None:
    one = begun(state)
    annotations.tag(state, one.id, ["b", "a"])
    annotations.note(state, one.id, "first", "ada")
    done = replace(
        one, status="done", value=0.7, parameters={"missing": math.nan, "leaves": 5}, metrics={"roc_auc": 0.7}
    )
    details = Details(verdicts=[{"value": math.inf, "outcome": "failed"}], curves={"ROC": [[0.0, 1.0]]})
    ended = experiments.finish(state, done, details, uses=["f"])
    read = experiments.experiment(state, one.id)
    assert read == replace(ended, tags=("a", "b"), parameters={"missing": "nan", "leaves": 5})
    assert read.seconds is not None and read.seconds >= 0
    assert experiments.details(state, one.id).verdicts == [{"value": "inf", "outcome": "failed"}]
    assert [note.text for note in annotations.notes(state, one.id)] == ["first"]
    (row,) = experiment_lists.listed(state, "trips")
    assert {name: getattr(read, name) for name in ("id", "status", "value", "actor")}.items() <= row.items()
    assert dict(row["parameters"]) == read.parameters and row["changes"] == [vars(change) for change in read.changes]
    assert experiment_lists.listed(state, "others") == []


def test_an_output_is_forgotten_with_the_last_experiment_that_uses_it(state: State) -> None:
    first, second = begun(state), begun(state, "other")
    for one in (first, second):
        experiments.finish(state, replace(one, status="done"), uses=["shared", f"of {one.id}"])
    for key in ("shared", f"of {first.id}", f"of {second.id}", "of nobody"):
        experiments.keep_output(state, key, f"digest {key}", {"rows": 1})
    experiments.remove(state, first.id)
    there = {
        key for key in ("shared", f"of {first.id}", f"of {second.id}", "of nobody") if experiments.output(state, key)
    }
    assert there == {"shared", f"of {second.id}"}
    assert experiments.kept_blobs(state) == {"digest shared", f"digest of {second.id}"}
    with pytest.raises(NotFoundError, match=str(first.id)):
        experiments.remove(state, first.id)


def test_one_whose_process_lives_is_running_and_can_neither_be_removed_nor_lose_its_outputs(state: State) -> None:
    one = begun(state)
    experiments.keep_output(state, "soon used", "digest", {})
    with marked(state.settings.lake, f"{experiments.MARK}{one.id}"):
        assert experiments.end_dead(state) == 0
        experiments.forget_unused(state)
        assert experiments.output(state, "soon used") == ("digest", {})
        with pytest.raises(StateError, match="is running"):
            experiments.remove(state, one.id)
    assert experiments.end_dead(state) == 1
    assert experiments.experiment(state, one.id).status == "interrupted"


def test_the_columns_of_each_person_are_remembered(state: State) -> None:
    assert annotations.chosen_columns(state, "ada") is None
    annotations.choose_columns(state, "ada", ["run", "value"])
    annotations.choose_columns(state, "ada", ["run"])
    annotations.choose_columns(state, "bob", ["status"])
    assert (annotations.chosen_columns(state, "ada"), annotations.chosen_columns(state, "bob")) == (["run"], ["status"])
