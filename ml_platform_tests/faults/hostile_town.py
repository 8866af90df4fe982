"""A platform in a folder whose data, files, reasons and descriptions hold a hostile text."""

from contextlib import closing
from pathlib import Path

import polars as pl

import ml_platform
from ml_platform.runtime import step_alerts
from ml_platform.sources.withdrawing import withdraw
from ml_platform.state import alerts, promotions
from ml_platform_tests import scenario
from ml_platform_tests.declarations import hostile_trips
from ml_platform_tests.hostile_text import FILE, HOSTILE, assert_printed
from ml_platform_tests.world import world

NAME, FEBRUARY = "trip_delay", "2024-02"


def build(folder: Path) -> None:
    """Two months of trips on a hostile hill, some of which are refused; whoever gives a reason gives a hostile one."""
    with closing(world(folder, hostile_trips.trip_delay, pictures=True)) as one:
        one.land_trips("2024-01", FEBRUARY)
        for month in ("2024-01", FEBRUARY):
            one.land("trips", f"trips_{month}.csv", _hostile_trips(month), scenario.MONTHS.window(month)[1])
        one.run("2024-01")
        (one.settings.landing / "trips" / FILE).write_bytes(b"a\x00b,\xff\n" * 3)
        (one.settings.landing / FILE).write_text("read by no table")
        outcome = one.step("raw/trips", "all")
        assert step_alerts.raise_alerts(
            one.ws, "raw/trips", "all", outcome, kind="refused_file", run_id="r", say=_unheard
        )
        for step in ("validated/trips", "validated/traffic", f"{NAME}/features", f"{NAME}/predictions"):
            one.step(step, FEBRUARY)
        withdraw(one.ws.state, one.settings, "drivers", "drivers.csv", why=HOSTILE, actor=HOSTILE)
        over = scenario.MONTHS.window(FEBRUARY)[1]
        promotions.keep(one.ws.state, NAME, partition=FEBRUARY, effective_at=over, reason=HOSTILE, actor=HOSTILE)
        alerts.resolve(one.ws.state, {alerts.raised(one.ws.state)[0].alert_id: HOSTILE}, by=HOSTILE)


def _unheard(line: str) -> None:
    assert_printed(line)


def _hostile_trips(month: str) -> pl.DataFrame:
    """Every zone called hill is called `HOSTILE`, and two trips have it for their time."""
    number = pl.int_range(pl.len())
    rows = scenario.trip_rows(month).with_columns(zone=pl.col("zone").replace("hill", HOSTILE))
    moment = pl.col("ordered_at").dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
    return rows.with_columns(ordered_at=pl.when(number < 2).then(pl.lit(HOSTILE)).otherwise(moment))


def a_hostile_trip(town: Path) -> str:
    """The key of a trip on that hill, which is scored."""
    with ml_platform.open(town) as platform:
        features = platform[NAME].features(FEBRUARY).filter(pl.col("zone") == HOSTILE).collect()
    return str(features["trip"][0])
