"""The policy alone: which evidence fires, what holds it back, and that the words say so (S20)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform import Hourly, Retrain
from ml_platform.errors import DeclarationError
from ml_platform.retraining.policy import Evidence, ManualRequest, Performance, decide, quiet
from ml_platform.steps.evidence import from_json, to_json

WATCHFUL = Retrain(every=None, on_drift=0.2, on_performance=0.02, cool_down=2)


def seen(**changes: Any) -> Evidence:
    return Evidence(**{"since_triggered": 5, "labelled": 1000, "lacking": "", **changes})


def auc(realised: float, holdout: float = 0.75) -> Performance:
    return Performance("roc_auc", realised, holdout, higher_is_better=True)


CASES: list[tuple[Retrain, Evidence, str, str]] = [
    (
        Retrain(),
        seen(since_triggered=None),
        "triggered",
        "1000 labels are known and no partition before this one was trained on.",
    ),
    (
        Retrain(),
        seen(since_triggered=None, partitioned=False),
        "triggered",
        "1000 labels are known. A pipeline without partitions is trained whenever its data or its declaration change.",
    ),
    (Retrain(), seen(since_triggered=1), "triggered", "Due: trained 1 partition ago, every 1 is declared."),
    (Retrain(every=6), seen(), "skipped", "Trained 5 partitions ago; due every 6."),
    (WATCHFUL, seen(drift=0.2), "triggered", "Drift 0.200 reaches the declared 0.2."),
    (WATCHFUL, seen(drift=0.19), "skipped", "Drift 0.190 is below the declared 0.2."),
    (
        WATCHFUL,
        seen(drift=0.1, moved={"km": 3.5}),
        "triggered",
        "Drift 0.100 is below the declared 0.2. An important column drifted: km (PSI 3.50).",
    ),
    (Retrain(every=9), seen(drift=0.1, moved={"km": 3.5}), "skipped", "Trained 5 partitions ago; due every 9."),
    (WATCHFUL, seen(), "skipped", "There is no drift figure. There is no realised performance to compare."),
    (WATCHFUL, seen(performance=auc(0.72)), "triggered", "worse by 0.0300, more than the declared 0.02."),
    (WATCHFUL, seen(performance=auc(0.74)), "skipped", "worse by 0.0100, within the declared 0.02."),
    (WATCHFUL, seen(performance=auc(0.8)), "skipped", "roc_auc is 0.8000 after 0.7500 on the holdout: no worse."),
    (
        WATCHFUL,
        seen(drift=0.3, since_triggered=2),
        "skipped",
        "Trained 2 partitions ago; the cool-down is 2 partitions.",
    ),
    (WATCHFUL, seen(drift=0.3, since_triggered=2), "skipped", "Otherwise: Drift 0.300 reaches the declared 0.2."),
    (WATCHFUL, seen(drift=0.3, since_triggered=3), "triggered", "Drift 0.300 reaches"),
    (WATCHFUL, seen(since_triggered=1, manual=ManualRequest("ada", "new runway")), "manual", "ada: new runway"),
    (
        WATCHFUL,
        seen(lacking="3 labels are known and 9 are needed", manual=ManualRequest("ada", "x")),
        "skipped",
        "3 labels",
    ),
    (Retrain(every=None), seen(), "skipped", "Trained 5 partitions ago; no calendar is declared."),
    (Retrain(every=12, on_drift=0.2), seen(drift=0.25), "triggered", "Drift 0.250 reaches the declared 0.2."),
]


@pytest.mark.parametrize(("policy", "evidence", "outcome", "words"), CASES)
def test_the_outcome_and_its_reason_in_words(policy: Retrain, evidence: Evidence, outcome: str, words: str) -> None:
    decision = decide(policy, evidence)
    assert decision.outcome == outcome
    assert words in decision.reason
    assert decision.trains == (outcome != "skipped")


def test_an_error_is_worse_when_it_grows() -> None:
    worse = Performance("rmse", 12.0, 10.0, higher_is_better=False)
    decision = decide(Retrain(every=None, on_performance=1.5), seen(performance=worse))
    assert decision.trains and "worse by 2.0000" in decision.reason


EVIDENCE = st.builds(
    Evidence,
    since_triggered=st.one_of(st.none(), st.integers(1, 20)),
    labelled=st.integers(0, 5000),
    lacking=st.sampled_from(["", "too few"]),
    drift=st.one_of(st.none(), st.floats(0, 1)),
    performance=st.one_of(st.none(), st.builds(auc, st.floats(0, 1), st.floats(0, 1))),
    manual=st.one_of(st.none(), st.just(ManualRequest("ada", "why"))),
)


@given(EVIDENCE)
def test_the_rule_in_one_line(evidence: Evidence) -> None:
    drifted = evidence.drift is not None and evidence.drift >= 0.2
    worse = evidence.performance is not None and evidence.performance.holdout - evidence.performance.realised > 0.02
    cold = evidence.since_triggered is None or evidence.since_triggered > 2
    first = evidence.since_triggered is None
    expected = not evidence.lacking and (evidence.manual is not None or first or (cold and (drifted or worse)))
    assert decide(WATCHFUL, evidence).trains == expected


@given(EVIDENCE)
def test_stored_evidence_gives_the_same_decision_again(evidence: Evidence) -> None:
    again = from_json(to_json(evidence, {"immature": 3, "train": 10}))
    assert again == evidence and decide(WATCHFUL, again) == decide(WATCHFUL, evidence)


MISTAKES = {
    "a cool-down longer than the calendar": (
        lambda: Retrain(every=2, cool_down=2),
        r"Retrain: cool_down=2 prevents every training that every=2 asks for. Give a cool_down below 2, or every=None.",
    ),
    "a trigger beside a training every time": (
        lambda: Retrain(on_drift=0.2, on_performance=0.1),
        "every=1 trains after each partition, so on_drift and on_performance would never decide anything.*every=6",
    ),
    "a threshold that everything reaches": (lambda: Retrain(every=None, on_drift=0), "on_drift.*greater than 0"),
    "a threshold that nothing reaches": (lambda: Retrain(every=None, on_drift=1.5), "on_drift.*or equal to 1"),
    "a threshold that is none": (lambda: Retrain(every=None, on_drift=float("nan")), "on_drift"),
    "a margin below nothing": (lambda: Retrain(every=None, on_performance=-0.1), "on_performance.*or equal to 0"),
    "no partition between trainings": (lambda: Retrain(every=0), "every.*or equal to 1"),
    "a calendar that is none": (lambda: Retrain(every="fortnightly"), "is not a calendar. Write .* 6h, 1d, 1w or 1mo"),
    "a negative cool-down": (lambda: Retrain(every=9, cool_down=-1), "cool_down.*or equal to 0"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_policy_that_cannot_work_is_refused(mistake: str) -> None:
    make, message = MISTAKES[mistake]
    with pytest.raises(DeclarationError, match=message):
        make()


@pytest.mark.parametrize("policy", [Retrain(every=3), Retrain(every=None, on_drift=0.1), Retrain(every=9, cool_down=1)])
def test_partitions_cannot_be_counted_where_there_are_none(policy: Retrain) -> None:
    from ml_platform_tests import scenario

    with pytest.raises(DeclarationError, match=r"churn.*\.retrain: .* needs partitions, and the pipeline has none"):
        scenario.churn(retrain=policy)


MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2020, 1, 1), timezones=st.just(UTC)).map(
    lambda moment: moment.replace(minute=0, second=0, microsecond=0)
)
CALENDARS = st.tuples(st.integers(1, 9), st.sampled_from(["h", "d", "w", "mo"]))


def later_period(count: int, unit: str, trained: datetime, ends: datetime) -> bool:
    """Naive: walk hour by hour, and see whether a period begins after the training and by the end."""
    epochs = {"h": datetime(1970, 1, 1), "d": datetime(1970, 1, 1), "w": datetime(1970, 1, 5)}
    hour = trained + timedelta(hours=1)
    while hour <= ends:
        begun = (hour.year * 12 + hour.month - 1 - 1970 * 12, hour.day == 1 and hour.hour == 0)
        if unit != "mo":
            units, rest = divmod(hour.replace(tzinfo=None) - epochs[unit], timedelta(**{LONG[unit]: 1}))
            # The week of the epoch is the first one, and began before it.
            begun = (units + (unit == "w"), not rest)
        if begun[1] and begun[0] % count == 0:
            return True
        hour += timedelta(hours=1)
    return False


LONG = {"h": "hours", "d": "days", "w": "weeks"}


@settings(deadline=None)
@given(calendar=CALENDARS, trained=MOMENTS, hours=st.integers(1, 1500))
def test_a_calendar_fires_in_a_later_period_than_the_last_training_S20(
    calendar: tuple[int, str], trained: datetime, hours: int
) -> None:
    (count, unit), ends = calendar, trained + timedelta(hours=hours)
    policy = Retrain(every=f"{count}{unit}")
    evidence = seen(since_triggered=hours, ends=ends, trained=trained)
    expected = later_period(count, unit, trained, ends)
    assert decide(policy, evidence).trains == expected
    assert quiet(policy, evidence) != expected


def test_hours_with_a_daily_calendar_train_with_the_first_that_ends_in_another_day() -> None:
    policy, midnight = Retrain(every="1d", cool_down=3), datetime(2024, 1, 2, tzinfo=UTC)
    trained = midnight - timedelta(hours=2)
    for hours, outcome in ((1, "skipped"), (2, "skipped"), (4, "triggered")):
        found = decide(policy, seen(since_triggered=hours, trained=trained, ends=trained + timedelta(hours=hours)))
        assert found.outcome == outcome, hours
    cooling = decide(policy, seen(since_triggered=2, trained=trained, ends=midnight))
    assert cooling.reason.endswith("Otherwise: Due: trained 2 partitions ago, every 1d is declared.")


@given(EVIDENCE, st.sampled_from([Retrain(every=4), Retrain(every=None), WATCHFUL, Retrain(every=4, on_drift=0.2)]))
def test_what_is_quiet_would_be_skipped_whatever_the_data_say(evidence: Evidence, policy: Retrain) -> None:
    if quiet(policy, evidence):
        assert not decide(policy, evidence).trains


def test_a_cool_down_as_long_as_the_calendar_is_refused_where_partitions_have_a_length() -> None:
    from ml_platform_tests import scenario

    hours, policy = Hourly("2024-01-01T00"), Retrain(every="1d", cool_down=23)
    assert scenario.trips(partitions=hours, retrain=policy).retrain.cool_down == 23
    with pytest.raises(
        DeclarationError, match=r"cool_down=24 hours prevent trainings that every='1d' asks for.*at most 23"
    ):
        scenario.trips(partitions=hours, retrain=Retrain(every="1d", cool_down=24))
