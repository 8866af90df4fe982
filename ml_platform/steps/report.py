"""The report step: drift and performance of a partition as a page to read, drawn by Evidently from a sample."""

import os
import time
import uuid
from dataclasses import replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ml_platform import interrupts
from ml_platform.errors import ReportError
from ml_platform.lake.blobs import file_hash
from ml_platform.lake.disk_faults import explained
from ml_platform.lake.recipes import Recipe, recipe
from ml_platform.lake.transaction import Author
from ml_platform.monitoring.report_heading import sample_in_words
from ml_platform.monitoring.report_worker import worker
from ml_platform.naming import counted
from ml_platform.quality.checks import CheckResult
from ml_platform.runtime import reading
from ml_platform.runtime.step import Asset, Step, own
from ml_platform.runtime.workspace import Outcome, Workspace, record
from ml_platform.spec.canonical import libraries
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state.results import ReportResult
from ml_platform.steps.drift_sides import judged
from ml_platform.steps.report_figures import Figures, figures_of, heading_of
from ml_platform.steps.report_sample import Sample, sampled
from ml_platform.views.report_index import INDEX, index_page, reports

CODE_VERSION = 3  # of how reports are drawn; part of their content key (S31)
CHECKS = (("drawn", "Whether the report could be drawn. No figure and no decision depends on it."),)
_INSTALL = "Evidently is not installed: `pip install 'ml_platform[monitoring]'`, and the next run draws it."


class ReportStep(Step):
    """Drift and performance of a partition as a page to read, drawn by Evidently from a sample."""

    name = "report"
    job = "data"
    result = ReportResult
    kinds = ("evidently",)
    summary = "Drift and performance of the partition as a page to read: `ml-platform reports` serves it."
    explanation = "Evidently draws it from a sample of the partition and of the champion's training set."
    changes_with = "the drift figures, or labels that become known"
    advice = "decisions use the figures of the drift table. This report helps to understand them."
    freezes = False
    stands_until = "performance"

    def upstream(self, pipeline: ModelPipeline) -> tuple[Asset, ...]:
        return own(pipeline, "performance", "drift")

    def checks(self, pipeline: ModelPipeline) -> tuple[tuple[str, str], ...]:
        return CHECKS

    def key(self, ws: Workspace, pipeline: ModelPipeline, partition: str) -> Recipe:
        """From drift and performance, and from the versions of the drawing libraries."""
        reads = [read for step in ("performance", "drift") for read in reading.own(ws, pipeline, step, [partition])]
        drawn_with = {name: _installed(name) for name in ("evidently", "pandas")}
        return recipe(
            "report", CODE_VERSION, pipeline.drift, pipeline.headline, reads, libraries("duckdb", "polars"), drawn_with
        )

    def make(self, ws: Workspace, pipeline: ModelPipeline, partition: str, author: Author) -> Outcome:
        """Draw the report. A failure is reported and retried by the next run. It stops nothing else."""
        reading.latest(ws, pipeline, "drift", partition)
        if not pipeline.drift.report_rows or _installed("evidently") is None:
            why = _INSTALL if pipeline.drift.report_rows else "Drift(report_rows=0) is declared, so no report is drawn."
            return record(ws, author, Outcome(0, result=ReportResult(), display={"report": why}, checks=_checked(why)))
        figures = figures_of(ws, pipeline, partition)
        if figures is None:
            why = "No champion scored the partition, so there is nothing to report."
            display: dict[str, Any] = {"champion": "none yet", "report": why}
            return record(ws, author, Outcome(0, result=ReportResult(), display=display, checks=_checked(why)))
        worker().start()  # it loads while the sample is taken
        began = time.perf_counter()
        with judged(ws, pipeline, partition, figures.version) as subject:
            sample = sampled(ws, pipeline, partition, subject, figures.columns)
        try:
            answer, files = _drawn(ws, pipeline, partition, figures, sample)
        except ReportError as error:
            interrupts.stop_if_arrived()
            display = {**figures.shown(pipeline), "report": str(error)}
            return Outcome(
                0, "not drawn", result=ReportResult(), display=display, checks=_checked(str(error), passed=False)
            )
        left_out = [*figures.unreadable, *sample.left_out, *answer["left out"]]
        page = next(name for name in files if name.endswith(".html"))
        why_not = sample.why_not or answer.get("why not", "")
        url = f"{ws.settings.reports_url}/{pipeline.name}/{partition}/report.html"
        display = {
            **figures.shown(pipeline),
            "report": {"path": str(ws.settings.data.resolve() / page)},
            "open": {"url": url},
            "performance drawn": answer["performance"],
            **({"why no performance": why_not} if why_not else {}),
            "rows drawn": sample.current.height,
            "rows without label": sample.unlabelled,
            "columns drawn": answer["columns"],
            "columns beyond": figures.beyond,
            **({"left out": left_out} if left_out else {}),
            "megabytes": round((ws.settings.data / page).stat().st_size / 1e6, 2),
            "seconds": round(time.perf_counter() - began, 2),
        }
        drawn = counted(answer["columns"], "column is", "columns are")
        sentence = f"{drawn} drawn from {counted(sample.current.height, 'row')}."
        result = replace(figures.result, url=url)
        outcome = record(ws, author, Outcome(1, result=result, display=display, checks=_checked(sentence), files=files))
        _write_index(ws, pipeline)
        return outcome


def _checked(description: str, *, passed: bool = True) -> tuple[CheckResult, ...]:
    ((name, _),) = CHECKS
    return (CheckResult(name, passed, "warn", None, None, description),)


def _drawn(
    ws: Workspace, pipeline: ModelPipeline, partition: str, figures: Figures, sample: Sample
) -> tuple[dict[str, Any], dict[str, str]]:
    """The worker's answer, and the digests of the files by their path under the data folder."""
    folder = ws.settings.reports / pipeline.name / partition
    with explained(ws.settings.reports):
        folder.mkdir(parents=True, exist_ok=True)
        workplace = ws.lake.folder / "staging" / f"report-{uuid.uuid4().hex}"
        workplace.mkdir()
    try:
        paths = {name: workplace / f"{name}.parquet" for name in ("reference", "current")}
        sample.reference.write_parquet(paths["reference"])
        sample.current.write_parquet(paths["current"])
        sample_sentence = sample_in_words(
            sample.current.height,
            figures.result.rows or 0,
            sample.unlabelled,
            sample.reference.height,
            figures.reference_rows,
        )
        answer = worker().ask(
            {
                **{name: str(path.resolve()) for name, path in paths.items()},
                **{kind: str((workplace / f"report.{kind}").resolve()) for kind in ("html", "json")},
                "columns": sample.columns,
                "captions": figures.captions,
                "task": pipeline.task,
                "performance": not sample.why_not,
                "threshold": pipeline.drift.feature,
                "title": f"{pipeline.name} {partition}",
                "heading": heading_of(pipeline, partition, figures, sample_sentence),
                "about": {
                    "pipeline": pipeline.name,
                    "partition": partition,
                    "alarms": figures.alarms,
                    "passed": figures.passed,
                    "figures": figures.shown(pipeline),
                    "sample": sample_sentence,
                    "rows": {"reference": sample.reference.height, "current": sample.current.height},
                    "left out of the sample": [*figures.unreadable, *sample.left_out],
                },
            }
        )
        files = {}
        for name in ("report.json", "report.html"):
            files[str((folder / name).relative_to(ws.settings.data))] = file_hash(workplace / name)
            _put(workplace / name, folder / name)
        return answer, files
    finally:
        for leftover in workplace.iterdir():
            leftover.unlink()
        workplace.rmdir()


def _write_index(ws: Workspace, pipeline: ModelPipeline) -> None:
    """Write the page that links to the reports. A lock covers reading and writing, so that no report is missed."""
    page = ws.settings.reports / pipeline.name / INDEX
    with ws.lake.locked(f"the index of the reports of {pipeline.name}"):
        page.parent.mkdir(parents=True, exist_ok=True)
        beside = page.with_name(f".{uuid.uuid4().hex}")
        beside.write_text(index_page(pipeline, reports(ws, pipeline)))
        beside.replace(page)


def _put(source: Path, target: Path) -> None:
    """Move a finished file to its place, whole or not at all, also to another disk."""
    beside = target.with_name(f".{uuid.uuid4().hex}")
    try:
        os.link(source, beside)
    except OSError:
        beside.write_bytes(source.read_bytes())
    beside.replace(target)


@cache
def _installed(name: str) -> str | None:
    """The installed version of a distribution, read once a process; None where there is none."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
