"""A failed check on its data keeps a candidate from being promoted, until it is mended or a person decides (S37)."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ml_platform import Daily, Plausible
from ml_platform.quality.check_result import CheckResult
from ml_platform.runtime.data_blocks import DataBlock, data_blocks
from ml_platform.runtime.step_alerts import raise_alerts
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import alerts, checks, promotions
from ml_platform.state.checks import CheckRow
from ml_platform.state.results import ChampionResult
from ml_platform.steps import tables
from ml_platform.steps.champion import _data_check
from ml_platform.views.status import candidate_of, months, promotion_rows
from ml_platform.views.version_card import card_of
from ml_platform_tests import scenario
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.world import Killed, World

NAME = "trip_delay"
FEBRUARY, MARCH = "2024-02", "2024-03"


def _end(month: str) -> datetime:
    return scenario.MONTHS.window(month)[1]


def _half_refused(month: str) -> pl.DataFrame:
    """Every second trip is longer than the contract allows."""
    rows = scenario.trip_rows(month).with_row_index("n")
    return rows.with_columns(km=pl.when(pl.col("n") % 2 == 0).then(900.0).otherwise("km")).drop("n")


def _land_broken_february(trips: World) -> None:
    trips.land("trips", "trips_2024-02.csv", _half_refused(FEBRUARY), _end(FEBRUARY))


def _mend_february(trips: World) -> None:
    trips.land("trips", "trips_2024-02.csv", scenario.trip_rows(FEBRUARY), _end(FEBRUARY) + timedelta(days=2))


def _champion(trips: World, month: str) -> ChampionResult:
    result = trips.result(f"{NAME}/champion", month)
    assert isinstance(result, ChampionResult)
    return result


def _scored_by(trips: World, month: str) -> list[int]:
    found = trips.frame(f"SELECT DISTINCT version FROM {NAME}.predictions WHERE _partition = '{month}' ORDER BY 1")
    return found["version"].to_list()


@pytest.fixture(scope="module")
def broken_february(january: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """February ran with half of its trips refused."""
    import shutil

    from ml_platform_tests.world import world

    folder = tmp_path_factory.mktemp("broken") / "data"
    shutil.copytree(january, folder)
    one = world(folder, scenario.trips())
    _land_broken_february(one)
    one.run(FEBRUARY)
    one.close()
    return folder


def test_a_month_with_half_its_rows_refused_promotes_nobody_and_scoring_goes_on(
    open_world: OpenWorld, broken_february: Path
) -> None:
    trips = open_world(broken_february)
    blocked = _champion(trips, FEBRUARY)
    assert (blocked.outcome, blocked.candidate, blocked.champion) == ("blocked", 2, 1)
    assert blocked.reasons[0].startswith("blocked by data: quarantine_share of trips 2024-02 failed: 200 of 400 rows")
    assert promotions.champion_at(trips.ws.state, NAME) == 1
    trips.land_trips("2024-04")
    trips.run(MARCH)
    assert _scored_by(trips, MARCH) == [1]
    # March's candidate was made from the same February, which the champion has not seen.
    assert _champion(trips, MARCH).outcome == "blocked"
    assert trips.run(MARCH) == [], "nothing changed, so nothing is tried again"


def test_a_block_stands_in_status_on_the_card_in_the_check_and_as_an_alert(
    open_world: OpenWorld, broken_february: Path
) -> None:
    trips = open_world(broken_february)
    row = months(trips.ws, trips.pipeline)[1]
    assert row["outcome"] == "blocked" and "quarantine_share of trips 2024-02" in row["reasons"][0]
    card = card_of(trips.ws, trips.pipeline, 2)
    assert "## Failed checks on its data" in card and "Blocked by data: quarantine_share of trips 2024-02" in card
    assert "Failed checks" not in card_of(trips.ws, trips.pipeline, 1)
    outcome = trips.step(f"{NAME}/champion", FEBRUARY)
    check: CheckResult = outcome.checks[0]
    assert (check.name, check.passed, check.severity, check.value) == ("data", False, "error", 1)
    asset = f"{NAME}/champion"
    for expected in (1, 0):  # the same block is one alert
        raised = raise_alerts(trips.ws, asset, FEBRUARY, outcome, kind="blocked", run_id="r", say=lambda _: None)
        assert len(raised) == expected
    alert = alerts.raised(trips.ws.state)[0]
    assert (alert.kind, alert.title) == ("blocked", f"Promotion blocked by data: {NAME}@2")
    assert "200 of 400 rows" in alert.text and f"promote {NAME}@2 --why" in alert.text


def test_a_mended_file_trains_the_month_again_and_promotes_it(open_world: OpenWorld, broken_february: Path) -> None:
    trips = open_world(broken_february)
    scored = trips.frame(f"FROM {NAME}.predictions WHERE _partition = '2024-02' ORDER BY key")
    _mend_february(trips)
    trips.run(FEBRUARY)
    promoted = _champion(trips, FEBRUARY)
    assert (promoted.outcome, promoted.candidate, promoted.champion) == ("promoted", 3, 3)
    assert trips.frame(f"FROM {NAME}.predictions WHERE _partition = '2024-02' ORDER BY key").equals(scored)
    assert trips.run(FEBRUARY) == []


def test_what_is_mended_later_serves_from_the_last_scored_month_on(
    open_world: OpenWorld, broken_february: Path
) -> None:
    trips = open_world(broken_february)
    trips.land_trips("2024-04", "2024-05")
    trips.run(MARCH)
    _mend_february(trips)
    trips.run(MARCH)
    assert (_champion(trips, FEBRUARY).outcome, _champion(trips, MARCH).outcome) == ("promoted", "promoted")
    log = [e for e in promotions.history(trips.ws.state, NAME) if e.action == "promoted"]
    assert [(e.partition, e.effective_at) for e in log[1:]] == [(FEBRUARY, _end(MARCH)), (MARCH, _end(MARCH))]
    for month in (FEBRUARY, MARCH):
        assert _champion(trips, month).champion == _champion(trips, month).candidate
    assert _scored_by(trips, MARCH) == [1], "past predictions stand"
    trips.run("2024-04")
    assert _scored_by(trips, "2024-04") == [_champion(trips, MARCH).candidate]


def test_a_candidate_that_waited_does_not_pass_over_what_a_person_chose_since(
    open_world: OpenWorld, broken_february: Path
) -> None:
    trips = open_world(broken_february)
    gates = trips.pipeline.required_gates
    given = {"partition": "", "reason": "I looked at it", "actor": "ada", "by_hand": True}
    blocks = [b.phrase for b in data_blocks(trips.ws, trips.pipeline, 2, 1)]
    entry = promotions.promote(trips.ws.state, NAME, 2, gates, data_blocks=blocks, **given)  # type: ignore[arg-type]
    assert (entry.version, entry.actor) == (2, "ada") and "quarantine_share of trips 2024-02" in entry.overrides
    rows = promotion_rows(trips.ws, NAME)
    assert rows[0]["overrides"] == entry.overrides
    logged = [(row["action"], row["version"], candidate_of(trips.ws, NAME, row)) for row in rows]
    assert logged == [("promoted", 2, 2), ("kept", 1, 2), ("promoted", 1, 1)], "the log names who was kept out"
    shown = {row["partition"]: row for row in months(trips.ws, trips.pipeline)}
    assert (shown[FEBRUARY]["outcome"], shown[FEBRUARY]["reasons"]) == ("promoted", [])
    assert "Promoted by ada (I looked at it) over: blocked by data" in card_of(trips.ws, trips.pipeline, 2)
    _mend_february(trips)
    trips.run(FEBRUARY)
    assert promotions.champion_at(trips.ws.state, NAME) == 2
    # The champion has seen the broken February, so March is judged by its own data.
    trips.land_trips("2024-04")
    trips.run(MARCH)
    assert _champion(trips, MARCH).outcome == "promoted"


def test_a_table_that_only_features_read_blocks_too_even_where_no_row_of_it_is_left(
    open_world: OpenWorld, january: Path
) -> None:
    trips = open_world(january)
    jammed = scenario.traffic_rows(FEBRUARY).with_columns(published_at=pl.lit("soon"))
    trips.land("traffic", "traffic_2024-02.csv", jammed, _end(FEBRUARY))
    trips.run(FEBRUARY)
    blocked = _champion(trips, FEBRUARY)
    assert blocked.outcome == "blocked"
    assert any("quarantine_share of traffic 2024-02 failed" in reason for reason in blocked.reasons)


def test_a_table_without_time_blocks_and_its_correction_unblocks(open_world: OpenWorld, january: Path) -> None:
    trips = open_world(january)
    broken = scenario.driver_rows().with_columns(years=pl.lit("many"))
    trips.land("drivers", "drivers.csv", broken, datetime(2024, 2, 10, tzinfo=UTC))
    trips.run(FEBRUARY)
    blocked = _champion(trips, FEBRUARY)
    assert blocked.outcome == "blocked" and "quarantine_share of drivers failed" in blocked.reasons[0]
    trips.land("drivers", "drivers.csv", scenario.driver_rows(), datetime(2024, 2, 11, tzinfo=UTC))
    trips.run(FEBRUARY)
    assert _champion(trips, FEBRUARY).outcome == "promoted"


def test_a_broken_correction_of_an_earlier_month_blocks_the_next_candidate(
    open_world: OpenWorld, january: Path
) -> None:
    trips = open_world(january)
    trips.land("trips", "trips_2024-01.csv", _half_refused("2024-01"), datetime(2024, 2, 20, tzinfo=UTC))
    trips.run(FEBRUARY)
    blocked = _champion(trips, FEBRUARY)
    assert blocked.outcome == "blocked"
    assert any(reason.startswith("blocked by data: quarantine_share of trips 2024-01") for reason in blocked.reasons)


def test_a_check_that_passes_again_without_new_rows_unblocks(open_world: OpenWorld, january: Path) -> None:
    trips = open_world(january)
    odd = trips.settings.landing / "trips" / "odd.csv"
    odd.write_text("trip\n1\n")  # lacks columns: refused as a whole, and named by the check `schema`
    trips.run(FEBRUARY)
    blocked = _champion(trips, FEBRUARY)
    assert blocked.outcome == "blocked" and "schema of trips 2024-02" in blocked.reasons[0]
    odd.write_text(scenario.csv(scenario.trip_rows("2024-06").head(1)))
    trips.run(FEBRUARY)
    assert _champion(trips, FEBRUARY).outcome == "promoted"


def test_a_file_whose_keys_match_nothing_blocks_until_it_is_mended_whatever_is_validated_besides(
    open_world: OpenWorld, january: Path
) -> None:
    trips = open_world(january)
    spelt = scenario.trip_rows(FEBRUARY).with_columns(pl.col("driver").str.to_uppercase())
    trips.land("trips", "trips_2024-02.csv", spelt, _end(FEBRUARY))
    for asset, month in (("raw", "all"), ("validated", FEBRUARY), ("raw", "all"), ("validated", MARCH)):
        trips.step(f"{asset}/trips", month)
    (row,) = [row for row in checks.failed(trips.ws.state) if row.name == "matches"]
    assert (row.partition, row.value) == (FEBRUARY, 0.0)
    _mend_february(trips)
    for asset, month in (("raw", "all"), ("validated", FEBRUARY)):
        trips.step(f"{asset}/trips", month)
    assert checks.failed(trips.ws.state) == []


def test_the_alert_of_a_check_that_passes_when_it_is_run_again_is_resolved(
    open_world: OpenWorld, january: Path
) -> None:
    trips = open_world(january)
    state, where = trips.ws.state, ("validated/trips", "2024-01")
    content = trips.records()[where].content_key
    about = {"evidence": content, "title": "Contract failed", "text": "It was so."}
    names = ("keys", "removed_rule")
    checks.add(
        state, "trips", [CheckRow("trips", "2024-01", content, n, "error", False, 1, 0, "It was.") for n in names]
    )
    alerts.raise_(state, [alerts.alert("contract", *where, name, **about) for name in names])
    trips.step("raw/trips", "all")
    assert [row.name for row in checks.failed(state)] == ["removed_rule"]
    assert [item.about for item in alerts.open_alerts(state, ["contract"])] == ["removed_rule"]


def test_a_refused_file_that_is_removed_blocks_no_more(open_world: OpenWorld, january: Path) -> None:
    trips = open_world(january)
    odd = trips.settings.landing / "trips" / "odd.csv"
    odd.write_text("trip\n1\n")
    trips.run(FEBRUARY)
    assert _champion(trips, FEBRUARY).outcome == "blocked" and trips.run(FEBRUARY) == []
    odd.unlink()
    trips.run(FEBRUARY)
    assert _champion(trips, FEBRUARY).outcome == "promoted"
    assert trips.run(FEBRUARY) == []


def test_a_failed_check_of_a_month_blocks_nothing_once_the_table_has_days(
    open_world: OpenWorld, broken_february: Path
) -> None:
    trips = open_world(broken_february)
    assert data_blocks(trips.ws, trips.pipeline, 2, 1)
    trips.ws.slices["trips"] = Daily("2024-01-01")
    assert data_blocks(trips.ws, trips.pipeline, 2, 1) == []


def test_a_rule_that_is_no_longer_declared_blocks_no_more(open_world: OpenWorld, january: Path) -> None:
    def declared(*rules: Plausible) -> ModelPipeline:
        table = scenario.trips_table(plausible=rules)
        return scenario.trips(tables=[table, scenario.traffic, scenario.drivers])

    trips = open_world(january, declared(Plausible("km", pl.col("km"), high=0.5)))
    trips.run(FEBRUARY)
    blocked = _champion(trips, FEBRUARY)
    assert blocked.outcome == "blocked" and "plausible_km of trips 2024-02 failed" in blocked.reasons[0]
    trips.declare(declared(Plausible("km", pl.col("km"), high=0.5), Plausible("size", pl.col("km"), high=500)))
    assert trips.run(FEBRUARY) == []
    trips.declare(declared(Plausible("size", pl.col("km"), high=500)))
    trips.run(FEBRUARY)
    assert _champion(trips, FEBRUARY).outcome == "promoted"


def test_rows_whose_checks_a_kill_prevented_are_checked_by_the_next_run(
    open_world: OpenWorld, january: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trips = open_world(january)
    _land_broken_february(trips)

    run_checks = tables.checks.run_checks

    def killed(*about: Any) -> list[CheckResult]:
        if FEBRUARY in about:
            raise Killed
        return run_checks(*about)

    with monkeypatch.context() as patched:
        patched.setattr(tables.checks, "run_checks", killed)
        with pytest.raises(Killed):
            trips.run(FEBRUARY)
    assert checks.unfinished(trips.ws.state)
    trips.run(FEBRUARY)
    assert not checks.unfinished(trips.ws.state)
    assert _champion(trips, FEBRUARY).outcome == "blocked"


def test_a_block_is_told_in_the_letters_of_its_check_so_that_its_remedy_can_be_pasted() -> None:
    why = 'Orders_2024.csv: byte 0x80 is not UTF-8; declare files(…, encoding="CP1252"), or: iconv -t UTF-8'
    block = DataBlock("orders", "2024-02", "schema", "key", 15.0, 0.0, why)
    described = _data_check([block]).description
    assert described.startswith("Blocked by data: schema of orders 2024-02") and why in described
