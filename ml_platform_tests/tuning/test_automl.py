"""What AutoML tries, what goes on to its next fold, what its time ends, and how it goes on after a kill (S62)."""

from typing import Any

import pytest

from ml_platform import AutoML, LightGBM, Linear, ScikitLearn, XGBoost
from ml_platform.errors import DeclarationError
from ml_platform.models.automl_families import Family, families
from ml_platform.models.registry import trainer_of
from ml_platform.spec.canonical import canonical
from ml_platform.spec.search_space import with_values
from ml_platform.state import searches
from ml_platform.state.searches import Search, Trial
from ml_platform.state.stores import Stores
from ml_platform.tuning.errors import OutOfTime, TrialFailed
from ml_platform.tuning.fold_fits import FoldedData
from ml_platform.tuning.halving import HalvedTrial, halved_trial
from ml_platform.tuning.searching import best_of
from ml_platform.tuning.settling import settled
from ml_platform_tests.scenario import labelled_trips
from ml_platform_tests.tuning.conftest import Fits, stored

QUIET: list[str] = []
TWO = [LightGBM(num_leaves=7, rounds=5), LightGBM(num_leaves=60, rounds=5)]


class Killed(BaseException):
    """The process ended here."""


class Clock:
    """Stands for the clock of trials; it moves where a test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr("ml_platform.tuning.searching.time.perf_counter", lambda: self.now)


def of_search(stores: Stores, search: Search) -> list[dict[str, Any]]:
    return [{**vars(one), "seconds": 0} for one in searches.trials(stores.state, search.id)]


def forget(stores: Stores) -> None:
    with stores.state.writing() as connection:
        connection.exec_driver_sql("DELETE FROM trials")
        connection.exec_driver_sql("DELETE FROM searches")


def test_a_killed_search_goes_on_to_the_same_choice_which_is_no_worse_than_any_listed_trainer(
    stores: Stores, fits: Fits
) -> None:
    pipeline = labelled_trips.pipeline(trainer=AutoML(trainers=TWO, trials=16))
    training_set = stored(stores, pipeline)
    whole = settled(stores, pipeline, training_set, QUIET.append)
    expected = of_search(stores, whole.searches[0])
    assert len(expected) == 16 and {one["parameters"]["trainer"] for one in expected} == {"LightGBM", "LightGBM 2"}
    assert [one["status"] for one in expected[:2]] == ["done", "done"]
    assert "pruned" in {one["status"] for one in expected}
    best = best_of(searches.trials(stores.state, whole.searches[0].id), "roc_auc")
    assert best is not None and best.number == whole.searches[0].best
    if not best.violation:
        assert (best.value or 0) >= max(one["value"] for one in expected[:2] if not one["violation"])

    forget(stores)
    fits.fitted.clear()

    def kill(trainer: Any) -> None:
        if len(fits.fitted) == 13:
            raise Killed

    fits.before = kill
    with pytest.raises(Killed):
        settled(stores, pipeline, training_set, QUIET.append)
    assert 0 < len(searches.trials(stores.state, searches.of(stores.state)[0].id)) < 16
    with stores.state.writing() as connection:  # a kill leaves no word
        connection.exec_driver_sql("UPDATE searches SET status = 'running', error = '', ended_at = NULL")
    fits.before = lambda trainer: None
    again = settled(stores, pipeline, training_set, QUIET.append)
    for ours, other in zip(of_search(stores, again.searches[0]), expected, strict=True):
        assert ours == other
    assert canonical(again.pipeline.trainer) == canonical(whole.pipeline.trainer)


def test_the_budget_counts_the_seconds_on_record_also_of_an_earlier_run(
    stores: Stores, fits: Fits, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, bounds = Clock(monkeypatch), list[float | None]()
    pipeline = labelled_trips.pipeline(trainer=AutoML(budget="60s", trainers=TWO, folds=1))
    training_set = stored(stores, pipeline)

    def fit(data: FoldedData, trainer: Any, fold: str, seconds: float | None) -> Any:
        bounds.append(seconds)
        if len(bounds) == 4:
            raise Killed
        if seconds is not None and seconds < 10:
            clock.now += seconds
            raise OutOfTime
        clock.now += 10
        return fits.fit(data, trainer, fold, seconds)

    monkeypatch.setattr(FoldedData, "fit", fit)
    with pytest.raises(Killed):
        settled(stores, pipeline, training_set, QUIET.append)
    (search,) = settled(stores, pipeline, training_set, QUIET.append).searches
    trials = searches.trials(stores.state, search.id)
    assert search.ended_by == "budget" and sum(one.seconds for one in trials) == 60 and clock.now == 60
    assert bounds[:4] == [None, 12, 12, 12]  # the first one always ends; then a fifth of the budget each
    assert bounds[-1] == 10  # or what remains


def test_a_trial_longer_than_a_fifth_of_the_budget_fails_and_the_search_goes_on(
    stores: Stores, fits: Fits, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    pipeline = labelled_trips.pipeline(trainer=AutoML(budget="100s", trainers=TWO, folds=1, trials=3))
    training_set = stored(stores, pipeline)

    def fit(data: FoldedData, trainer: Any, fold: str, seconds: float | None) -> Any:
        if trainer.num_leaves == 60:
            clock.now += seconds or 0
            raise OutOfTime
        return fits.fit(data, trainer, fold, seconds)

    monkeypatch.setattr(FoldedData, "fit", fit)
    (search,) = settled(stores, pipeline, training_set, QUIET.append).searches
    trials = searches.trials(stores.state, search.id)
    assert [one.status for one in trials] == ["done", "failed", trials[2].status] and len(trials) == 3
    assert trials[1].reason == "It took longer than 20 s, a fifth of budget='100s'."


def test_a_trainer_that_crashes_is_never_chosen_and_ends_no_search(stores: Stores, fits: Fits) -> None:
    pipeline = labelled_trips.pipeline(trainer=AutoML(trainers=[*TWO, Linear()], trials=10))
    training_set = stored(stores, pipeline)

    def crash(trainer: Any) -> None:
        if isinstance(trainer, Linear):
            raise TrialFailed("It crashed.")

    fits.before = crash
    (search,) = settled(stores, pipeline, training_set, QUIET.append).searches
    trials = searches.trials(stores.state, search.id)
    by_trainer = {
        status: {one.parameters["trainer"] for one in trials if one.status == status} for status in ("failed", "done")
    }
    assert by_trainer["failed"] == {"Linear"} and "Linear" not in by_trainer["done"] and len(trials) == 10
    assert search.status == "done" and [one.status for one in trials].count("failed") == 1


@pytest.mark.parametrize("task", ["binary", "regression", "multiclass"])
def test_each_default_trainer_takes_its_starts_which_are_in_its_space(task: Any) -> None:
    among = families(AutoML(), task)
    assert {type(one.trainer) for one in among} == {LightGBM, XGBoost, Linear, ScikitLearn}
    for family in among:
        family.trainer.check(task, "here")
        for values in [*family.starts, *({path: end} for path, one in family.space.items() for end in one.ends)]:
            trainer = with_values(family.trainer, values, "here")
            assert trainer_of(trainer).config(trainer, task)
            assert all(family.space[path].has(value) for path, value in values.items())


def test_a_trial_goes_on_where_it_is_among_the_best_third_that_reached_the_fold() -> None:
    earlier = [Trial(at, "done", {}, [value, value]) for at, value in enumerate([0.6, 0.7, 0.8, 0.9, 0.65])]
    high = HalvedTrial({}, "roc_auc", earlier, prune=True)
    assert high.why_pruned([0.85]) == "" and high.why_pruned([0.7, 1.0]) == ""
    assert high.why_pruned([0.75]).startswith("After 1 fold it was not among the best third")
    assert HalvedTrial({}, "rmse", earlier, prune=True).why_pruned([0.62]) == ""
    assert HalvedTrial({}, "roc_auc", earlier[:2], prune=True).why_pruned([0.1]) == ""


def test_better_families_are_tried_more_often_and_one_without_a_space_once() -> None:
    declared = AutoML(trainers=[LightGBM(), Linear(), ScikitLearn("sklearn.naive_bayes.GaussianNB")])
    among: list[Family] = families(declared, "binary")
    assert [one.name for one in among] == ["LightGBM", "Linear", "GaussianNB"]
    done = [
        Trial(at, "done", {"trainer": one.name}, [value], value)
        for at, (one, value) in enumerate(zip(among, [0.7, 0.8, 0.9], strict=True))
    ]
    drawn = [halved_trial(declared, among, "roc_auc", done, number).parameters["trainer"] for number in range(20, 80)]
    assert set(drawn) == {"LightGBM", "Linear"} and drawn.count("Linear") > drawn.count("LightGBM")


def test_a_declaration_that_cannot_be_searched_is_refused() -> None:
    with pytest.raises(DeclarationError, match="budget"):
        AutoML(budget="soon")
    with pytest.raises(DeclarationError, match="no trainer"):
        AutoML(trainers=[])
    with pytest.raises(DeclarationError, match="no metric of a regression task"):
        AutoML(metric="roc_auc").check("regression", "here")
