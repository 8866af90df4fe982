"""The whole platform in a notebook: pipelines, tables, SQL."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import Self

import polars as pl

from ml_platform.errors import NotFoundError
from ml_platform.notebook import html
from ml_platform.notebook.declarations import Declarations
from ml_platform.notebook.frames import USES, frame
from ml_platform.notebook.pipeline import Pipeline
from ml_platform.runtime.questions import answer
from ml_platform.runtime.workspace import Workspace
from ml_platform.views.lake_tables import LAYERS, lake_tables, lazy_table
from ml_platform.views.pipelines import recorded_pipelines
from ml_platform.views.uses import Target, target_of, uses_of


@dataclass(frozen=True, repr=False, eq=False)
class Pipelines:
    """Every pipeline by name: those on record, and those that are declared and never ran."""

    workspace: Workspace
    declarations: Declarations

    def __getitem__(self, name: str) -> Pipeline:
        """The pipeline of that name. Raises NotFoundError, which lists those there are."""
        # What is on record needs no declaration, and importing declarations takes its time.
        if name not in recorded_pipelines(self.workspace.state) and name not in self.declarations.by_name:
            raise NotFoundError("pipeline", name, self._names)
        return Pipeline(name, self.workspace, self.declarations)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    @property
    def frame(self) -> pl.DataFrame:
        """One row a pipeline: task and description by today's declaration, versions and champion on record."""
        schema = {
            "pipeline": pl.String,
            "task": pl.String,
            "newest": pl.String,
            "partitions": pl.Int64,
            "versions": pl.Int64,
            "champion": pl.Int64,
            "description": pl.String,
        }
        rows = []
        for name in self:
            pipeline = self[name]
            facts, declared = pipeline.summary, pipeline.declaration
            task, description = (declared.task, declared.description) if declared else (None, None)
            about = (facts.newest, len(facts.partitions), facts.versions, facts.champion)
            rows.append((name, task, *about, description))
        return pl.DataFrame(rows, schema=schema, orient="row")

    def __repr__(self) -> str:
        return (
            "\n".join([*(repr(self[name]) for name in self), *self._notes()]) or "No pipeline is declared or on record."
        )

    def _repr_html_(self) -> str:
        frame = self.frame
        return html.block(
            "Pipelines", html.table(frame.columns, frame.iter_rows()), *map(html.paragraph, self._notes())
        )

    def _ipython_key_completions_(self) -> list[str]:
        return self._names

    @property
    def _names(self) -> list[str]:
        return sorted({*recorded_pipelines(self.workspace.state), *self.declarations.by_name})

    def _notes(self) -> list[str]:
        problem = self.declarations.problem
        return [] if problem is None else [f"A declaration does not load: {problem}"]


@dataclass(frozen=True, repr=False, eq=False)
class Platform:
    """The platform over one lake, read-only. `ml_platform.open()` makes it.

    It may stay open while runs write: every question sees what is committed when it is asked.
    """

    workspace: Workspace

    @cached_property
    def pipelines(self) -> Pipelines:
        """Every pipeline by name."""
        return Pipelines(self.workspace, Declarations(self.workspace.settings))

    def pipeline(self, name: str) -> Pipeline:
        """The pipeline of that name. Raises NotFoundError, which lists those there are."""
        return self.pipelines[name]

    def __getitem__(self, name: str) -> Pipeline:
        """As `pipeline(name)`."""
        return self.pipelines[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.pipelines)

    @property
    def tables(self) -> pl.DataFrame:
        """The raw, validated and quarantine tables that exist: `table` as `table()` takes it, number of `columns`."""
        shared = [table for table in lake_tables(self.workspace.lake) if table.schema in LAYERS]
        shared.sort(key=lambda table: (LAYERS.index(table.schema), table.name))
        schema = {"table": pl.String, "columns": pl.Int64}
        return pl.DataFrame([(one.address, one.columns) for one in shared], schema=schema, orient="row")

    def table(self, address: str) -> pl.LazyFrame:
        """The rows of a table of the lake, such as "validated.flights" or "flight_delay.drift", as of now.

        Of a validated table only the current row of each key. Raises NotFoundError, which lists the tables.
        """
        with self.workspace.reading():
            return lazy_table(self.workspace.lake, address)

    def sql(self, query: str, *, limit: int | None = None) -> pl.DataFrame:
        """The answer to one reading statement in DuckDB's SQL; the operational state is attached as `state`.

        `limit` cuts the answer to that many rows. Raises QuestionRefused for anything but one reading
        statement, and for SQL that fails.

        >>> platform.sql("SELECT asset, count(*) FROM state.records GROUP BY asset")
        """
        return answer(self.workspace.settings, query, limit=limit).frame

    def uses(self, target: str = "", *, feature: str = "") -> pl.DataFrame:
        """Which models read a table ("weather"), a column ("weather.temp") or a feature: one row a model and column.

        `version` is null of a declaration; `role` is declared, champion, challenger or version. Raises NotFoundError
        for what no model reads.

        >>> platform.uses("weather.temp")
        """
        declared = self.pipelines.declarations.by_name
        about = Target(feature=feature) if feature else target_of(declared, target)
        rows = [
            {"pipeline": model.pipeline, "version": model.version, "role": model.role}
            | {"table": use.table, "column": use.column, "use": use.use, "features": list(use.features)}
            for one in uses_of(self.workspace, declared, about)
            for model in one.models
            for use in model.uses
        ]
        return frame(rows, USES)

    def close(self) -> None:
        """Let go of the lake and the state. Lazy frames that were taken stay usable."""
        self.workspace.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Platform({str(self.workspace.settings.data)!r}): {len(self.tables)} tables\n{self.pipelines!r}"

    def _repr_html_(self) -> str:
        tables = self.tables
        return html.block(
            f"Platform in {self.workspace.settings.data}",
            self.pipelines._repr_html_(),
            html.block("Tables", html.table(tables.columns, tables.iter_rows())),
        )

    def _ipython_key_completions_(self) -> list[str]:
        return list(self.pipelines)
