"""Runs of many partitions: the planner's work, divided where nothing else may come between (S33)."""

from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform import Daily, Hourly, Monthly, Retrain, Weekly
from ml_platform.runtime.planner import Work
from ml_platform.runtime.ranges import beginning_with, divided, may_begin
from ml_platform.state import decisions
from ml_platform.steps.all_steps import planner
from ml_platform_tests import scenario
from ml_platform_tests.declarations import orders_by_day
from ml_platform_tests.examples import tries
from ml_platform_tests.world import World, world

BY_DAY = scenario.trips(partitions=Daily("2024-01-01", until="2024-02-01"))
FEATURES = [["validated", "trips"], ["trip_delay", "features"], ["trip_delay", "decision"]]
REPORT = [["trip_delay", "report"]]
INGEST = [["raw", "trips"], ["validated", "trips"], ["quarantine", "trips"]]
CHAMPION = [["trip_delay", "champion"]]


def _work(draw: st.DrawFn) -> Work:
    day = draw(st.integers(1, 12))
    job, assets = draw(
        st.sampled_from(
            [("data", FEATURES), ("data", FEATURES), ("data", REPORT), ("data", INGEST), ("train", CHAMPION)]
        )
    )
    return Work(job, f"2024-01-{day:02}", day - 1, 12, assets)


planned = st.lists(st.composite(_work)(), max_size=20)
rising = planned.map(lambda works: sorted(works, key=lambda work: work.partition))


@given(planned | rising, st.integers(1, 4))
def test_a_run_is_a_longest_stretch_of_rising_partitions_without_a_training_or_an_ingestion(
    works: list[Work], longest: int
) -> None:
    runs = [list(run) for run in divided(BY_DAY, works, longest)]
    assert [work for run in runs for work in run] == works, "all of it, in the planner's order"
    for run in runs:
        assert run and len(run) <= longest
        assert len(run) == 1 or all(work.job == "data" and work.only in (FEATURES, REPORT) for work in run)
        assert all(one.partition < other.partition for one, other in pairwise(run))
    for run, following in pairwise(runs):
        first, last, other = run[0], run[-1], following[0]
        apart = first.job == "train" or first.only == INGEST or first.partition == "2024-01-12" or len(run) == longest
        apart |= other.job == "train" or other.only == INGEST or other.partition <= last.partition
        assert apart, (run, other)


@given(planned)
def test_work_is_planned_when_the_work_before_it_is_done(works: list[Work]) -> None:
    happened: list[tuple[str, int]] = []

    def plans() -> object:
        for number, work in enumerate(works):
            happened.append(("planned", number))
            yield work

    done = 0
    for run in divided(BY_DAY, plans()):  # type: ignore[arg-type]  # it is a generator
        for _ in run:
            happened.append(("made", done))
            done += 1
    assert happened == [(what, number) for number in range(len(works)) for what in ("planned", "made")]


def test_only_days_and_hours_share_a_run_and_only_while_more_follow() -> None:
    def begins(partitions: Daily | Hourly | Weekly | Monthly | None, work: Work) -> bool:
        return may_begin(scenario.trips(partitions=partitions), work)

    work = Work("data", "2024-01", 0, 2, FEATURES)
    assert not begins(Monthly("2024-01"), work) and not begins(Weekly("2024-01-01"), work)
    assert begins(Daily("2024-01-01"), work) and begins(Hourly("2024-01-01T00"), work)
    assert not begins(Daily("2024-01-01"), replace(work, index=1))
    assert not begins(Daily("2024-01-01"), replace(work, only=INGEST))


def test_a_run_begins_with_the_partition_that_was_asked_for() -> None:
    def of(day: int, job: str = "data", only: list[list[str]] = FEATURES) -> Work:
        return Work(job, f"2024-01-{day:02}", day - 1, 12, only)  # type: ignore[arg-type]  # one of the two jobs

    works = [of(1, only=INGEST), of(1, only=REPORT), of(2, "train", CHAMPION), of(3), of(4), of(4, "train", CHAMPION)]
    assert list(beginning_with(BY_DAY, works, "2024-01-03")) == [of(3), of(4)]
    assert list(beginning_with(BY_DAY, works, None)) == [of(1, only=REPORT)]
    assert list(beginning_with(BY_DAY, works, "2024-01-05")) == []


labels = st.sampled_from([40, 100, 170, 1000])
policies = st.builds(
    Retrain,
    every=st.sampled_from([2, 3, "1d", "1w"]),
    min_examples=labels,
    cool_down=st.integers(0, 1),
    on_drift=st.sampled_from([None, 0.01, 0.3]),
) | st.builds(
    Retrain, every=st.none(), min_examples=labels, cool_down=st.integers(0, 2), on_drift=st.sampled_from([0.01, 0.3])
)


@pytest.mark.slow
@settings(max_examples=tries(6))
@given(policies)
def test_runs_that_sensors_ask_for_make_what_a_run_for_each_partition_does_S31(policy: Retrain) -> None:
    """Naive: one piece of work at a time, each planned by a planner that begins anew."""
    with (
        TemporaryDirectory() as folder,
        closing(_orders(Path(folder) / "many", policy)) as many,
        closing(_orders(Path(folder) / "alone", policy)) as alone,
    ):
        while work := next(planner(alone.ws, alone.pipeline).work(), None):
            _make(alone, work)
        while work := next(planner(many.ws, many.pipeline).work(), None):
            run = beginning_with(many.pipeline, planner(many.ws, many.pipeline).work(), work.partition)
            for one in run if may_begin(many.pipeline, work) else [work]:
                _make(many, one)
        assert many.steps_run == alone.steps_run
        timed = ("shop/verdicts", "shop/champion")  # whose keys hold how long a gate took
        assert many.keys(without=timed) == alone.keys(without=timed)
        assert _decided(many) == _decided(alone)


def _orders(folder: Path, policy: Retrain) -> World:
    opened = world(folder, replace(orders_by_day.shop, retrain=policy))
    places = pl.DataFrame({"place": ["a", "b"], "size": [1, 2]})
    opened.land(orders_by_day.places, "places.csv", places, orders_by_day.START)
    for number in range(6):
        rows = orders_by_day.order_rows(number)
        opened.land(orders_by_day.orders, f"{orders_by_day.day(number)}.csv", rows, orders_by_day.START)
    return opened


def _make(one: World, work: Work) -> None:
    for key in one.ordered(one.pipeline, work):
        one.step(key, work.partition)


def _decided(one: World) -> list[tuple[str, str, str]]:
    rows = decisions.current(one.ws.state, one.pipeline.name).values()
    return [(row.partition, row.outcome, row.reason) for row in rows]
