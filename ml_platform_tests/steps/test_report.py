"""The report step in a town: files that are made again when they are gone, and failures that stop nothing."""

import json
import shutil
from html import escape
from pathlib import Path

import polars as pl
import pytest

from ml_platform import Drift, ModelPipeline
from ml_platform.errors import ReportError
from ml_platform.steps import report
from ml_platform.views.report_index import reports
from ml_platform_tests import scenario
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.orchestration import browser
from ml_platform_tests.world import World, world

NAME = "trip_delay"
FEBRUARY = "2024-02"
STEP = (f"{NAME}/report", FEBRUARY)


@pytest.fixture(scope="module")
def reported(february: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """February with its report: drawn from 300 rows."""
    folder = tmp_path_factory.mktemp("reported") / "data"
    shutil.copytree(february, folder)
    one = world(folder, _trips())
    one.step(f"{NAME}/drift", FEBRUARY)
    one.run(FEBRUARY, recompute=True)
    one.close()
    return folder


def _trips() -> ModelPipeline:
    return scenario.trips(drift=Drift(report_rows=300))


def _folder(world: World) -> Path:
    return world.settings.reports / NAME / FEBRUARY


def _reported(made: list[tuple[str, str, str]]) -> list[str]:
    return [status for asset, partition, status in made if (asset, partition) == STEP]


def test_a_month_has_a_page_its_json_and_a_line_in_the_index(open_world: OpenWorld, reported: Path) -> None:
    trips = open_world(reported, _trips())
    told, folder = trips.display(*STEP), _folder(trips)
    assert told["open"] == {"url": f"http://127.0.0.1:3001/{NAME}/{FEBRUARY}/report.html"}
    assert told["report"]["path"].endswith(f"reports/{NAME}/{FEBRUARY}/report.html")
    assert told["performance drawn"] is True
    assert 0 < told["rows drawn"] <= 300 - told["rows without label"]
    assert 1 < told["megabytes"] < 6
    result = json.loads((folder / "report.json").read_text())
    assert result["figures"]["weighted drift"] == trips.display(f"{NAME}/drift", FEBRUARY)["weighted drift"]
    assert {m["config"]["column"] for m in result["metrics"] if "ValueDrift" in m["config"]["type"]} == {
        *trips.pipeline.model_columns,
        "predicted score",
    }
    page = (folder / "report.html").read_text()
    for check in trips.step(f"{NAME}/drift", FEBRUARY).checks:
        assert escape(check.description) in page
    assert f"{trips.result(*STEP).weighted_drift:.3g} (at most 0.25)" in page
    assert escape(result["sample"]) in page and " of 400 rows" in result["sample"]
    index = (folder.parent / "index.html").read_text()
    assert f'href="{FEBRUARY}/report.html"' in index and "2024-01" not in index
    (row,) = reports(trips.ws, trips.pipeline)
    assert (row["partition"], row["champion"], row["rows"]) == (FEBRUARY, f"{NAME}@1", 400)
    assert Path(row["html"]) == (folder / "report.html").resolve()


@pytest.mark.slow
def test_pages_fit_a_phone(open_world: OpenWorld, reported: Path, tmp_path: Path) -> None:
    folder = _folder(open_world(reported, _trips()))
    with browser.page(tmp_path) as page:
        page.resize(390, 844)
        for file, drawn in (
            (folder.parent / "index.html", "document.querySelectorAll('table').length > 0"),
            (folder / "report.html", "document.querySelectorAll('.js-plotly-plot').length > 6"),
        ):
            page.open(file.resolve().as_uri())
            page.wait(f"location.pathname.endsWith('{file.name}') && {drawn}")
            page.wait(_FITS)
            assert page.value("document.documentElement.scrollWidth") <= 390


# Charts are drawn once more when their place is known; what may be wider scrolls in a place of its own.
_FITS = """[...document.querySelectorAll('body *')].every(one => {
    for (let box = one.parentElement; box && box !== document.body; box = box.parentElement)
        if (getComputedStyle(box).overflowX === 'auto') return true;
    return one.getBoundingClientRect().right <= 391 || one.getBoundingClientRect().width === 0;
})"""


def test_nothing_is_drawn_again_while_nothing_changed(open_world: OpenWorld, reported: Path) -> None:
    trips = open_world(reported, _trips())
    assert trips.run(FEBRUARY) == []
    assert trips.step(*STEP).status == "unchanged"


def test_a_folder_removed_by_hand_and_a_file_that_was_changed_are_made_again_S31(
    open_world: OpenWorld, reported: Path
) -> None:
    trips = open_world(reported, _trips())
    before = trips.keys()
    shutil.rmtree(trips.settings.reports)
    assert _reported(trips.run(FEBRUARY)) == ["made"]
    assert (_folder(trips) / "report.html").exists() and (_folder(trips).parent / "index.html").exists()
    assert trips.keys() == before
    (_folder(trips) / "report.json").write_text("{}")
    assert _reported(trips.run(FEBRUARY)) == ["made"]
    assert json.loads((_folder(trips) / "report.json").read_text())["partition"] == FEBRUARY
    assert trips.run(FEBRUARY) == []


def test_before_the_first_champion_there_is_nothing_to_report_and_it_says_so(
    open_world: OpenWorld, reported: Path
) -> None:
    trips = open_world(reported, _trips())
    told = trips.display(f"{NAME}/report", "2024-01")
    assert told["champion"] == "none yet" and "No champion" in told["report"]
    assert not (trips.settings.reports / NAME / "2024-01").exists()


def test_a_report_that_cannot_be_drawn_stops_nothing_and_is_tried_again(
    open_world: OpenWorld, february: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OutOfInk:
        def start(self) -> None: ...

        def ask(self, question: object) -> dict[str, object]:
            raise ReportError("The process that draws reports is out of ink.", remedy="The next run tries again.")

    trips = open_world(february, _trips())
    with monkeypatch.context() as patch:
        patch.setattr(report, "worker", OutOfInk)
        made = trips.run(FEBRUARY, recompute=True)
        (check,) = trips.step(*STEP).checks
    assert (check.passed, check.severity) == (False, "warn") and "out of ink" in check.description
    assert _reported(made) == ["not drawn"]
    assert list((trips.ws.lake.folder / "staging").glob("report-*")) == []
    assert _reported(trips.run(FEBRUARY, recompute=True)) == ["made"]
    assert trips.display(*STEP)["performance drawn"] is True


def test_a_month_of_one_class_has_drift_and_no_performance(open_world: OpenWorld, january: Path) -> None:
    trips = open_world(january, _trips())
    punctual = scenario.trip_rows(FEBRUARY).with_columns(late=pl.lit(-1.0), km=pl.lit(7.0), zone=pl.lit("hill"))
    trips.land("trips", f"trips_{FEBRUARY}.csv", punctual, scenario.MONTHS.window(FEBRUARY)[1])
    work = [f"{NAME}/{step}" for step in ("features", "predictions", "performance", "drift", "report")]
    for key in ["raw/trips", "validated/trips", *work]:
        trips.step(key, FEBRUARY)
    told = trips.display(*STEP)
    assert told["performance drawn"] is False
    assert told["why no performance"] == "All labels of the partition are 0: one class has no performance."
    assert (_folder(trips) / "report.html").exists()


def test_an_all_null_column_is_left_out_and_named(open_world: OpenWorld, january: Path) -> None:
    trips = open_world(january, _trips())
    elsewhere = scenario.trip_rows(FEBRUARY).with_columns(zone=pl.lit("airport"))  # where no traffic is known
    trips.land("trips", f"trips_{FEBRUARY}.csv", elsewhere, scenario.MONTHS.window(FEBRUARY)[1])
    trips.run(FEBRUARY)
    told = trips.display(*STEP)
    assert [one["column"] for one in told["left out"]] == ["traffic__jam"]
    assert "no value" in told["left out"][0]["status"]
    assert told["columns drawn"] == len(trips.pipeline.model_columns) - 1


def test_a_pipeline_without_partitions_has_one_report(open_world: OpenWorld, trained_churn: Path) -> None:
    churn = open_world(trained_churn, scenario.churn(drift=Drift(report_rows=300)))
    churn.run()
    told = churn.display("churn/report", "all")
    assert told["rows drawn"] == churn.display("churn/training_set", "all")["holdout"]
    assert (churn.settings.reports / "churn" / "all" / "report.html").exists()
    assert churn.run() == []


def test_where_none_is_declared_none_is_drawn(open_world: OpenWorld, february: Path) -> None:
    trips = open_world(february)
    assert trips.display(*STEP) == {"report": "Drift(report_rows=0) is declared, so no report is drawn."}
    assert not trips.settings.reports.exists()
