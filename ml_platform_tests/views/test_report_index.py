"""The index of reports: the newest first, then alarms, by the verdict that the drift step recorded."""

import re
from typing import Any

from ml_platform.views.report_index import index_page, overview_page
from ml_platform_tests import scenario


def _row(partition: str, *alarms: str, judged: bool = True, **figures: Any) -> dict[str, Any]:
    of_month = {"weighted_drift": 0.1, "score_psi": 0.1, "realised": 0.7, "rows": 400, "champion": "trip_delay@1"}
    return {
        "partition": partition,
        "alarms": list(alarms),
        "judged": judged,
        "metric": "roc_auc",
        **of_month,
        **figures,
    }


def _order(page: str) -> list[str]:
    return re.findall(r'href="([^"]+)/(?:report|index)\.html"', page)


def test_the_newest_report_is_on_top_then_alarms_then_the_others() -> None:
    rows = [
        _row("2024-01"),
        _row("2024-02", "null share"),
        _row("2024-03"),
        _row("2024-04", "score drift"),
        _row("2024-05"),
    ]
    page = index_page(scenario.trips(), rows)
    assert _order(page) == ["2024-05", "2024-04", "2024-02", "2024-03", "2024-01"]
    assert (
        page.index("Newest") < page.index("2024-05") < page.index("Earlier, with an alarm") < page.index("null share")
    )


def test_a_figure_above_its_bound_is_no_alarm_where_the_platform_judged_nothing() -> None:
    few = index_page(scenario.trips(), [_row("2024-01", judged=False, weighted_drift=0.9)])
    assert "not judged" in few and 'class="over"' not in few and "0.900" in few
    many = index_page(scenario.trips(), [_row("2024-01", "weighted drift", weighted_drift=0.9)])
    assert (
        '<td class="over" data-label="weighted drift' in many and 'text over" data-label="alarm">weighted drift' in many
    )


def test_pipelines_whose_newest_report_has_an_alarm_come_first() -> None:
    page = overview_page(
        {
            "calm": ("", [_row("2024-01", "null share"), _row("2024-02")]),
            "empty": ("", []),
            "loud": ("", [_row("2024-01"), _row("2024-02", "score drift")]),
        }
    )
    assert _order(page) == ["loud", "calm", "empty"]
    assert "none yet" in page and "null share" not in page


def test_an_index_without_reports_says_so() -> None:
    assert "There is no report yet." in index_page(scenario.trips(), [])
