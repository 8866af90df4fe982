"""Faults put into a month of the real flights are found in that month; the real months themselves are not faulty."""

import pytest

from ml_platform.quality import distribution, mixes, rhythm
from ml_platform.quality.findings import Finding
from ml_platform.quality.history import History
from ml_platform_tests.quality import flight_profiles
from ml_platform_tests.quality.injected_faults import FAULTS

JUDGES = {
    "volume": rhythm.volume,
    "rows_by_day": rhythm.rows_by_day,
    "freshness": rhythm.freshness,
    "null_share": distribution.missing,
    "frozen": distribution.frozen,
    "levels": mixes.levels,
    "units": distribution.units,
    "direction": distribution.direction,
    "shift": distribution.shift,
    "hours": mixes.hours,
}
# What a profile cannot see, because the rows were dropped or refused, is in test_faults_in_a_lake.py.
SEEN = [name for name, (_, checks) in FAULTS.items() if checks & JUDGES.keys()]


def failing(history: History) -> dict[str, list[Finding]]:
    judged = {name: [f for f in judge(history) if not f.passed] for name, judge in JUDGES.items()}
    return {name: findings for name, findings in judged.items() if findings}


@pytest.mark.parametrize("fault", SEEN)
def test_a_fault_in_the_fourth_month_is_found_there(fault: str) -> None:
    make, expected = FAULTS[fault]
    [rows] = make(flight_profiles.file("2013-04"))
    failed = failing(flight_profiles.history(flight_profiles.screened(rows, "2013-04")))
    assert expected <= failed.keys(), failed.keys()


@pytest.mark.parametrize("month", [f"2013-{number:02}" for number in range(2, 6)])
def test_no_real_month_is_faulty(month: str) -> None:
    assert failing(flight_profiles.history(flight_profiles.clean(month))) == {}


def test_the_sentence_names_the_column_and_what_was_and_is() -> None:
    rows = FAULTS["arrival delays become seconds"][0](flight_profiles.file("2013-04"))[0]
    [unit] = failing(flight_profiles.history(flight_profiles.screened(rows, "2013-04")))["units"]
    assert unit.column == "arr_delay"
    assert unit.description.startswith("arr_delay: the spread of ") and "times the usual one" in unit.description
    rows = FAULTS["times shifted by five hours"][0](flight_profiles.file("2013-02"))[0]
    [hours] = [
        f
        for f in failing(flight_profiles.history(flight_profiles.screened(rows, "2013-02")))["hours"]
        if f.column == "sched_dep"
    ]
    assert hours.description.startswith("sched_dep: the times of day look like the earlier ones moved by +5 hours")


def test_a_faulty_month_does_not_hide_the_same_fault_a_month_later() -> None:
    make, _ = FAULTS["arrival delays become seconds"]
    april, may = (
        flight_profiles.screened(make(flight_profiles.file(month))[0], month) for month in ("2013-04", "2013-05")
    )
    failed = failing(History(may, (*flight_profiles.before("2013-04"), april), "sched_dep"))
    assert "units" in failed


def test_a_faulty_month_makes_no_good_one_after_it_fail() -> None:
    for make, _ in FAULTS.values():
        april = flight_profiles.screened(make(flight_profiles.file("2013-04"))[0], "2013-04")
        assert (
            failing(History(flight_profiles.clean("2013-05"), (*flight_profiles.before("2013-04"), april), "sched_dep"))
            == {}
        )


def test_without_history_nothing_is_judged() -> None:
    assert failing(History(flight_profiles.clean("2013-01"), (), "sched_dep")) == {}
