"""Pictures: well-formed, small, the same bytes for the same values, and true to what they show."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable

import numpy as np
import pytest

from ml_platform.plots import answers, holdout, importance, months
from ml_platform.plots.months import Month

KILOBYTES = 40  # of one picture

generator = np.random.default_rng(0)
SCORES = generator.random(20_000)
LABELS = (generator.random(20_000) < SCORES).astype(float)
VALUES = generator.normal(50, 20, 20_000)
NAMES = [f"a feature with <a long> & name {number}" for number in range(60)]
YEARS = [
    Month(f"20{year}-{month:02}", 0.7 + month / 100, 0.69 + month / 100, 0.72 + month / 100, year)
    for year in range(10, 20)
    for month in range(1, 13)
]

DRAWN: dict[str, Callable[[], bytes]] = {
    "roc": lambda: holdout.roc(LABELS, SCORES, "AUC 0.83"),
    "calibration": lambda: holdout.calibration(LABELS, SCORES),
    "histogram": lambda: holdout.histogram(SCORES),
    "histogram by label": lambda: holdout.histogram(SCORES, LABELS),
    "importance": lambda: importance.importance({name: 1 / (3 + n) for n, name in enumerate(NAMES)}),
    "months": lambda: months.by_month("roc_auc", YEARS, 0.66),
    "recalls": lambda: answers.recalls({f"c{n}": (n / 9, max(n / 9 - 0.1, 0), n / 9 + 0.05, 50) for n in range(9)}),
    "confusion": lambda: answers.confusion([f"c{n % 30}" for n in range(900)], [f"c{n % 29}" for n in range(900)]),
    "against": lambda: answers.against(VALUES, VALUES + 1),
    "residuals": lambda: answers.residuals(VALUES, VALUES + 1),
}


def _texts(picture: bytes) -> list[str]:
    root = ElementTree.fromstring(picture)
    return ["".join(node.itertext()).strip() for node in root.iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN.keys())
def test_a_picture_is_small_well_formed_and_the_same_each_time(draw: Callable[[], bytes]) -> None:
    picture = draw()
    assert ElementTree.fromstring(picture).tag == "{http://www.w3.org/2000/svg}svg"
    assert len(picture) < KILOBYTES * 1024
    assert draw() == picture


def test_the_roc_curve_goes_through_the_points_of_its_thresholds() -> None:
    # Two positives above one negative above one positive: (0, 2/3), (1/2, 2/3), then both ones.
    labels, scores = np.array([1.0, 1, 0, 1, 0]), np.array([0.9, 0.9, 0.5, 0.3, 0.1])
    assert holdout.roc_points(labels, scores).tolist() == [[0, 0], [0, 2 / 3], [0.5, 2 / 3], [0.5, 1], [1, 1]]


def test_a_thinned_roc_curve_keeps_the_area() -> None:
    alarms, observed = holdout.roc_points(LABELS, SCORES).T
    assert len(alarms) <= holdout.POINTS + 1
    positive, negative = SCORES[LABELS == 1], np.sort(SCORES[LABELS == 0])
    auc = np.searchsorted(negative, positive).mean() / len(negative)
    assert np.trapezoid(observed, alarms) == pytest.approx(auc, abs=1e-3)


def test_calibration_groups_hold_equal_counts_and_their_own_means() -> None:
    mean_scores, observed, counts = holdout.calibration_points(LABELS, SCORES)
    assert counts.sum() == len(SCORES) and counts.max() - counts.min() <= 1
    assert mean_scores == pytest.approx(np.linspace(0.05, 0.95, 10), abs=0.01)
    assert observed == pytest.approx(mean_scores, abs=0.05)


def test_equal_scores_are_one_group() -> None:
    mean_scores, observed, counts = holdout.calibration_points(np.array([1.0, 0, 0, 1]), np.full(4, 0.25))
    assert (mean_scores.tolist(), observed.tolist(), counts.tolist()) == ([0.25], [0.5], [4])


@pytest.mark.parametrize("labels", [np.zeros(5), np.ones(5)], ids=["all false", "all true"])
def test_scores_of_one_class_can_still_be_shown(labels: np.ndarray) -> None:
    scores = np.array([0.0, 0.0, 0.5, 1.0, 1.0])
    for picture in (holdout.calibration(labels, scores), holdout.histogram(scores, labels)):
        assert ElementTree.fromstring(picture) is not None


@pytest.mark.parametrize("values", [np.zeros(3), np.array([7.0]), np.array([-3.0, 1e12])], ids=str)
def test_constant_single_and_wide_values_can_be_shown(values: np.ndarray) -> None:
    for picture in (holdout.histogram(values), answers.residuals(values, values), answers.against(values, values)):
        assert ElementTree.fromstring(picture) is not None


def test_the_most_important_features_come_first_and_their_shares_are_written() -> None:
    texts = _texts(DRAWN["importance"]())
    assert "33.3" in texts and texts.index("33.3") > texts.index("25.0"), "the greatest is drawn last, on top"
    assert sum("a feature with" in text for text in texts) == importance.TOP


def test_long_names_give_way_in_the_middle() -> None:
    assert importance.shortened("short") == "short"
    cut = importance.shortened("flights__" + "x" * 80 + "_by_carrier")
    assert len(cut) <= 44 and cut.startswith("flights__") and cut.endswith("_by_carrier")


def test_months_say_which_version_served_and_where_another_began() -> None:
    shown = [
        Month("2013-01", 0.7, 0.8, 0.9, 1),
        Month("2013-02", 0.71, None, None, 1),
        Month("2013-03", 0.7, 0.6, 0.8, 2),
    ]
    texts = _texts(months.by_month("roc_auc", shown, None))
    assert [text for text in texts if text.startswith("@")] == ["@1", "@1", "@2"]
    assert {"2013-01", "2013-02", "2013-03"} <= set(texts)
    assert "floor" not in " ".join(texts)


def test_only_the_newest_partitions_are_shown() -> None:
    texts = _texts(DRAWN["months"]())
    assert "2019-12" in texts or "2019-11" in texts
    assert sum(bool(re.fullmatch(r"@\d+", text)) for text in texts) == months.SHOWN


def test_rare_classes_are_shown_together() -> None:
    texts = _texts(DRAWN["confusion"]())
    assert texts.count("others") == 2
    assert "100%" in _texts(answers.confusion(["a", "b"], ["a", "a"]))


def test_a_class_that_was_said_but_never_was_the_answer_has_a_place() -> None:
    assert "others" in _texts(answers.confusion(["a", "b"], ["a", "z"]))
