"""A search goes on from the trials on record, keeps what failed, and chooses by metric and constraints (S62)."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_platform import Grid, LightGBM
from ml_platform.errors import NotFoundError, OrderError
from ml_platform.spec.search_space import with_values
from ml_platform.state import searches
from ml_platform.state.searches import Search, Trial
from ml_platform.state.stores import Stores
from ml_platform.tuning import searching
from ml_platform.tuning.errors import OutOfTime, SearchFailed, TrialFailed
from ml_platform.tuning.searching import best_of
from ml_platform.tuning.settling import search_key, settled
from ml_platform.tuning.taking import take
from ml_platform_tests.examples import tries
from ml_platform_tests.scenario import labelled_trips
from ml_platform_tests.tuning.conftest import Fits, stored, tuned

QUIET: list[str] = []


class Killed(BaseException):
    """The process ended here."""


def trials_of(stores: Stores, search: Search) -> list[dict[str, Any]]:
    """What is on record of the trials, but for how long they took."""
    return [{**vars(one), "seconds": 0} for one in searches.trials(stores.state, search.id)]


def forget(stores: Stores) -> None:
    with stores.state.writing() as connection:
        connection.exec_driver_sql("DELETE FROM trials")
        connection.exec_driver_sql("DELETE FROM searches")


@settings(max_examples=tries(4), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kills=st.lists(st.integers(0, 40), max_size=3), seed=st.integers(0, 5), sampler=st.sampled_from(["tpe", "random"])
)
def test_a_search_that_is_killed_and_run_again_is_the_search_that_nobody_killed(
    stores: Stores, fits: Fits, kills: list[int], seed: int, sampler: str
) -> None:
    pipeline = labelled_trips.pipeline(trainer=tuned(seed=seed, sampler=sampler))
    training_set = stored(stores, pipeline)
    forget(stores)
    fits.before = lambda trainer: None
    whole = settled(stores, pipeline, training_set, QUIET.append)
    expected = trials_of(stores, whole.searches[0])
    assert len(expected) == 16 and {one["status"] for one in expected} <= {"done", "pruned"}

    forget(stores)
    for kill_at in kills:
        left = [kill_at]

        def count_down(trainer: Any, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise Killed

        fits.before = count_down
        try:
            settled(stores, pipeline, training_set, QUIET.append)
        except Killed:
            assert [one.status for one in searches.of(stores.state)] == ["interrupted"]
            with stores.state.writing() as connection:  # a kill leaves no word
                connection.exec_driver_sql("UPDATE searches SET status = 'running', error = '', ended_at = NULL")
    fits.before = lambda trainer: None
    again = settled(stores, pipeline, training_set, QUIET.append)
    assert trials_of(stores, again.searches[0]) == expected
    assert again.searches[0].best == whole.searches[0].best and again.pipeline.trainer.num_leaves > 0
    fits.fitted.clear()
    settled(stores, pipeline, training_set, QUIET.append)
    assert fits.fitted == [] and len(searches.of(stores.state)) == 1


def test_the_first_trial_is_the_trainer_as_declared_and_later_ones_are_better(stores: Stores, fits: Fits) -> None:
    pipeline = labelled_trips.pipeline(trainer=tuned())
    lines: list[str] = []
    outcome = settled(stores, pipeline, stored(stores, pipeline), lines.append)
    (search,) = outcome.searches
    first, *others = searches.trials(stores.state, search.id)
    assert first.parameters == {"num_leaves": 7, "learning_rate": 0.1}
    best = next(one for one in others if one.number == search.best)
    assert best.value > first.value and search.status == "done" and search.ended_by == "trials"
    assert outcome.pipeline.trainer.num_leaves == best.parameters["num_leaves"]
    assert outcome.pipeline.trainer.extra == {"path_smooth": best.parameters["extra.path_smooth"]}
    assert outcome.pipeline.trainer.rounds == 5
    assert lines[0].endswith("trial 0 of 15") and f"best roc_auc {first.value:.6g} (trial 0)" in lines[1]
    assert list(search.importance) and abs(sum(search.importance.values()) - 1) < 1e-6
    assert any(one.status == "pruned" and len(one.fold_values) < 3 and "median" in one.reason for one in others)


def test_a_trial_that_crashes_is_a_failed_trial_with_its_reason_and_the_search_goes_on(
    stores: Stores, fits: Fits
) -> None:
    def crash(trainer: Any) -> None:
        if trainer.num_leaves > 16:
            raise TrialFailed("Its process was killed (SIGKILL), as the system does when memory runs out.")

    fits.before = crash
    pipeline = labelled_trips.pipeline(trainer=tuned(prune=False))
    (search,) = settled(stores, pipeline, stored(stores, pipeline), QUIET.append).searches
    trials = searches.trials(stores.state, search.id)
    assert len(trials) == 16
    for one in trials:
        assert (one.status == "failed") == (one.parameters["num_leaves"] > 16) == bool(one.reason)
    assert {"done", "failed"} == {one.status for one in trials}


def test_a_search_whose_trials_all_failed_says_why_and_begins_anew(stores: Stores, fits: Fits) -> None:
    def crash(trainer: Any) -> None:
        raise TrialFailed("LightGBM refuses: out of memory.")

    fits.before = crash
    pipeline = labelled_trips.pipeline(trainer=tuned())
    training_set = stored(stores, pipeline)
    with pytest.raises(SearchFailed, match=r"All 10 trials of the search failed: LightGBM refuses: out of memory\."):
        settled(stores, pipeline, training_set, QUIET.append)
    (failed,) = searches.of(stores.state)
    assert failed.status == "failed" and len(searches.trials(stores.state, failed.id)) == searching.HOPELESS
    fits.before = lambda trainer: None
    (again,) = settled(stores, pipeline, training_set, QUIET.append).searches
    assert again.id != failed.id and again.status == "done"


def test_ctrl_c_keeps_the_finished_trials_and_a_person_may_take_the_best_of_them(stores: Stores, fits: Fits) -> None:
    def interrupt(trainer: Any) -> None:
        if len(fits.fitted) >= 9:
            raise KeyboardInterrupt

    fits.before = interrupt
    pipeline = labelled_trips.pipeline(trainer=tuned(prune=False))
    training_set = stored(stores, pipeline)
    with pytest.raises(KeyboardInterrupt):
        settled(stores, pipeline, training_set, QUIET.append)
    (search,) = searches.of(stores.state)
    trials = searches.trials(stores.state, search.id)
    assert (search.status, search.error, len(trials)) == ("interrupted", "Stopped.", 3)
    taken = take(stores.state, search.id)
    assert (taken.status, taken.ended_by, taken.best) == ("done", "person", best_of(trials, "roc_auc").number)
    fits.fitted.clear()
    outcome = settled(stores, pipeline, training_set, QUIET.append)
    assert fits.fitted == [] and outcome.searches[0].best == taken.best
    with pytest.raises(OrderError, match=r"Search 1 is done; trial \d was chosen\."):
        take(stores.state, search.id)
    with pytest.raises(NotFoundError):
        take(stores.state, 99)


def test_a_budget_ends_a_search_and_a_limit_a_trial(stores: Stores, fits: Fits) -> None:
    pipeline = labelled_trips.pipeline(trainer=tuned(budget="1s"))
    training_set = stored(stores, pipeline)
    search_id = _with_recorded_first_trial(stores, pipeline, training_set, seconds=2.0)
    (search,) = settled(stores, pipeline, training_set, QUIET.append).searches
    assert (search.id, search.ended_by, search.best) == (search_id, "budget", 0)

    def too_long(trainer: Any) -> None:
        if trainer.num_leaves != 7:
            raise OutOfTime

    fits.before = too_long
    limited = labelled_trips.pipeline(trainer=tuned(trial_limit="30s", trials=3))
    (search,) = settled(stores, limited, training_set, QUIET.append).searches
    reasons = [one.reason for one in searches.trials(stores.state, search.id)]
    assert reasons == ["", *["It took longer than trial_limit='30s'."] * 2]

    ended = labelled_trips.pipeline(trainer=tuned(budget="1h", trials=3))
    (search,) = settled(stores, ended, training_set, QUIET.append).searches
    assert search.ended_by == "budget" and len(searches.trials(stores.state, search.id)) == 1


def _with_recorded_first_trial(stores: Stores, pipeline: Any, training_set: Any, *, seconds: float) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(searching.Searching, "finished", lambda self: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            settled(stores, pipeline, training_set, QUIET.append)
    (search,) = searches.of(stores.state)
    searches.add_trial(stores.state, search.id, Trial(0, "done", {}, [0.7], 0.7, violation=0.0, seconds=seconds))
    return search.id


def test_a_grid_tries_every_combination_once_and_the_declared_one_first(stores: Stores, fits: Fits) -> None:
    grid = Grid(LightGBM(num_leaves=7), {"num_leaves": [7, 16, 31], "learning_rate": [0.1, 0.2]}, prune=False)
    pipeline = labelled_trips.pipeline(trainer=grid)
    outcome = settled(stores, pipeline, stored(stores, pipeline), QUIET.append)
    (search,) = outcome.searches
    tried = [json.dumps(one.parameters, sort_keys=True) for one in searches.trials(stores.state, search.id)]
    assert len(tried) == len(set(tried)) == 6 == grid.wanted and '"num_leaves": 7' in tried[0]
    assert outcome.pipeline.trainer.num_leaves == 16 and outcome.pipeline.trainer.learning_rate == 0.1
    assert search.importance == {}


def test_the_best_trial_misses_no_constraint_where_one_does_not() -> None:
    def trial(number: int, value: float, violation: float, status: Any = "done") -> Trial:
        return Trial(number, status, {}, [value], value, violation=violation)

    trials = [
        trial(0, 0.7, 0.0),
        trial(1, 0.9, 0.5),
        trial(2, 0.8, 0.0),
        trial(3, 0.8, 0.0),
        trial(4, 0.99, 0, "pruned"),
    ]
    assert best_of(trials, "roc_auc").number == 2
    assert best_of(trials, "rmse").number == 0
    assert best_of([trial(1, 0.9, 0.5), trial(2, 0.7, 0.1)], "roc_auc").number == 2
    assert best_of([], "roc_auc") is None


def test_the_key_of_a_search_covers_what_the_choice_depends_on() -> None:
    pipeline = labelled_trips.pipeline(trainer=tuned())
    changes = [{"trials": 17}, {"seed": 1}, {"folds": 2}, {"sampler": "random"}, {"budget": "1h"}, {"prune": False}]
    changes += [{"trainer": LightGBM(num_leaves=8)}, {"metric": "log_loss"}]
    keys = {search_key(pipeline, tuned(**change), "a") for change in changes}
    keys |= {search_key(pipeline, tuned(), digest) for digest in ("a", "b")}
    assert len(keys) == len(changes) + 2
    assert with_values(LightGBM(), {"extra.path_smooth": 1.0}, "").extra == {"path_smooth": 1.0}
