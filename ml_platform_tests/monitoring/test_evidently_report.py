"""The Evidently adapter, by its JSON: Evidently changes between versions, and this is what we rely on."""

import json
import os
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from ml_platform.errors import ReportError
from ml_platform.escaping import page_policy, policy_of, printable
from ml_platform.monitoring import report_worker
from ml_platform.monitoring.evidently_report import DECISION, LABEL, PERFORMANCE, SCORE, _headed, shown_names
from ml_platform.monitoring.report_worker import ReportWorker
from ml_platform_tests.hostile_text import HOSTILE, RAN, Page, texts_of


@pytest.fixture
def worker() -> ReportWorker:
    """The one of this process, which all tests share: Evidently takes seconds to load. It ends with the process."""
    return report_worker.worker()


def _frame(seed: int, rows: int = 300, task: str = "binary") -> pl.DataFrame:
    random = np.random.default_rng(seed)
    score = random.random(rows)
    labels: dict[str, Any] = {
        "binary": {LABEL: (random.random(rows) < score).astype(int), DECISION: (score > 0.5).astype(int)},
        "multiclass": {LABEL: random.choice(["a", "b", "c"], rows), DECISION: random.choice(["a", "b", "c"], rows)},
        "regression": {LABEL: score + random.normal(0, 0.1, rows), DECISION: score},
    }[task]
    return pl.DataFrame(
        {
            "steady": random.normal(0, 1, rows),
            "moved": random.normal(seed * 2, 1, rows),
            "level": pl.Series(random.choice(["x", "y", ""], rows)).replace({"": None}),
            SCORE: score,
            **labels,
        }
    )


COLUMNS = {"steady": "number", "moved": "number", "level": "level"}


def _ask(
    worker: ReportWorker, folder: Path, reference: pl.DataFrame, current: pl.DataFrame, **changes: Any
) -> tuple[dict[str, Any], dict[str, Any], str]:
    """The answer, the JSON and the HTML."""
    paths = {"reference": folder / "r.parquet", "current": folder / "c.parquet"}
    reference.write_parquet(paths["reference"])
    current.write_parquet(paths["current"])
    question = {
        **{name: str(path) for name, path in paths.items()},
        "html": str(folder / "report.html"),
        "json": str(folder / "report.json"),
        "columns": COLUMNS,
        "task": "binary",
        "performance": True,
        "threshold": 0.25,
        "captions": {"moved": "PSI 3.5 of all rows", "model performance": "roc_auc 0.75 of all rows"},
        "title": "trips 2024-02",
        "heading": "<p>No alarm</p>",
        "about": {"pipeline": "trips", "partition": "2024-02"},
        **changes,
    }
    answer = worker.ask(question)
    return answer, json.loads((folder / "report.json").read_text()), (folder / "report.html").read_text()


def _metrics(result: dict[str, Any], kind: str) -> dict[str, Any]:
    """Column (or the metric's own name) → value, of the metrics of that kind."""
    found = [m for m in result["metrics"] if m["config"]["type"].rsplit(":", 1)[-1] == kind]
    return {m["config"].get("column", kind): m["value"] for m in found}


def test_drift_of_columns_and_scores_and_performance_are_in_the_json(worker: ReportWorker, tmp_path: Path) -> None:
    answer, result, html = _ask(worker, tmp_path, _frame(0), _frame(1))
    assert answer == {"columns": 3, "drifted": 1, "left out": [], "performance": True}
    psi = _metrics(result, "ValueDrift")
    assert set(psi) == {"steady", "moved", "level", SCORE}
    assert psi["moved"] > 1 > 0.25 > psi["steady"]
    assert 0.6 < _metrics(result, "RocAuc")["RocAuc"] < 1
    assert "<title>trips 2024-02</title>" in html and "<body><p>No alarm</p>" in html
    assert len(html) < 6_000_000


def test_a_page_has_one_verdict_and_the_figures_of_all_rows(worker: ReportWorker, tmp_path: Path) -> None:
    _, result, html = _ask(worker, tmp_path, _frame(0), _frame(1))
    shown = html[html.index("var metric_") :]  # the widgets; before them are Evidently's own scripts
    assert "PSI 3.5 of all rows" in shown and "roc_auc 0.75 of all rows" in shown
    assert "rift detected" not in shown and "ot detected" not in shown and "Dataset Drift" not in shown
    assert _metrics(result, "DriftedColumnsCount") == {}


def test_columns_stand_in_the_order_that_they_are_asked_for(worker: ReportWorker, tmp_path: Path) -> None:
    order = {"level": "level", "moved": "number", "steady": "number"}
    captions = {name: f"the figure of {name}" for name in order}
    _, _, html = _ask(worker, tmp_path, _frame(0), _frame(1), columns=order, captions=captions)
    positions = [html.index(caption) for caption in captions.values()]
    assert positions == sorted(positions)


def test_a_page_loads_nothing_from_elsewhere(worker: ReportWorker, tmp_path: Path) -> None:
    _, _, html = _ask(worker, tmp_path, _frame(0), _frame(1))
    loaded: list[str] = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag != "a":
                loaded.extend(value or "" for name, value in attrs if name in ("src", "href"))

    Tags().feed(html)
    assert [address for address in loaded if not address.startswith("data:")] == []


def _hostile(seed: int) -> pl.DataFrame:
    """Rows whose classes are hostile, as the platform names them on a page, and whose categories are hostile as they
    are: the page must not rest on what it is given."""
    label = pl.col(LABEL, DECISION).replace({"a": next(iter(shown_names([HOSTILE]).values()))})
    return _frame(seed, task="multiclass").with_columns(label, level=pl.col("level").replace({"x": HOSTILE}))


def test_no_text_of_the_data_is_markup_and_the_page_names_the_scripts_that_it_runs(
    worker: ReportWorker, tmp_path: Path
) -> None:
    captions = {"level": HOSTILE, PERFORMANCE: HOSTILE}
    _, _, html = _ask(worker, tmp_path, _hostile(0), _hostile(1), task="multiclass", title=HOSTILE, captions=captions)
    page = Page(html)
    page.assert_runs_nothing()
    assert page.tags.count("script") == len(page.scripts) == 4
    assert policy_of(html) == page_policy(page.scripts)
    data = next(script for script in page.scripts if "var metric_" in script)
    widgets, _ = (json.loads(line.partition(" = ")[2].rstrip(";")) for line in data.strip().splitlines())
    assert texts_of(widgets).count(HOSTILE) >= 3  # two captions, and the categories of a chart
    assert [text for text in page.texts if RAN in text] == [printable(HOSTILE)]  # the title


def test_a_page_of_an_unknown_form_is_refused(worker: ReportWorker, tmp_path: Path) -> None:
    _, _, html = _ask(worker, tmp_path, _frame(0), _frame(1))
    assert _headed("<head>" + html.partition("<head>")[2], "t", "<p>h</p>")
    for other in (
        "<p>no page</p>",
        html.replace("var metric_", "let metric_"),
        html.replace("</body>", "<script>x</script>"),
    ):
        with pytest.raises(ReportError, match="of a form that is not known"):
            _headed(other, "t", "<p>h</p>")


@pytest.mark.parametrize(("task", "metric"), [("multiclass", "Accuracy"), ("regression", "MAE")])
def test_other_tasks_have_their_own_performance(worker: ReportWorker, tmp_path: Path, task: str, metric: str) -> None:
    answer, result, _ = _ask(worker, tmp_path, _frame(0, task=task), _frame(1, task=task), task=task)
    assert answer["performance"] is True
    assert _metrics(result, metric)


def test_without_labels_there_is_drift_and_no_performance(worker: ReportWorker, tmp_path: Path) -> None:
    frames = [_frame(seed).drop(LABEL, DECISION) for seed in (0, 1)]
    answer, result, _ = _ask(worker, tmp_path, *frames, performance=False)
    assert (answer["performance"], _metrics(result, "RocAuc")) == (False, {})
    assert SCORE in _metrics(result, "ValueDrift")


def test_one_odd_column_is_left_out_and_named(worker: ReportWorker, tmp_path: Path) -> None:
    odd = _frame(1).with_columns(steady=pl.lit(None, pl.Float64), level=pl.lit(None, pl.String))
    answer, result, _ = _ask(worker, tmp_path, _frame(0), odd)
    assert [(one["column"], "mpty" in one["status"]) for one in answer["left out"]] == [
        ("steady", True),
        ("level", True),
    ]
    assert (answer["columns"], answer["performance"]) == (1, True)
    assert set(_metrics(result, "ValueDrift")) == {"moved", SCORE}
    assert result["left out"] == answer["left out"]


def test_a_constant_column_is_drawn(worker: ReportWorker, tmp_path: Path) -> None:
    frames = [_frame(seed).with_columns(steady=pl.lit(5.0), level=pl.lit("x")) for seed in (0, 1)]
    answer, result, _ = _ask(worker, tmp_path, *frames)
    assert answer["columns"] + len(answer["left out"]) == 3
    assert answer["performance"] is True
    assert "moved" in _metrics(result, "ValueDrift")


def test_labels_that_have_no_performance_cost_only_that(worker: ReportWorker, tmp_path: Path) -> None:
    frames = [_frame(seed).with_columns(pl.lit("what?").alias(LABEL)) for seed in (0, 1)]
    answer, result, _ = _ask(worker, tmp_path, *frames)
    assert answer["performance"] is False and answer["why not"]
    assert set(_metrics(result, "ValueDrift")) == {*COLUMNS, SCORE}


@pytest.mark.slow
def test_the_largest_report_is_under_6_MB_and_15_s(worker: ReportWorker, tmp_path: Path) -> None:
    wide = {f"n{place}": "number" for place in range(20)} | {f"t{place}": "level" for place in range(5)}

    def frame(seed: int) -> pl.DataFrame:
        random = np.random.default_rng(seed)
        narrow = _frame(seed, 50_000)
        return narrow.with_columns(
            *(pl.Series(f"n{p}", random.normal(seed, 1, 50_000)) for p in range(20)),
            *(pl.Series(f"t{p}", random.integers(0, 31, 50_000)).cast(pl.String) for p in range(5)),
        )

    frames = [frame(0), frame(1)]
    _ask(worker, tmp_path, _frame(0), _frame(1))
    assert worker.pid is not None
    before = _cpu_seconds(worker.pid)
    answer, _, html = _ask(worker, tmp_path, *frames, columns=wide)
    assert answer["columns"] == 25 and answer["performance"] is True
    assert len(html.encode()) <= 6_000_000
    assert _cpu_seconds(worker.pid) - before <= 15


def _cpu_seconds(pid: int) -> float:
    """Of a process: what it used, whatever else the machine did meanwhile."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
