"""The head of a report page: the platform's verdict and figures, and what the charts are drawn from."""

import pytest

from ml_platform.monitoring.report_heading import Figure, heading, sample_in_words


def test_alarms_stand_before_checks_that_passed_and_figures_have_their_bounds() -> None:
    figures = [Figure("rows", "400"), Figure("weighted drift", "0.31", "0.25")]
    html = heading(
        "trips", "2024-02", "trips@1", ["Weighted PSI <0.31>."], ["Scores did not move."], figures, "Charts from 300."
    )
    parts = [
        "trips 2024-02, scored by trips@1",
        "Alarm",
        "&lt;0.31&gt;",
        "Scores did not",
        "0.31 (at most 0.25)",
        "300.",
    ]
    positions = [html.index(part) for part in parts]
    assert positions == sorted(positions) and "No alarm" not in html and "<0.31>" not in html


def test_without_a_failed_check_there_is_no_alarm() -> None:
    assert "<b>No alarm</b>" in heading("trips", "all", "trips@1", [], ["Nothing moved."], [], "")


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [
        ((5_000, 27_004, 0, 5_000, 92_627), "a seeded sample of 5,000 of 27,004 rows, beside 5,000 of 92,627 rows"),
        ((4_890, 27_004, 110, 5_000, 92_627), "110 rows without a label yet are left out"),
        ((400, 400, 0, 300, 300), "Charts from all 400 rows, beside all 300 rows of the training data."),
        ((390, 400, 10, 300, 300), "Charts from 390 of 400 rows, beside all 300 rows"),
    ],
)
def test_the_sample_is_said(numbers: tuple[int, int, int, int, int], sentence: str) -> None:
    assert sentence in sample_in_words(*numbers)
