"""An experiment in a notebook: what was changed, and how it compares with the champion."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from ml_platform.discovery import slices_of
from ml_platform.experiments.changing import variants
from ml_platform.experiments.trying import Request, attempt
from ml_platform.notebook import html
from ml_platform.notebook.declarations import Declarations
from ml_platform.notebook.frames import COMPARISONS, GATES, frame
from ml_platform.runtime.workspace import Workspace
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state.database import State
from ml_platform.tracking.exporting import export_behind
from ml_platform.views.run_comparison import Run, run_of


@dataclass(frozen=True, repr=False, eq=False)
class ExperimentResult:
    """A finished experiment. `reused`: it was on record before, and nothing was computed."""

    run: Run
    reused: bool

    @property
    def id(self) -> int:
        """Its number, as `ml-platform runs` shows it."""
        return int(self.run.row["run"])

    @property
    def metrics(self) -> Mapping[str, float | None]:
        """Metric → value on its holdout."""
        metrics: Mapping[str, float | None] = self.run.row["metrics"]
        return metrics

    @property
    def comparisons(self) -> pl.DataFrame:
        """Against the champion on the same rows, by metric and segment; without rows where they are not comparable."""
        return frame(self.run.comparisons, COMPARISONS)

    @property
    def gates(self) -> pl.DataFrame:
        """The outcome of every gate; "not measured" for those that only `every_gate=True` measures."""
        return frame(({**dict.fromkeys(GATES), **one} for one in self.run.verdicts), GATES)

    def __repr__(self) -> str:
        row = self.run.row
        changed = "; ".join(row["changes"]) or "nothing changed"
        against = ""
        if row["low"] is not None:
            against = f", {row['difference']:+.4g} ({row['low']:+.4g} to {row['high']:+.4g}) against @{row['champion']}"
        return f"Run {self.id} of {row['pipeline']} ({changed}): {row['metric']} {row['value']:.4g}{against}"

    def _repr_html_(self) -> str:
        compared, gates = self.comparisons, self.gates.filter(pl.col("slice") == "").drop("slice", "detail")
        return html.block(
            f"Experiment {self.id}",
            html.paragraph(repr(self)),
            html.table(compared.columns, compared.iter_rows()),
            html.table(gates.columns, gates.iter_rows()),
        )


def tried(
    reader: Workspace,
    declarations: Declarations,
    base: ModelPipeline,
    values: Mapping[str, Any],
    drop: Sequence[str],
    request: Request,
    tell: Callable[[str], None],
) -> ExperimentResult:
    """One experiment on the lake of a reader, whose own state stays open for reading only."""
    (variant,) = variants(base, (), drop, values=values)
    with closing(State(reader.settings)) as state:
        ws = replace(reader, state=state, slices=slices_of(declarations.by_name.values()))
        one = attempt(ws, base, variant, request, tell)
        export_behind(state, ws.blobs, base.name, tell)
        return ExperimentResult(run_of(state, ws.blobs, str(one.experiment.id)), one.reused)
