"""A clock that is set back puts nothing before what it follows (S51)."""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as st
from sqlalchemy import DateTime, create_engine, text

import ml_platform
from ml_platform.lake.transaction import Author
from ml_platform.monitoring.delivery import Channel, deliver
from ml_platform.settings import Settings
from ml_platform.state import (
    alerts,
    checks,
    clock,
    decisions,
    files,
    ledger,
    migrate,
    promotions,
    schema,
    screenings,
    verdicts,
    versions,
    withdrawals,
)
from ml_platform.state.checks import CheckRow
from ml_platform.state.database import State
from ml_platform.state.engine import path
from ml_platform.state.files import FileVersion
from ml_platform.state.results import Result
from ml_platform.state.screenings import ScreeningRecord
from ml_platform_tests.examples import tries
from ml_platform_tests.machine_clock import MachineClock, machine_clock
from ml_platform_tests.state.registry_rows import FLOOR, training, verdict

DAY = timedelta(days=1)


@pytest.fixture
def shown() -> Iterator[MachineClock]:
    with machine_clock() as one:
        yield one


def _file(number: int) -> FileVersion:
    moment = datetime(2020, 1, 1, tzinfo=UTC)
    return FileVersion(
        f"f{number}", f"trips/{number}.csv", 1, "5e7", 1, 1, 1, "{}", moment, False, "ingested", None, None, ""
    )


def _alert(number: int) -> alerts.Alert:
    return alerts.alert("gate", "churn/verdicts", "all", "auc", evidence=str(number), title="It failed", text="It is.")


# Whatever is written with a time of the platform's own; each is called with a number of its own.
WRITES: dict[str, Callable[[State, int], object]] = {
    "record": lambda state, n: ledger.record(state, Author("a", str(n), "k"), rows=1, result=Result()),
    "file": lambda state, n: files.record(state, "trips", _file(n), "run"),
    "declared arrival": lambda state, n: files.declare_arrivals(state, "trips", [(f"{n}", "5e7")], datetime.now(UTC)),
    "arrival": lambda state, n: files.next_arrival(state, "trips"),
    "screening": lambda state, n: (
        files.record(state, "trips", _file(n), "run"),
        screenings.record(state, [ScreeningRecord("trips", f"f{n}", "k", "d", 1, 0, 0, 0, "{}", None)]),
    ),
    "version": lambda state, n: versions.register(state, training(f"c{n}")),
    "verdict": lambda state, n: verdicts.record(
        state, [verdict(FLOOR, versions.register(state, training(f"c{n}")).version)], "run"
    ),
    "promotion": lambda state, n: promotions.promote(
        state, "delays", versions.register(state, training(f"c{n}")).version, {}, partition=str(n), reason="", actor="a"
    ),
    "kept champion": lambda state, n: promotions.keep(
        state, "delays", partition=str(n), effective_at=datetime.now(UTC), reason=str(n), actor="a"
    ),
    "decision": lambda state, n: decisions.append(
        state, "delays", str(n), decided_at=None, outcome="skipped", reason="", policy="{}", evidence="{}", run_id=""
    ),
    "check": lambda state, n: checks.record(
        state, "trips", str(n), [CheckRow("trips", str(n), "k", "units", "error", True, 1.0, 2.0, "It is fine.")]
    ),
    "withdrawal": lambda state, n: (
        files.record(state, "trips", _file(n), "run"),
        withdrawals.record(state, "trips", _file(n), "5e7", why="twice", actor="a", by_hand=True),
        withdrawals.end(state, "trips", [f"trips/{n}.csv"]),
    ),
    "alert": lambda state, n: alerts.raise_(state, [_alert(n)]),
    "resolved alert": lambda state, n: (
        alerts.raise_(state, [_alert(n)]),
        alerts.resolve(state, {_alert(n).alert_id: "seen"}),
    ),
    "delivery": lambda state, n: (alerts.raise_(state, [_alert(n)]), deliver(state, [Channel("c", lambda _: None)])),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_whatever_is_written_is_later_than_all_before_it_though_the_clock_was_set_back(
    state: State, shown: MachineClock, write: Callable[[State, int], object]
) -> None:
    before = datetime.min.replace(tzinfo=UTC)
    for number, days in enumerate((0, -1, -400, 30, 2, 31)):
        shown.shift = days * DAY
        write(state, number)
        with state.connection() as connection:
            stamp = clock.newest_stamp(connection)
            newest = clock.newest_on_record(connection)
        assert stamp is not None and stamp > before
        assert newest is None or newest <= stamp, "no row has a time that the clock does not know"
        assert days not in (0, 30, 31) or abs(stamp - shown.now) < timedelta(minutes=1), "a clock that is right counts"
        before = stamp


def test_every_time_of_the_platform_is_among_those_that_a_migration_begins_after() -> None:
    of_events = {  # what happened elsewhere, was declared, or is computed from another time
        "files.arrival",
        "files.replaced_at",
        "landings.arrival",
        "versions.decided_at",
        "decisions.decided_at",
        "promotions.effective_at",
        "alert_deliveries.until",
        "clock.newest",
        "experiments.started_at",  # those of experiments order nothing, and an experiment leaves the clock alone
        "experiments.ended_at",
        "experiment_notes.written_at",
        "run_exports.tried_at",  # when a run was sent to MLflow, which orders nothing
        "searches.started_at",  # the same of searches, which experiments make, too
        "searches.ended_at",
        "trials.recorded_at",
    }
    times = {
        str(column)
        for table in schema.metadata.tables.values()
        for column in table.columns
        if isinstance(getattr(column.type, "impl", column.type), DateTime)
    }
    assert times - of_events == {str(column) for column in clock._STAMPED}


@trying(max_examples=tries(25), deadline=None)
@given(st.lists(st.integers(-10_000, 10_000), min_size=1, max_size=12))
def test_stamps_only_rise_however_the_clock_jumps(shifts: list[int]) -> None:
    stored: list[datetime] = []

    class Kept:
        """A transaction that remembers the newest stamp."""

        def execute(self, statement: object) -> "Kept":
            return self

        def scalar(self) -> datetime | None:
            return stored[-1] if stored else None

    with machine_clock() as shown:
        for shift in shifts:
            shown.shift = timedelta(seconds=shift)
            stamps = clock.Stamps(Kept())  # type: ignore[arg-type]  # as far as it is used
            made = [stamps.following(), stamps.following()]
            assert made[0] < made[1] and (not stored or stored[-1] < made[0])
            stored.append(made[1])


def test_stamps_of_one_transaction_rise_and_a_rolled_back_one_leaves_none(state: State, shown: MachineClock) -> None:
    with state.writing():
        first, second = state.stamp(), state.stamp()
    assert first < second
    shown.shift = 5 * DAY
    with pytest.raises(ZeroDivisionError), state.writing():
        state.stamp()
        raise ZeroDivisionError
    shown.shift = timedelta()
    assert abs(state.stamp() - shown.now) < timedelta(minutes=1), "nothing was written five days ahead"


def test_a_clock_that_was_set_back_is_told_until_it_has_caught_up(state: State, shown: MachineClock) -> None:
    assert state.clock_behind() == timedelta()
    stamp = state.stamp()
    assert state.clock_behind(stamp - timedelta(seconds=4)) == timedelta(), "two machines may differ by that"
    assert state.clock_behind(stamp - DAY) == DAY
    assert state.clock_behind(stamp + DAY) == timedelta()


def test_promotions_by_hand_follow_one_another_though_the_clock_was_set_back(state: State, shown: MachineClock) -> None:
    for number in (1, 2):
        versions.register(state, training(f"c{number}"))
    promotions.promote(state, "delays", 1, {}, partition="", reason="", actor="ada", by_hand=True)
    shown.shift = -DAY
    promotions.promote(state, "delays", 2, {}, partition="", reason="", actor="ada", by_hand=True)
    assert promotions.champion_at(state, "delays") == 2
    promotions.rollback(state, "delays", why="slow", actor="ada")
    assert promotions.champion_at(state, "delays") == 1
    log = promotions.history(state, "delays")
    assert [entry.recorded_at for entry in log] == sorted(entry.recorded_at for entry in log)


def test_alerts_are_listed_newest_first_though_the_clock_was_set_back(state: State, shown: MachineClock) -> None:
    for number in range(3):
        shown.shift = -number * DAY
        alerts.raise_(state, [_alert(number)])
    assert [item.evidence for item in alerts.raised(state)] == ["2", "1", "0"]


def test_a_state_of_older_code_begins_after_its_newest_row(settings: Settings) -> None:
    ahead = datetime(2050, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    config, file = Config(), path(settings)
    config.set_main_option("script_location", str(Path(migrate.__file__).with_name("migrations")))
    (before,) = {
        script.down_revision
        for script in ScriptDirectory.from_config(config).walk_revisions()
        if hasattr(script.module, "STAMPED")
    }
    file.parent.mkdir(parents=True)
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, str(before))
        connection.execute(
            text(
                "INSERT INTO decisions (pipeline, partition, outcome, reason, policy, evidence, run_id, recorded_at) "
                "VALUES ('delays', '2024-01', 'skipped', '', '{}', '{}', '', '2050-01-02 03:04:05.000006')"
            )
        )
    engine.dispose()
    with closing(State(settings)) as migrated:
        assert migrated.stamp() == ahead + timedelta(microseconds=1)
        assert migrated.clock_behind() > timedelta(days=365)


def test_two_processes_share_the_newest_stamp(settings: Settings, state: State, shown: MachineClock) -> None:
    shown.shift = DAY
    newest = state.stamp()
    shown.shift = timedelta()
    with closing(State(settings)) as other:
        assert other.stamp() == newest + timedelta(microseconds=1)
    with closing(sqlite3.connect(settings.lake / "state.sqlite")) as connection:
        assert connection.execute("SELECT count(*) FROM clock").fetchone() == (1,)


# Modules of the packages that store what is on record, as far as they ask the machine's clock, and why they may.
ASK_THE_CLOCK = {
    "state/clock.py": "the stamps themselves",
    "state/database.py": "how far the clock is behind the newest stamp",
    "state/alerts.py": "a finding that is not stored yet; `raise_` stamps it",
    "state/experiments.py": "times of experiments, which order nothing and leave the platform's clock alone",
    "state/searches.py": "the same, of searches and trials",
    "state/annotations.py": "the same, of notes about them",
    "state/run_exports.py": "when a run was sent to a tracking server, which orders nothing",
    "sources/raw.py": "no arrival, where nothing waits",
    "sources/landing.py": "whether a declared arrival is a slip, which is refused",
    "steps/served_parity.py": "whether an hour has passed since the last comparison",
    "steps/service_checks.py": "whether a service had the time to take up rows",
    "steps/replaying.py": "when a store for a replay was filled, which nobody reads",
    "sources/dlt.py": "when a sensor has a resource asked, and a stamp that is another one at every look",
    "sources/files.py": "whether a file changed just now, and its fingerprint is not to be kept",
}


def test_no_other_module_that_puts_something_on_record_asks_the_clock() -> None:
    asked = re.compile(r"\b(datetime|date)\.(now|utcnow|today)\(|\btime\.time(_ns)?\(|CURRENT_TIMESTAMP")
    package = Path(ml_platform.__file__).parent
    asking = {
        file.relative_to(package).as_posix()
        for folder in ("state", "sources", "steps", "runtime/workspace.py", "retraining")
        for file in ([package / folder] if folder.endswith(".py") else (package / folder).rglob("*.py"))
        if asked.search(file.read_text(encoding="utf-8"))
    }
    assert asking == set(ASK_THE_CLOCK)
