"""The pages of the service: what is true of it, for people, with nothing that an unfriendly text could run."""

from datetime import UTC, datetime
from pathlib import Path

from ml_platform.serving.rest.canary_request import CanaryCounts
from ml_platform.serving.rest.card_pages import CardPages, read
from ml_platform.serving.rest.metrics import Metrics
from ml_platform.serving.rest.pages.api import api_page
from ml_platform.serving.rest.pages.card import card_page
from ml_platform.serving.rest.pages.figures import figures
from ml_platform.serving.rest.pages.home import home_page

EVIL = "<script>alert(1)</script>"
NOW = datetime.now(UTC).isoformat()


def model(text: str) -> dict[str, object]:
    return {
        "pipeline": "trips",
        "version": 7,
        "deployed_at": NOW,
        "challenger": None,
        "canary": {"version": 5, "share": 0.0, "taken_back": text},
        "promotion": {"at": NOW, "action": "rolled_back", "by": text, "why": text, "previous": 8},
        "challenge": {"version": 6, "at": NOW, "by": text, "why": text},
        "metrics": {"roc_auc": 0.75},
        "card": text,
        "reports": "http://127.0.0.1:3001/trips/index.html",
        "data": [{"table": text, "filled_at": None, "recorded_at": NOW, "is_newest": False}],
    }


def test_the_page_tells_champion_challenger_data_and_faults() -> None:
    page = home_page([model("because")], {"trips": "The blob is missing."}, {}, NOW)
    for shown in (
        "<b>trips@7</b>",
        "rolled back by because",
        "<b>trips@6</b>",
        "does not shadow",
        "<b>trips@5</b>",
        "taken back",
        "older rows",
        "not ready",
        "The blob is missing.",
        "roc_auc 0.75",
    ):
        assert shown in page


def test_the_page_tells_the_share_of_a_canary_and_what_became_of_its_rows() -> None:
    metrics = Metrics()
    metrics.canaries.count("trips", 5, CanaryCounts(answered=3, failed=1))
    answering = model("because") | {"canary": {"version": 5, "share": 0.25, "taken_back": None}}
    page = home_page([answering], {}, figures(metrics.families()), NOW)
    assert "<b>trips@5</b> answers 0.25 of the keys<br>Rows: 3 answered, 1 failed" in page
    assert "Canary" not in home_page([answering | {"canary": None}], {}, {}, NOW)


def test_a_card_is_headings_and_tables_and_leads_nowhere() -> None:
    card = "# trips@7\n\n| gate | value |\n|---|---|\n| `auc` \\| x | [a](https://a.example) |\n\n![b](https://b.example)\n"
    page = card_page("trips", 7, card)
    assert "<h1>trips@7</h1>" in page and '<td data-label="gate"><code>auc</code> | x</td>' in page
    assert 'href="https' not in page and "<img" not in page


def test_no_text_becomes_markup() -> None:
    document = {
        "paths": {"/": {"get": {"operationId": EVIL, "summary": EVIL, "responses": {"200": {"description": EVIL}}}}},
        "components": {"schemas": {"Row": {"properties": {EVIL: {"type": EVIL, "description": EVIL, "enum": [EVIL]}}}}},
    }
    for page in (home_page([model(EVIL)], {EVIL: EVIL}, {}, None), api_page(document), card_page(EVIL, 7, EVIL)):
        assert "<script" not in page and "&lt;script&gt;" in page
        assert "default-src &#x27;none&#x27;" in page or "default-src 'none'" in page


def test_figures_are_those_that_were_counted() -> None:
    metrics = Metrics()
    answer = {"version": 7, "score": 0.5, "statuses": {"weather__status": "ok"}, "ages": {"weather__status": 90.0}}
    metrics.of_request("trips", [answer, answer], {"features": 0.0004, "model": 0.0001, "log": 0.0001})
    metrics.error("trips", 422)
    metrics.shadows("trips", 6, "failed", 3)
    mine = figures(metrics.families())["trips"]
    assert (mine.answered, mine.predictions, mine.refused) == (1, {"7": 2}, {"422": 1})
    assert mine.shadows == {"failed": 3} and mine.statuses["weather__status"] == {"ok": 2}
    assert (mine.ages["weather__status"].count, mine.ages["weather__status"].seconds) == (2, 180.0)
    assert (mine.stages["features"].bound(0.5), mine.stages["log"].bound(0.95)) == (0.0005, 0.0002)


def test_the_page_of_a_card_is_made_once_for_a_mark_and_only_that_of_the_newest_version_stays(tmp_path: Path) -> None:
    asked: list[str] = []
    answers: list[tuple[int, str] | None] = [None, (7, "<p>seven</p>"), (8, "<p>eight</p>")]

    def look_up(pipeline: str) -> tuple[int, str] | None:
        asked.append(pipeline)
        return answers[min(len(asked), len(answers)) - 1]

    pages = CardPages(tmp_path, look_up)
    for mark in (1, 1, 2, 2):
        pages.publish("trips", mark)
    assert asked == ["trips", "trips"] and read(tmp_path, "trips", 7) == "<p>seven</p>"
    (tmp_path / "cards" / "trips_again@7.html").write_text("another pipeline's")
    pages.publish("trips", 3)
    assert (read(tmp_path, "trips", 7), read(tmp_path, "trips", 8)) == (None, "<p>eight</p>")
    assert read(tmp_path, "trips_again", 7) == "another pipeline's"
