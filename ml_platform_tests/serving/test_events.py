"""Events (S36): the next prediction has of them what the batch has once they are in the lake."""

import asyncio
import json
import re
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import Mock

import polars as pl
import pytest

from ml_platform import ModelPipeline
from ml_platform.errors import ServingError
from ml_platform.lake import durable
from ml_platform.pipelines.card_fraud import card_fraud
from ml_platform.serving.events.keeping import EventKeeper
from ml_platform.serving.events.labels import LabelEvents
from ml_platform.serving.events.tables import tables_with_events
from ml_platform.serving.events.taking import EventsRefused, EventTaker, Taken, database_path
from ml_platform.serving.filling import fill
from ml_platform.serving.rest import event_service
from ml_platform.serving.rest.event_requests import to_event_request
from ml_platform.serving.rest.event_service import EventService, EventsOfPipeline
from ml_platform.state.files import versions
from ml_platform_tests import scenario
from ml_platform_tests.features.test_properties import bits
from ml_platform_tests.serving.event_world import BASE, Row, copied, pipeline, reading, visits


def same(online: list[Row], batch: list[Row]) -> None:
    """Whether each online answer is the batch's. What an `at` before the horizon asks for has none."""
    assert any(online)
    for one, other in zip(online, batch, strict=True):
        if one:
            assert {name: bits(value) for name, value in one.items()} == {
                name: bits(value) for name, value in other.items()
            }


def test_the_next_prediction_sees_an_event_as_the_batch_does_later(events_lake: Path) -> None:
    with copied(events_lake) as world:
        assert world.take("readings", [reading(1, "s1", 2, 20.0), reading(2, "s1", 5, 3.5)]).taken == 2
        assert world.take("clicks", [{"person": 1, "at": BASE - timedelta(hours=1), "page": "b"}]).taken == 1
        assert world.take("people", [{"person": 1, "name": "Bob", "born": None}]).taken == 1
        examples = visits(datetime.now(UTC), BASE + timedelta(hours=1), BASE - timedelta(hours=4))
        seen = world.online(examples)
        assert [row["people__name"] for row in seen[:4]] == ["Ada", "Bob", "Ada", "Bob"]
        world.validate()
        same(seen, world.batch(examples))
        world.fill()
        same(world.online(examples), seen)
        paths = [version.path for version in versions(world.stores.state, "readings")]
        assert [path for path in paths if path.startswith("_events/readings/")]


def test_a_correction_lands_after_the_row_that_it_corrects_however_new_that_is(events_lake: Path) -> None:
    with copied(events_lake, of_visits="latest") as world:
        visit = {"visit": 7, "at": BASE - timedelta(hours=3), "sensor": "s0", "person": 1, "good": None}
        world.take("visits", [visit])
        world.fill()
        arrived = datetime.now(UTC)
        world.taker("visits").take_outcomes([{"visit": 7, "good": True}])
        world.validate(all_of_them=False)
        known = "SELECT good, _known_at FROM validated.visits WHERE visit = 7 ORDER BY _arrival"
        (first, at), (label, known_at) = world.stores.lake.rows(known)
        assert (first, at, label) == (None, visit["at"], True)
        assert known_at >= arrived


def test_a_first_row_that_no_correction_waits_for_lands_with_those_of_a_minute(events_lake: Path) -> None:
    with copied(events_lake) as world:
        world.take("readings", [reading(1, "s1", 1)])
        assert world.land_events(all_of_them=False) == 0
        world.take("readings", [reading(1, "s1", 1, 7.0)])
        world.take("readings", [reading(2, "s1", 1)])  # comes to the group of the first
        assert world.land_events(all_of_them=False) == 2


@pytest.mark.parametrize(
    ("on_conflict", "are_corrections"), [("latest", False), ("latest", True), ("quarantine", False)]
)
def test_the_same_key_in_two_partitions_lands_as_two_rows(
    events_lake: Path, on_conflict: str, are_corrections: bool
) -> None:
    with copied(events_lake, on_conflict, of_visits="latest") as world:
        if are_corrections:
            world.take("readings", [reading(4, "s0", 20, 8.0)])
            world.take("readings", [reading(4, "s0", 1000, 8.0)])
            world.fill()
        for value, hours_ago in ((1.0, 20), (2.0, 1000)):
            assert world.take("readings", [reading(4, "s0", hours_ago, value)]).taken == 1
        examples = visits(datetime.now(UTC))
        seen = world.online(examples)
        world.validate()
        same(seen, world.batch(examples))
        current = "SELECT value FROM validated.readings WHERE id = 4 AND _superseded_at IS NULL ORDER BY value"
        assert world.stores.lake.rows(current) == [(1.0,), (2.0,)]
        assert world.take("readings", [reading(4, "s0", 20, 1.0), reading(5, "s0", 20)]).repeated == 1


def test_what_the_batch_would_refuse_is_refused_whole(events_lake: Path) -> None:
    with copied(events_lake, "quarantine") as world:
        with pytest.raises(EventsRefused, match="value") as refused:
            world.take("readings", [reading(1, "s1", 1), reading(2, "s1", 1, 1000.0)])
        assert refused.value.reasons.keys() == {1}
        assert world.take("readings", [reading(1, "s1", 1)]).taken == 1
        assert world.take("readings", [reading(1, "s1", 1)]).repeated == 1
        with pytest.raises(EventsRefused, match="other content"):
            world.take("readings", [reading(1, "s1", 2)])


def test_what_a_killed_worker_journalled_is_seen_once_another_one_looks(
    events_lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with copied(events_lake) as world:
        killed = world.taker("readings")
        with monkeypatch.context() as context:
            context.setattr(world.store, "change", Mock(side_effect=SystemExit))
            with pytest.raises(SystemExit):
                killed.take([reading(1, "s1", 1, 20.0)])
        examples = visits(BASE + timedelta(hours=1))
        assert {row["readings__value"] for row in world.online(examples)} == {None}
        world.keeper.catch_up("readings", world.store)
        seen = world.online(examples)
        assert 20.0 in {row["readings__value"] for row in seen}
        assert world.take("readings", [reading(1, "s1", 1, 20.0)]).repeated == 1
        world.validate()
        same(seen, world.batch(examples))


@pytest.mark.parametrize("after", ["sync_file", "make_folder", "sync_folder"])
def test_a_kill_while_events_land_lands_them_once(
    events_lake: Path, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    with copied(events_lake) as world:
        world.take("readings", [reading(1, "s1", 1), reading(2, "s1", 1)])
        world.take("readings", [reading(1, "s1", 1, 7.0)])
        with monkeypatch.context() as context:
            context.setattr(durable, after, Mock(side_effect=SystemExit))
            with pytest.raises(SystemExit):
                world.land_events()
        world.validate()
        assert world.land_events() == 0
        world.validate()
        standing = world.stores.lake.rows(
            "SELECT id, value FROM validated.readings WHERE _superseded_at IS NULL AND id > 0 ORDER BY id"
        )
        assert standing == [(1, 7.0), (2, 1.0)]
        assert len(list(world.stores.settings.landing.glob("_events/*/*"))) == 2


def test_what_a_kill_left_of_a_file_is_written_over(events_lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with copied(events_lake) as world:
        world.take("readings", [reading(1, "s1", 1)])
        with monkeypatch.context() as context:
            context.setattr(Path, "unlink", Mock())  # nothing is tidied up after a kill
            context.setattr(durable, "sync_file", Mock(side_effect=SystemExit))
            with pytest.raises(SystemExit):
                world.land_events()
        folder = world.stores.settings.landing / "_events" / "readings"
        (half,) = folder.iterdir()
        assert half.name.endswith(".tmp")
        assert world.land_events() == 1
        (whole,) = folder.iterdir()
        assert half.name == f".{whole.name}.tmp"


def test_events_that_cannot_land_are_refused_once_they_take_their_budget(events_lake: Path) -> None:
    with (
        copied(events_lake) as world,
        EventTaker(world.tables["readings"], world.stores.settings.events, world.store, 200) as taker,
    ):
        taker.take([reading(1, "s1", 1)])
        with pytest.raises(ServingError, match="their budget is 200"):
            taker.take([reading(number, "s1", 1) for number in range(2, 6)])
        world.land_events()
        assert (taker.backlog, taker.take([reading(2, "s1", 1)]).taken) == (0, 1)


def test_the_budget_of_events_is_of_bytes(events_lake: Path) -> None:
    with (
        copied(events_lake) as world,
        EventTaker(world.tables["people"], world.stores.settings.events, world.store, 150) as taker,
    ):
        assert taker.take([{"person": 1, "name": "u" * 90, "born": None}]).taken == 1
        world.land_events()
        with pytest.raises(ServingError, match="their budget is 150"):
            taker.take([{"person": 2, "name": "\N{LATIN SMALL LETTER U WITH DIAERESIS}" * 90, "born": None}])


def test_a_label_corrects_the_row_of_its_example(events_lake: Path) -> None:
    with copied(events_lake, of_visits="latest") as world:
        world.fill()
        labels = LabelEvents.of(world.pipeline, world.tables)
        assert (labels.refusal, labels.outcomes) == (None, ("visit", "good"))
        visit = {"visit": 7, "at": BASE - timedelta(hours=3), "sensor": "s0", "person": 1, "good": None}
        world.take("visits", [visit])
        taker = world.taker("visits")
        assert taker.take_outcomes([{"visit": 7, "good": True}]) == Taken(1, 0)
        assert taker.take_outcomes([{"visit": 7, "good": True}]) == Taken(0, 1)
        with pytest.raises(EventsRefused, match="no row has its key"):
            taker.take_outcomes([{"visit": 8, "good": True}])
        world.validate()
        versions_of = "SELECT good, _superseded_at IS NULL FROM validated.visits WHERE visit = 7 ORDER BY _arrival"
        assert world.stores.lake.rows(versions_of) == [(None, False), (True, True)]


def test_a_label_twice_in_a_request_is_a_repetition_and_two_labels_of_one_example_are_a_conflict(
    events_lake: Path,
) -> None:
    with copied(events_lake, of_visits="latest") as world:
        taker = world.taker("visits")
        assert taker.take_outcomes([{"visit": 0, "good": False}] * 2) == Taken(1, 1)
        with pytest.raises(EventsRefused, match="key") as refused:
            taker.take_outcomes([{"visit": 0, "good": False}, {"visit": 0, "good": True}])
        assert refused.value.reasons.keys() == {0, 1}


def test_what_a_label_corrects_is_found_without_reading_all_rows(
    events_lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with copied(events_lake, of_visits="latest") as world:
        visit = {"visit": 7, "at": BASE - timedelta(days=40), "sensor": "s0", "person": 1, "good": None}
        world.take("visits", [visit, {**visit, "visit": 8, "at": BASE}])  # of two partitions
        rows = world.keeper.event_rows("visits")
        assert rows is not None
        ask = Mock(wraps=rows.database.rows)
        with monkeypatch.context() as context:
            context.setattr(rows.database, "rows", ask)
            found = rows.standing(pl.DataFrame({"visit": [8, 7, 9]}))
        asked = [call.args for call in ask.call_args_list]
        assert [[row["at"] for row in of_key] for of_key in found] == [[BASE], [visit["at"]], []]
        steps = [
            step for sql, *values in asked for *_, step in rows.database.rows(f"EXPLAIN QUERY PLAN {sql}", *values)
        ]
        assert steps and "SCAN rows" not in steps


def test_a_file_of_events_as_they_were_kept_before_is_filled_anew(events_lake: Path) -> None:
    with copied(events_lake, of_visits="latest") as world:
        with closing(sqlite3.connect(database_path(world.stores.settings.events, "visits"))) as connection:
            connection.executescript(
                "DROP TABLE row_partitions; ALTER TABLE groups DROP COLUMN partition; PRAGMA user_version = 1;"
            )
        rows = world.keeper.event_rows("visits")
        assert rows is not None and rows.database.meta()["filled"] == 0
        world.fill()
        assert world.taker("visits").take_outcomes([{"visit": 0, "good": False}]) == Taken(1, 0)


def test_a_filling_is_of_the_tables_of_its_pipeline(events_lake: Path) -> None:
    with copied(events_lake, of_visits="latest") as world:
        database = world.keeper.event_rows("visits").database  # type: ignore[union-attr]
        with database.writing():
            database.note(filled=0)
        fill(world.stores, world.definition, world.store, None, world.keeper, frozenset({"readings"}))
        assert not database.meta()["filled"]
        fill(world.stores, world.definition, world.store, None, world.keeper, frozenset({"visits"}))
        assert database.meta()["filled"]


def test_a_label_that_would_be_a_conflict_is_refused_with_the_reason() -> None:
    declared = pipeline()
    labels = LabelEvents.of(declared, tables_with_events(declared))
    assert labels.refusal is not None and "on_conflict='quarantine'" in labels.refusal


def test_tables_that_take_no_events_say_why() -> None:
    refreshed = tables_with_events(pipeline(refresh="1d"))["readings"]
    cleaned = tables_with_events(pipeline(clean=lambda rows: rows))["readings"]
    assert refreshed.refusal is not None and "refresh='1d'" in refreshed.refusal
    assert cleaned.refusal is not None and "clean" in cleaned.refusal


def test_an_event_of_long_ago_is_refused_and_an_event_of_no_partition_too(events_lake: Path) -> None:
    with copied(events_lake, span=timedelta(days=1)) as world:
        world.take("readings", [reading(1, "s1", 1)])
        world.validate()
        world.fill()
        with pytest.raises(EventsRefused, match="events are taken from"):
            world.take("readings", [reading(2, "s1", 24 * 60)])
        with pytest.raises(EventsRefused, match="none of the partitions"):
            world.take("readings", [reading(2, "s1", 24 * 365 * 40)])


def test_a_time_more_than_a_year_ahead_is_refused_and_a_forecast_is_not(events_lake: Path) -> None:
    with copied(events_lake) as world:
        now, later = datetime.now(UTC), datetime.now(UTC) + timedelta(days=367)
        slips: tuple[Row, ...] = (
            {"at": later, "seen": now},
            {"at": now, "seen": later},
            {"at": datetime(2199, 1, 1, tzinfo=UTC)},
        )
        for slip in slips:
            with pytest.raises(EventsRefused, match="more than a year ahead") as refused:
                world.take("readings", [reading(1, "s1", 1), reading(2, "s1", 1, **slip)])
            assert refused.value.reasons.keys() == {1}
        forecast = reading(3, "s1", 1, at=now + timedelta(days=365), seen=now)
        assert world.take("readings", [forecast]).taken == 1


def test_an_event_with_a_text_that_no_filter_can_name_is_refused(events_lake: Path) -> None:
    with copied(events_lake) as world, pytest.raises(EventsRefused, match=r"sensor is 's.u0000L'"):
        world.take("readings", [reading(1, "s\0L", 1)])


def test_requests_that_wait_together_are_each_answered_for_themselves(events_lake: Path) -> None:
    with copied(events_lake, "quarantine") as world:
        world.fill()
        service = EventService(dict, world.stores.settings.events, world.store, 1_000_000)
        table = world.tables["readings"]
        good = [[reading(10 * number, "s1", 1), reading(10 * number + 1, "s1", 2)] for number in range(8)]
        awkward = [good[3], [reading(10, "s0", 1)], [reading(90, "s1", 1, 1000.0)]]  # again, a conflict, out of bounds

        async def post(requests: list[list[Row]]) -> list[Taken | BaseException]:
            return await asyncio.gather(*(service.take(table, rows) for rows in requests), return_exceptions=True)

        assert asyncio.run(post(good)) == [Taken(2, 0)] * 8
        again, conflict, outside, new = asyncio.run(post([*awkward, [reading(91, "s1", 1)]]))
        service.stop()
        assert (again, new) == (Taken(0, 2), Taken(1, 0))
        assert isinstance(conflict, EventsRefused) and isinstance(outside, EventsRefused)
        world.validate()
        assert world.stores.lake.rows("SELECT count(*), sum(id) FROM validated.readings") == [(18, 659)]


def test_a_repetition_is_taken_together_with_new_events(events_lake: Path) -> None:
    with copied(events_lake) as world:
        world.fill()
        world.take("readings", [reading(1, "s1", 1), reading(2, "s1", 1)])
        requests = [[reading(3, "s1", 1), reading(1, "s1", 1)], [reading(2, "s1", 1)], [reading(4, "s1", 1)]]
        taker = world.taker("readings")
        assert taker.take_together(requests) == [Taken(1, 1), Taken(0, 1), Taken(1, 0)]
        assert taker.take_together(requests) == [Taken(0, 2), Taken(0, 1), Taken(0, 1)]
        assert taker.take_together([[reading(5, "s1", 1)], [reading(5, "s1", 1)]]) is None
        world.validate()
        assert world.stores.lake.rows("SELECT count(*), sum(id) FROM validated.readings") == [(5, 10)]


def test_a_table_that_is_not_filled_keeps_its_own_requests_waiting_once_and_no_others(
    events_lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_service, "WAIT", 1.0)
    with copied(events_lake) as world:
        world.fill()
        database = world.keeper.event_rows("readings").database  # type: ignore[union-attr]
        with database.writing():
            database.note(filled=0)
        service = EventService(dict, world.stores.settings.events, world.store, 1_000_000)
        answered = []

        async def take(table: str, row: Row) -> None:
            try:
                await service.take(world.tables[table], [row])
            except ServingError as error:
                assert "online store has nothing of readings" in str(error)
            answered.append(table)

        async def post() -> None:
            waiting = [take("readings", reading(number, "s1", 1)) for number in range(6)]
            await asyncio.gather(*waiting, take("clicks", {"person": 1, "at": BASE, "page": "b"}))

        begun = time.monotonic()
        asyncio.run(post())
        assert answered == ["clicks", *["readings"] * 6]
        assert time.monotonic() - begun < 4.0  # one after another they would wait for 6
        service.stop()


@pytest.mark.parametrize("declared", [pipeline(refresh="1d"), None])
def test_events_of_a_table_that_takes_none_any_more_land(events_lake: Path, declared: ModelPipeline | None) -> None:
    with copied(events_lake) as world:
        world.take("readings", [reading(1, "s1", 1), reading(2, "s1", 1)])
        tables = tables_with_events(declared) if declared is not None else {}
        with EventKeeper(world.stores.settings, tables) as keeper:
            assert "readings" in keeper.posted and "readings" not in keeper.taking
            assert keeper.refusal_of("readings") is not None
            assert keeper.land(world.stores.state, "readings") == 1
        assert world.taker("readings").backlog == 0
        world.validate()
        assert world.stores.lake.rows("SELECT count(*) FROM validated.readings WHERE id > 0") == [(2,)]


def test_the_examples_of_the_docs_are_events_and_labels() -> None:
    page = (Path(__file__).parents[2] / "docs" / "serving.md").read_text()
    body = re.search(r"/events -H 'content-type: application/json' -d '(.*?)'\n", page, re.DOTALL)
    adapter = EventsOfPipeline.of(card_fraud).request
    assert body is not None and adapter is not None
    assert to_event_request(adapter.validate_json(body[1])).table == "payments"
    label = re.search(r'\{"rows": \[(\{"trip".*?\})\]\}', page)
    trips = scenario.trips()
    assert label is not None
    assert set(json.loads(label[1])) == set(LabelEvents.of(trips, tables_with_events(trips)).outcomes or ())
