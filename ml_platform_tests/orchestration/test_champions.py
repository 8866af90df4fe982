"""Every screen names the same champion, whoever changed it and from where (S42)."""

import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest

import ml_platform
from ml_platform.state import promotions
from ml_platform_tests.cli.terminal import invoke
from ml_platform_tests.orchestration.sensor_driver import SensorDriver, sensor_driver_in

DECISIONS = "trip_delay_decisions"
KEY = dg.AssetKey(["trip_delay", "champion"])


@pytest.fixture
def trips(tmp_path: Path, february: Path) -> Iterator[SensorDriver]:
    """A platform on which January and February were trained, with an instance that nothing was told yet."""
    shutil.copytree(february, tmp_path / "data")
    with sensor_driver_in(tmp_path, "ml_platform_tests.declarations.trips_monthly") as driver:
        yield driver


def _champions(trips: SensorDriver) -> dict[str, object]:
    """What each screen says."""
    status = json.loads(invoke("status", "trip_delay", "--json").stdout)
    models = json.loads(invoke("models", "trip_delay", "--json").stdout)
    cards = {row["version"]: "| Serves | yes |" in invoke("models", row["version"], "--card").stdout for row in models}
    with closing(ml_platform.open(trips.settings.data)) as opened:
        notebook = opened["trip_delay"].champion
    return {
        "log": f"trip_delay@{promotions.champion_at(trips.ws.state, 'trip_delay')}",
        "status": [row["champion"] for row in status if row["champion"]][-1],
        "models": next(row["version"] for row in models if row["serves"]),
        "card": next(name for name, serves in cards.items() if serves),
        "notebook": None if notebook is None else notebook.name,
        "dagster": _shown(),
    }


def _event() -> dg.AssetMaterialization | None:
    with dg.DagsterInstance.get() as instance:
        entry = instance.get_latest_materialization_event(KEY)
    return entry.asset_materialization if entry else None


def _shown() -> object:
    event = _event()
    return event.metadata["champion"].value if event else None


def test_after_a_rollback_and_a_promotion_by_hand_all_screens_agree(trips: SensorDriver) -> None:
    serving = promotions.champion_at(trips.ws.state, "trip_delay")
    assert serving is not None
    other = 3 - serving
    for words, champion in ((("rollback", "trip_delay"), other), (("promote", f"trip_delay@{serving}"), serving)):
        done = invoke(*words, "--why", "a test of screens")
        assert done.exit_code == 0 and "Dagster" not in done.stderr, done.output
        shown = _champions(trips)
        assert shown == dict.fromkeys(shown, f"trip_delay@{champion}")
        event = _event()
        assert event is not None and event.partition == "2024-02"
        assert event.metadata["reason"].value == "a test of screens"


def test_a_rollback_from_python_is_reported_by_the_next_tick_once(trips: SensorDriver) -> None:
    trips.tick(DECISIONS)
    before = _shown()
    entry = promotions.rollback(trips.ws.state, "trip_delay", why="from a notebook", actor="ada")
    assert _shown() == before
    trips.tick(DECISIONS)
    assert _shown() == f"trip_delay@{entry.version}" != before
    trips.tick(DECISIONS)
    with dg.DagsterInstance.get() as instance:
        events = instance.fetch_materializations(KEY, limit=10).records
    assert [record.event_log_entry.asset_materialization.metadata["by"].value for record in events] == [  # type: ignore[union-attr]  # they are
        "ada",
        "platform",
    ]


@pytest.mark.parametrize("home", ["", "/nowhere/at/all"])
def test_without_an_instance_a_rollback_works_and_says_that_dagster_was_not_told(
    trips: SensorDriver, monkeypatch: pytest.MonkeyPatch, home: str, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patch:
        patch.setenv("DAGSTER_HOME", home)
        done = invoke("rollback", "trip_delay", "--why", "at night")
    assert done.exit_code == 0 and "Dagster does not show it yet: DAGSTER_HOME is" in done.stderr
    assert _shown() is None
