"""What stands since the last complete plan: nothing that a plan of everything would find work in (S32)."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dataframely as dy
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_platform import (
    AtLeast,
    Daily,
    Derived,
    Drift,
    Examples,
    Files,
    Label,
    LightGBM,
    Lookup,
    ModelPipeline,
    Retrain,
    Split,
    Table,
    Window,
)
from ml_platform.lake import data_files
from ml_platform.lake.transaction import Author
from ml_platform.runtime.planner import Planner
from ml_platform.runtime.standing import Standing, standing
from ml_platform.state import checks, decisions, ledger, promotions, settled_plans, versions
from ml_platform.state.plan_tables import record_spans
from ml_platform.state.results import Result
from ml_platform.state.versions import Training
from ml_platform.steps.all_steps import STEPS, planner
from ml_platform_tests.world import World, world

START = datetime(2024, 3, 1, tzinfo=UTC)
DAYS = 4  # that are complete


class Orders(dy.Schema):
    order = dy.Int64(primary_key=True)
    place = dy.String()
    at = dy.Datetime(time_zone="UTC")
    known = dy.Datetime(time_zone="UTC")
    amount = dy.Float64()
    kept = dy.Bool()


class Returns(dy.Schema):
    order = dy.Int64(primary_key=True)
    at = dy.Datetime(time_zone="UTC")


class Places(dy.Schema):
    place = dy.String(primary_key=True)
    size = dy.Int64()


orders = Table("orders", Files("orders/*.csv"), Orders, event_time="at", known_at="known", on_conflict="latest")
returns = Table("returns", Files("returns/*.csv"), Returns, event_time="at", known_at="at")
places = Table("places", Files("places.csv"), Places)


def declared(label: str) -> ModelPipeline:
    """Orders by day, labelled by returns within a day, or by themselves."""
    late = label == "late"
    return ModelPipeline(
        "shop",
        description="Whether an order comes back.",
        owners=["team:shop"],
        partitions=Daily("2024-03-01", "2024-05-01"),
        tables=[orders, places, *([returns] if late else [])],
        examples=Examples(
            "orders",
            key="order",
            at="at",
            inputs=["amount", "place"],
            label=Label("returns", on="order", matures_after="1d") if late else pl.col("kept"),
        ),
        features=[
            Derived(hour=pl.col("at").dt.hour()),
            Lookup("places", on="place", take=["size"]),
            Window("orders", by="place", of="amount", agg=["mean"], over=["36h"]),
        ],
        trainer=LightGBM(rounds=2),
        split=Split(validation="1d", holdout="1d"),
        gates=[AtLeast("roc_auc", 0.6)],
        drift=Drift(report_rows=0),
        retrain=Retrain(every=1, min_examples=100_000),
    )


def day(number: int) -> str:
    return f"{START + timedelta(days=number):%Y-%m-%d}"


def land_day(shop: World, number: int, *, extra: float = 0.0, known_later: timedelta = timedelta()) -> None:
    """The orders and returns of a day; `extra` changes amounts, `known_later` when they became known."""
    begin = START + timedelta(days=number)
    at = [begin + timedelta(hours=6 * i) for i in range(4)]
    known = [moment + timedelta(minutes=5) + known_later for moment in at]
    numbers = [100 * number + i for i in range(4)]
    rows = {"order": numbers, "place": list("abab"), "at": at, "known": known}
    amounts = [i + extra for i in (1.0, 7.0, 3.0, 9.0)]
    frame = pl.DataFrame({**rows, "amount": amounts, "kept": [True, False, False, True]})
    shop.land(orders, f"{day(number)}.csv", frame, begin + timedelta(days=1, minutes=len(shop.steps_run)))
    if "returns" in shop.tables:
        back = pl.DataFrame({"order": numbers[:2], "at": [moment + timedelta(hours=20) for moment in at[:2]]})
        shop.land(returns, f"{day(number)}.csv", back, begin + timedelta(days=1))


def land_places(shop: World, size: int) -> None:
    frame = pl.DataFrame({"place": ["a", "b"], "size": [1, size]})
    shop.land(places, "places.csv", frame, START + timedelta(minutes=len(shop.steps_run)))


@pytest.fixture(scope="module")
def lakes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """For each kind of label a lake of a few days, settled, whose plan was kept."""
    folders = {}
    for label in ("own", "late"):
        folder = folders[label] = tmp_path_factory.mktemp(label) / "data"
        with closing(world(folder, declared(label))) as shop:
            land_places(shop, 2)
            for number in range(DAYS + 1):
                land_day(shop, number)
            shop.run()
            planner(shop.ws, shop.pipeline).keep_settled()
    return folders


@pytest.fixture
def open_shop(lakes: dict[str, Path], tmp_path: Path) -> Iterator[Callable[[str], World]]:
    worlds: list[World] = []

    def open_(label: str) -> World:
        for one in worlds:
            one.close()
        folder = tmp_path / f"shop{len(worlds)}"
        shutil.copytree(lakes[label], folder)
        worlds.append(world(folder, declared(label)))
        return worlds[-1]

    yield open_
    for one in worlds:
        one.close()


def stands(shop: World) -> Standing:
    with shop.ws.reading():
        return standing(shop.ws, shop.pipeline, STEPS)


def check(shop: World) -> None:
    """No partition that stands has work in a plan of everything, and the outdated ones are those of such a plan."""
    kept = stands(shop)
    with shop.ws.reading():
        full = Planner(shop.ws, shop.pipeline, STEPS)
        for partition in kept.partitions:
            assert not full._stale(partition), partition
            leaves = full._leaves("data", partition) or full._leaves("train", partition)
            assert (partition in kept.outdated) == leaves, partition


# -- what may happen between two plans -------------------------------------------------------------


def change_rows(shop: World, number: int) -> None:
    land_day(shop, number, extra=0.5)
    make_tables(shop)


def know_later(shop: World, number: int) -> None:
    land_day(shop, number, extra=0.25, known_later=timedelta(days=number))
    make_tables(shop)


def land_next(shop: World, number: int) -> None:
    land_day(shop, DAYS + 1 + number % 2)
    make_tables(shop)


def change_places(shop: World, number: int) -> None:
    land_places(shop, 10 + number)
    make_tables(shop)


def land_only(shop: World, number: int) -> None:
    land_day(shop, number, extra=1.5)


def run_step_again(shop: World, number: int) -> None:
    step = STEPS[number]
    author = Author(f"shop/{step.name}", day(number), f"other {number}", "test")
    ledger.record(shop.ws.state, author, rows=4, result=step.result() if number < 5 else Result())


def decide_again(shop: World, number: int) -> None:
    newest = decisions.current(shop.ws.state, "shop")[day(number)]
    decisions.append(
        shop.ws.state,
        "shop",
        day(number),
        decided_at=newest.decided_at,
        outcome="skipped",
        reason="again",
        policy=newest.policy,
        evidence=newest.evidence,
        run_id="test",
    )


def promote(shop: World, number: int) -> None:
    training = Training(
        "shop", f"key {number}", day(number), "", f"bundle {number}", {}, None, {}, {"holdout": {}}, {}, "", {}, "test"
    )
    version = versions.register(shop.ws.state, training)
    end = START + timedelta(days=number + 1)
    promotions.promote(
        shop.ws.state, "shop", version.version, {}, partition=day(number), effective_at=end, reason="test", actor="test"
    )


def leave_unchecked(shop: World, number: int) -> None:
    checks.expect(shop.ws.state, "orders", day(number))


def damage(shop: World, number: int) -> None:
    schema = ("validated", "shop", "quarantine")[number % 3]
    for file in data_files.current(shop.ws.lake):
        if (file.location.schema, file.location.partition) == (schema, day(number)):
            file.path.unlink(missing_ok=True)
    check(shop)
    shop.declare()  # the next process sets it aside


def keep(shop: World, number: int) -> None:
    planner(shop.ws, shop.pipeline).keep_settled()


def forget_spans(shop: World, number: int) -> None:
    last = ledger.latest_of(shop.ws.state, "validated/orders", day(number))
    assert last is not None
    with shop.ws.state.writing() as connection:
        connection.execute(record_spans.delete().where(record_spans.c.record_id == last.id))


def make_tables(shop: World) -> None:
    """Validate what landed, as a run that is killed before the first feature."""
    for work in planner(shop.ws, shop.pipeline).work():
        wanted = [key for key in shop.ordered(shop.pipeline, work) if not key.startswith("shop/")]
        for key in wanted:
            shop.step(key, work.partition)
        if not wanted or work.partition > day(DAYS):
            return
        if any(key.startswith("shop/") for key in ("/".join(one) for one in work.only or [])):
            return


CHANGES = (
    change_rows,
    know_later,
    land_next,
    change_places,
    land_only,
    run_step_again,
    decide_again,
    promote,
    leave_unchecked,
    damage,
    keep,
    forget_spans,
)


Changes = list[tuple[Callable[[World, int], None], int]]


def check_after_each(shop: World, changes: Changes) -> None:
    for change, number in changes:
        change(shop, number)
        check(shop)


SOME = st.lists(st.tuples(st.sampled_from(CHANGES), st.integers(0, DAYS - 1)), min_size=1, max_size=3)
IN_ONE_SHOP = [HealthCheck.function_scoped_fixture]  # each example opens a copy of its own


@settings(max_examples=4, deadline=None, suppress_health_check=IN_ONE_SHOP)
@given(st.sampled_from(["own", "late"]), SOME)
def test_nothing_that_stands_has_work_whatever_changed(
    open_shop: Callable[[str], World], label: str, changes: Changes
) -> None:
    check_after_each(open_shop(label), changes)


@pytest.mark.slow
@settings(max_examples=100, deadline=None, suppress_health_check=IN_ONE_SHOP)
@given(st.sampled_from(["own", "late"]), SOME)
def test_nothing_that_stands_has_work_whatever_changed_however_often_it_is_tried(
    open_shop: Callable[[str], World], label: str, changes: Changes
) -> None:
    check_after_each(open_shop(label), changes)


@pytest.mark.parametrize("label", ["own", "late"])
def test_everything_stands_while_nothing_changes(open_shop: Callable[[str], World], label: str) -> None:
    shop = open_shop(label)
    settled = set(planner(shop.ws, shop.pipeline).complete())
    assert stands(shop).partitions == settled
    assert planner(shop.ws, shop.pipeline).outdated() == []
    assert shop.planned() == []


@pytest.mark.parametrize("label", ["own", "late"])
def test_a_new_day_leaves_the_days_before_it_standing(open_shop: Callable[[str], World], label: str) -> None:
    shop = open_shop(label)
    land_day(shop, DAYS + 1)
    make_tables(shop)
    assert stands(shop).partitions >= {day(number) for number in range(DAYS - 2)}
    shop.run()
    planner(shop.ws, shop.pipeline).keep_settled()
    assert len(stands(shop).partitions) == DAYS + 1


def test_a_late_correction_is_looked_at_from_its_day_on(open_shop: Callable[[str], World]) -> None:
    shop = open_shop("own")
    change_rows(shop, 2)
    assert stands(shop).partitions == {day(0), day(1)}
    assert {work.partition for work in _all_work(shop)} >= {day(2), day(3)}


def test_a_plan_under_another_declaration_looks_at_everything(open_shop: Callable[[str], World]) -> None:
    shop = open_shop("own")
    shop.declare(declared("late"))
    assert stands(shop) == Standing()


def test_a_plan_that_finds_nothing_asks_for_no_key(
    open_shop: Callable[[str], World], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, asked = open_shop("own"), []
    for step in STEPS:
        monkeypatch.setattr(type(step), "key", lambda self, *_: asked.append(self.name))
    assert shop.planned() == []
    assert asked == []


def test_a_plan_of_everything_asks_for_each_key_once_and_again_after_a_change(
    open_shop: Callable[[str], World], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, asked = open_shop("own"), list[tuple[str, str]]()
    for kind in {type(step) for step in STEPS}:
        key = kind.key
        monkeypatch.setattr(
            kind,
            "key",
            lambda self, ws, pipeline, partition, key=key: (
                asked.append((self.name, partition)),
                key(self, ws, pipeline, partition),
            )[1],
        )
    planner = Planner(shop.ws, shop.pipeline, STEPS, recompute=True)  # for which nothing stands
    for _ in range(2):
        with shop.ws.reading():
            assert not any(
                planner.stale_assets("data", partition) or planner.stale_assets("train", partition)
                for partition in planner.complete()
            )
    planner.outdated()
    assert sorted(asked) == sorted(set(asked)) != []
    change_rows(shop, 1)
    asked.clear()
    with shop.ws.reading():
        assert any(
            planner.stale_assets("data", partition) or planner.stale_assets("train", partition)
            for partition in planner.complete()
        )
    assert asked


def test_spans_of_older_records_are_added_by_the_next_validation(open_shop: Callable[[str], World]) -> None:
    shop = open_shop("own")
    with shop.ws.state.reading():
        from ml_platform.state import spans

        before = spans.of_table(shop.ws.state, "orders")
    with shop.ws.state.writing() as connection:
        connection.execute(record_spans.delete())
    assert spans.of_table(shop.ws.state, "orders") is None
    shop.step("validated/orders", day(0))
    assert spans.of_table(shop.ws.state, "orders") == before


def test_a_plan_of_before_a_restored_state_is_not_used(open_shop: Callable[[str], World]) -> None:
    shop = open_shop("own")
    plan = settled_plans.last(shop.ws.state, "shop")
    assert plan is not None
    ahead = {name: number + 5 for name, number in plan.marks.items()}
    settled_plans.keep(shop.ws.state, settled_plans.SettledPlan(**{**vars(plan), "marks": ahead}))
    assert stands(shop) == Standing()


def _all_work(shop: World) -> list:  # type: ignore[type-arg]  # of the planner's own type
    launched: list = []  # type: ignore[type-arg]  # of the planner's own type
    shop.run(launched=launched)
    return launched
