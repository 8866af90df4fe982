"""What `doctor` says to do, done: the finding is gone afterwards."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from ml_platform.runtime import retention
from ml_platform.settings import Settings
from ml_platform.sources.landing import land
from ml_platform.sources.withdrawing import withdraw
from ml_platform.spec.declarations import Declarations
from ml_platform.state import alerts, files, promotions
from ml_platform.state.publishing import publish
from ml_platform.state.schema import records
from ml_platform.state.versions import version
from ml_platform.views.health import examine
from ml_platform.views.health_finding import Finding
from ml_platform_tests import scenario
from ml_platform_tests.damage import flip_a_byte, table_files
from ml_platform_tests.faults import lake_contents
from ml_platform_tests.world import World, world

TRIPS = scenario.trips()
Act = Callable[[World], None]


@dataclass(frozen=True)
class Fault:
    """A damage, the finding by its name and a part of its detail, words of its remedy, and the remedy done."""

    damage: Act
    finding: str
    detail: str
    remedy: str
    mend: Act
    severity: str = "bad"


def _run(trips: World) -> None:
    """`ml-platform run`, which opens the lake anew and publishes at its end."""
    trips.declare()
    trips.run("2024-01")
    publish(trips.ws)


def _maintain_and_run(trips: World) -> None:
    trips.declare()
    retention.maintain(trips.ws, keep_days=7, grace=timedelta(0))
    _run(trips)


def _lose(table: str) -> Act:
    def damage(trips: World) -> None:
        for path in table_files(trips.ws.lake.tables, table):
            path.unlink()

    return damage


def _flip(table: str) -> Act:
    def damage(trips: World) -> None:
        flip_a_byte(table_files(trips.ws.lake.tables, table)[0])

    return damage


def _flush(trips: World) -> None:
    """Small tables of the platform lie in files after maintenance."""
    trips.declare()
    retention.maintain(trips.ws, keep_days=7, grace=timedelta(0))


def _lose_flushed(table: str) -> Act:
    def damage(trips: World) -> None:
        _flush(trips)
        _lose(table)(trips)

    return damage


def _bundle(trips: World) -> Path:
    champion = promotions.champion_at(trips.ws.state, TRIPS.name)
    assert champion is not None
    return trips.ws.blobs.path(version(trips.ws.state, TRIPS.name, champion).bundle)


def _delete_the_bundle_and_run(trips: World) -> None:
    _bundle(trips).unlink()
    _run(trips)


KEPT = Path("outside") / "trips_2024-01.csv"


def _lose_raw_and_its_file(trips: World) -> None:
    _lose("raw.trips")(trips)
    (trips.settings.landing / "trips" / "trips_2024-01.csv").unlink()
    _run(trips)  # reads the others again


def _land_it_again(trips: World) -> None:
    moment = next(v.arrival for v in files.versions(trips.ws.state, "trips") if "2024-01" in v.path)
    land(trips.settings, trips.tables["trips"], [trips.settings.data / KEPT], arrived=moment)
    _run(trips)


def _withdraw_it(trips: World) -> None:
    withdraw(trips.ws.state, trips.settings, "trips", "trips_2024-01.csv", why="lost", actor="ada")


def _stray(trips: World) -> None:
    (trips.settings.landing / "notes.txt").write_text("mine")


def _resolve(trips: World) -> None:
    (item,) = alerts.open_alerts(trips.ws.state)
    alerts.resolve(trips.ws.state, {item.alert_id: "we know"}, by="ada")


def _raise(trips: World) -> None:
    about = alerts.alert("gate", f"{TRIPS.name}/x", "2024-01", "x", evidence="e", title="It errs", text="So it does.")
    alerts.raise_(trips.ws.state, [about])


FAULTS: dict[str, Fault] = {
    "validated rows": Fault(_lose("validated.trips"), "data files", "validated.trips 2024-01", "ml-platform run", _run),
    "features": Fault(_lose("trip_delay.features"), "data files", "trip_delay.features", "ml-platform run", _run),
    "lineage": Fault(_lose_flushed("lineage.records"), "data files", "lineage.records", "ml-platform run", _run),
    "registry": Fault(_lose_flushed("registry.verdicts"), "data files", "registry.verdicts", "ml-platform run", _run),
    "profiles": Fault(_lose("platform.profiles"), "data files", "platform.profiles", "ml-platform run", _run),
    "raw rows": Fault(_lose("raw.trips"), "data files", "raw.trips", "ml-platform run", _run),
    "flipped bytes": Fault(
        _flip("validated.drivers"), "bytes of data files", "validated.drivers", "maintain", _maintain_and_run
    ),
    "flipped raw bytes": Fault(
        _flip("raw.drivers"), "bytes of data files", "raw.drivers", "maintain", _maintain_and_run
    ),
    "flipped bundle": Fault(
        lambda trips: flip_a_byte(_bundle(trips)), "blobs", "is damaged", "Delete it", _delete_the_bundle_and_run
    ),
    "lost bundle": Fault(lambda trips: _bundle(trips).unlink(), "champion", "its bundle is missing", "run", _run),
    "a stray": Fault(
        _stray,
        "landing folder",
        "notes.txt",
        "move it away",
        lambda trips: (trips.settings.landing / "notes.txt").unlink(),
        "warn",
    ),
    "an alert": Fault(_raise, "open alert", "It errs", "alerts resolve", _resolve),
    "raw rows whose file is gone": Fault(
        _lose_raw_and_its_file, "raw rows", "trips_2024-01.csv, and its content", "ml-platform land", _land_it_again
    ),
    "raw rows that are given up": Fault(
        _lose_raw_and_its_file, "raw rows", "trips_2024-01.csv, and its content", "ml-platform withdraw", _withdraw_it
    ),
}


@pytest.fixture(scope="module")
def trips(january: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = shutil.copytree(january, tmp_path_factory.mktemp("mended") / "data")
    with closing(world(folder, TRIPS)) as opened:
        publish(opened.ws)
        yield opened


FAST = ("registry", "raw rows whose file is gone", "a stray", "an alert")


@pytest.mark.parametrize(
    "what", [pytest.param(what, marks=[] if what in FAST else pytest.mark.slow, id=what) for what in FAULTS]
)
def test_a_remedy_that_doctor_names_mends_what_it_found(trips: World, what: str) -> None:
    fault = FAULTS[what]
    before = trips.frame(_CONTENT)
    fault.damage(trips)
    found = [one for one in _open(trips.settings) if one.name == fault.finding and fault.detail in one.detail]
    assert [one.state for one in found] == [fault.severity] and fault.remedy in found[0].remedy
    fault.mend(trips)
    still = _open(trips.settings)
    assert [one for one in still if one.state == "bad"] == []
    if fault.mend is _withdraw_it:
        assert [one.state for one in still if one.name == fault.finding] == ["warn"]
        return
    assert [one for one in still if one.name == fault.finding and fault.detail in one.detail] == []
    trips.declare()
    assert trips.frame(_CONTENT).equals(before)
    published = trips.ws.lake.rows("SELECT count(*), count(DISTINCT id) FROM lineage.records")
    assert published == [(recorded := trips.ws.state.value(select(func.count()).select_from(records)), recorded)]
    assert lake_contents.duplicate_keys(trips.ws.lake, [TRIPS.name]) == {}


_CONTENT = """
SELECT 'raw' AS layer, count(*) AS rows, sum(hash(trips)) AS content FROM (SELECT * FROM raw.trips) trips
UNION ALL SELECT 'validated', count(*), sum(hash(trips)) FROM (SELECT * FROM validated.trips) trips
UNION ALL SELECT 'features', count(*), sum(hash(f)) FROM (SELECT * FROM trip_delay.features) f
UNION ALL SELECT 'verdicts', count(*), sum(hash(v)) FROM (SELECT * FROM registry.verdicts) v
ORDER BY layer
"""


def _open(settings: Settings) -> list[Finding]:
    declared = Declarations({TRIPS.name: TRIPS})
    findings = examine(lambda: settings, lambda _: declared, deep=True)
    assert [one for one in findings if one.state != "ok" and not one.remedy] == []
    return [one for one in findings if one.state != "ok"]
