"""A pipeline in a notebook: its data, its models and its history."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from ml_platform.errors import NotFoundError
from ml_platform.naming import counted
from ml_platform.notebook import html
from ml_platform.notebook.card import ModelCard
from ml_platform.notebook.declarations import Declarations
from ml_platform.notebook.explanation import Explanation
from ml_platform.notebook.frames import DECISIONS, PROMOTIONS, RUNS, STATUS, frame, versions_frame
from ml_platform.notebook.model import ModelVersion
from ml_platform.runtime.workspace import Workspace
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import ledger, promotions, versions
from ml_platform.views import decisions, status
from ml_platform.views.explanation import explain
from ml_platform.views.lake_tables import lazy_table
from ml_platform.views.model_card.assembled import model_card
from ml_platform.views.model_versions import version_summaries
from ml_platform.views.pipelines import PipelineSummary, summary
from ml_platform.views.runs import run_rows

if TYPE_CHECKING:
    from ml_platform.notebook.experiment import ExperimentResult

_SHOWN = 12  # versions in a representation; the newest


@dataclass(frozen=True, repr=False, eq=False)
class Pipeline:
    """One pipeline, whether it is declared today or only on record.

    Each property reads what is committed at that moment. Tables that may be large are lazy frames, and each
    holds the snapshot of the moment at which it was asked for. Their column `_partition` says which
    partition a row is of.
    """

    name: str
    workspace: Workspace
    declarations: Declarations

    @property
    def declaration(self) -> ModelPipeline | None:
        """Today's declaration; None when there is none, or when the declarations do not load."""
        return self.declarations.by_name.get(self.name)

    @property
    def summary(self) -> PipelineSummary:
        """How far it is: partitions made, versions trained, the champion."""
        return summary(self.workspace.state, self.name)

    # -- rows --------------------------------------------------------------------------------

    def features(self, partition: str | None = None) -> pl.LazyFrame:
        """The feature rows of one partition, or of all. Raises NotFoundError for a partition that was not made."""
        return self._table("features", partition)

    def predictions(self, partition: str | None = None) -> pl.LazyFrame:
        """The stored predictions of one partition, or of all. Raises NotFoundError for one that was not made."""
        return self._table("predictions", partition)

    @property
    def performance(self) -> pl.DataFrame:
        """The metrics of champions and challengers on labels that became known, by partition and slice.

        Raises NotFoundError before the first was measured; so does `drift`.
        """
        return self._table("performance").collect()

    @property
    def drift(self) -> pl.DataFrame:
        """How far each feature and the score are from the champion's training data, by partition."""
        return self._table("drift").collect()

    # -- models ------------------------------------------------------------------------------

    @property
    def versions(self) -> pl.DataFrame:
        """Every version, newest first: whether it serves, its gates, and its metrics as `holdout_<metric>`."""
        return versions_frame(version_summaries(self.workspace.state, self.name))

    @property
    def champion(self) -> ModelVersion | None:
        """The version that serves now; None while there is none."""
        number = promotions.champion_at(self.workspace.state, self.name)
        return None if number is None else self.model(number)

    def model(self, version: int) -> ModelVersion:
        """One version. Raises NotFoundError, which lists those there are."""
        return ModelVersion(self.workspace, versions.version(self.workspace.state, self.name, version))

    def card(self, version: int) -> ModelCard:
        """The model card of a version: as values, and drawn in a notebook.

        Raises NotFoundError, which lists the versions there are, and DeclarationError without a declaration.
        """
        return ModelCard(model_card(self.workspace, self.declarations.required(self.name, "A model card"), version))

    def training_set(self, version: int) -> pl.LazyFrame:
        """The rows that a version was trained on; see `ModelVersion.training_set`. Raises NotFoundError."""
        return self.model(version).training_set

    def why(self, key: str | int, *, at: str | None = None, version: int | None = None) -> Explanation:
        """Why a prediction has its score: the newest of a key, as `ml-platform why` explains it.

        Args:
            key: As in the column `key` of `predictions()`, or parts of it that fit no other key.
            at: The prediction time in UTC, or the beginning of it, such as "2024-03-01".
            version: Another version, to score the same feature row.

        Raises:
            AmbiguousKey: When several keys fit; it holds `candidates`.
            NotFoundError: When none fits, with some that are alike.
        """
        with self.workspace.reading():
            explained = explain(self.workspace, self.name, str(key), at=at, version=version, declared=self.declaration)
            return Explanation(explained)

    # -- experiments -------------------------------------------------------------------------

    def experiment(
        self,
        values: Mapping[str, Any] | None = None,
        *,
        drop: Sequence[str] = (),
        through: str | None = None,
        name: str = "",
        note: str = "",
        tags: Sequence[str] = (),
        by: Sequence[str] = (),
        every_gate: bool = False,
        tell: Callable[[str], None] = lambda _: None,
    ) -> "ExperimentResult":
        """Train a changed declaration on the pipeline's data and compare it with the champion, as `ml-platform try`.

        It changes nothing of the pipeline, and puts a record of the experiment beside it.

        Args:
            values: Path → value, such as {"trainer.num_leaves": 63, "examples.label": pl.col("late") > 30}.
            drop: Patterns of features and inputs that the model does not see, such as "weather__*".
            through: The last partition whose data count; None: the last one that the pipeline decided on.
            name: For the list of runs.
            note: About the experiment.
            tags: To find it by.
            by: Columns whose segments are compared, besides those of the gates.
            every_gate: Measure also the gates that train again, replay examples or measure time.
            tell: Hears the name of each stage.

        Raises:
            DeclarationError: For a path that leads nowhere and a value that is refused, and without a declaration.
            OrderError: When the pipeline did not run so far.
            TrainingError: When no model can be made.
        """
        from ml_platform.experiments.trying import Request
        from ml_platform.notebook.experiment import tried

        base = self.declarations.required(self.name, "An experiment")
        request = Request(through, name, note, tuple(tags), tuple(by), every_gate)
        return tried(self.workspace, self.declarations, base, values or {}, drop, request, tell)

    @property
    def runs(self) -> pl.DataFrame:
        """Experiments and versions, newest first; `parameters` and `metrics` are JSON."""
        rows = run_rows(self.workspace.state, self.name)
        read = [{**row, **{name: dict(row[name]) for name in ("parameters", "metrics")}} for row in rows]
        return frame(read, RUNS)

    # -- history -----------------------------------------------------------------------------

    @property
    def decisions(self) -> pl.DataFrame:
        """Every decision whether to train, newest first; `policy` and `evidence` are JSON."""
        return frame(decisions.history(self.workspace, self.name), DECISIONS)

    @property
    def promotions(self) -> pl.DataFrame:
        """The log of champion changes, newest first."""
        return frame(status.promotion_rows(self.workspace, self.name), PROMOTIONS)

    @property
    def status(self) -> pl.DataFrame:
        """One row a partition, as `ml-platform status` shows it, with the one that the pipeline waits for.

        Raises DeclarationError without a declaration, which says what partitions and gates there are.
        """
        declared = self.declarations.required(self.name, "The status")
        return frame(status.status_rows(self.workspace, declared), STATUS)

    # -- representations ---------------------------------------------------------------------

    def __repr__(self) -> str:
        facts = self.summary
        champion = f"champion @{facts.champion}" if facts.champion else "no champion"
        partitions, versions = counted(len(facts.partitions), "partition"), counted(facts.versions, "version")
        return f"{self.name}: {partitions}, {versions}, {champion}"

    def _repr_html_(self) -> str:
        shown = self.versions.select(
            "version", "serves", "partition", "gates_passed", "gates", pl.col("^holdout_.*$")
        ).head(_SHOWN)
        parts = [html.paragraph(repr(self)), html.table(shown.columns, shown.iter_rows())]
        if self.declaration is not None:
            parts.insert(0, html.paragraph(self.declaration.description))
        return html.block(self.name, *parts, self._performance_picture())

    def _performance_picture(self) -> str:
        """The headline metric of champions over the partitions; nothing before there are two."""
        from ml_platform.plots.months import by_month
        from ml_platform.views.performance_plots import champions

        metric = self.declaration.headline if self.declaration else self._first_metric()
        measured = champions(self.workspace.lake, self.name, metric)
        if len(measured) < 2:
            return ""
        return html.picture(lambda: by_month(metric, measured), shows=f"{metric} of champions by partition")

    def _first_metric(self) -> str:
        return next((name for one in version_summaries(self.workspace.state, self.name) for name in one.holdout), "")

    def _table(self, step: str, partition: str | None = None) -> pl.LazyFrame:
        with self.workspace.reading():
            if partition is not None:
                partitions = [key for _, key in ledger.latest(self.workspace.state, f"{self.name}/{step}")]
                if partition not in partitions:
                    raise NotFoundError(f"partition of {self.name}/{step}", partition, sorted(partitions))
            wanted = None if partition is None else [partition]
            return lazy_table(self.workspace.lake, f"{self.name}.{step}", partitions=wanted)
