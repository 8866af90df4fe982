"""Checks of a declaration that no single word can make: each names the culprit and the remedy."""

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

import polars as pl

from ml_platform.errors import DeclarationError
from ml_platform.spec.canonical import canonical
from ml_platform.spec.column_names import check_name, folded
from ml_platform.spec.column_types import check_used
from ml_platform.spec.durations import shortest
from ml_platform.spec.examples import Label
from ml_platform.spec.expressions import columns_read, to_portable
from ml_platform.spec.features import JoinedFeature, join_keys
from ml_platform.spec.metrics import METRICS
from ml_platform.spec.partitions import Partitions
from ml_platform.spec.tables import Table
from ml_platform.spec.training import Retrain

if TYPE_CHECKING:
    from ml_platform.spec.pipeline import ModelPipeline


def check_tables(pipeline: "ModelPipeline", where: str) -> None:
    """Names are unique, `needs` exist and form no cycle."""
    ruled = [table.name for table in pipeline.tables if table.complete is not None]
    if ruled and pipeline.partitions is None:
        raise DeclarationError(
            where, f"complete= of {ruled[0]} needs partitions, and the pipeline has none", remedy="Leave it out."
        )
    names = [table.name for table in pipeline.tables]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DeclarationError(
            where, f"two tables have the name {', '.join(twice)}", remedy="Give each table a name of its own."
        )
    needs = {table.name: set(table.needs) for table in pipeline.tables}
    for table in pipeline.tables:
        for need in table.needs:
            pipeline.table(need)
    try:
        tuple(TopologicalSorter(needs).static_order())
    except CycleError as error:
        raise DeclarationError(
            where, f"needs= of tables form a cycle: {' → '.join(error.args[1])}", remedy="Break it."
        ) from None


def check_examples(pipeline: "ModelPipeline", where: str) -> None:
    """Key, inputs, prediction time, split and label fit the examples' table (S3)."""
    examples, table = pipeline.examples, pipeline.table(pipeline.examples.table)
    named = {"key": examples.keys, "inputs": examples.inputs, "at": (examples.at,) if examples.at else ()}
    for role, columns in named.items():
        for column in columns:
            if column not in table.columns:
                raise DeclarationError(
                    where,
                    f"{role} names {column!r}, which {table.name} does not have",
                    remedy=f"Its columns: {', '.join(table.columns)}.",
                )
    if set(examples.keys) != set(table.key):
        raise DeclarationError(
            where,
            f"key={list(examples.keys)} is not the primary key of {table.name}, {list(table.key)}",
            remedy="One example is one row of its table.",
        )
    if examples.at and table.columns[examples.at] != pl.Datetime("us", "UTC"):
        raise DeclarationError(
            where,
            f"at={examples.at!r} is {table.columns[examples.at]}",
            remedy='Declare it dy.Datetime(time_zone="UTC").',
        )
    if pipeline.partitions and examples.at is None:
        raise DeclarationError(where, "partitions need a prediction time", remedy="Name it with at=.")
    if pipeline.split.timed and examples.at is None:
        raise DeclarationError(
            where, "the split is by time and the examples have none", remedy="Use Split(validation=0.1, holdout=0.2)."
        )
    if pipeline.split.group is not None and pipeline.split.group not in pipeline.row_schema:
        raise DeclarationError(
            f"ModelPipeline({pipeline.name!r}).split",
            f"group={pipeline.split.group!r} is no input",
            remedy=f"Group by one of {', '.join(pipeline.row_schema)}.",
        )
    _ = pipeline.task
    _check_label(pipeline, where)


def _check_label(pipeline: "ModelPipeline", where: str) -> None:
    examples, table = pipeline.examples, pipeline.table(pipeline.examples.table)
    if isinstance(examples.label, Label):
        other = pipeline.table(examples.label.table)
        for own, theirs in join_keys(examples.label.on).items():
            if own not in pipeline.row_schema or theirs not in other.columns:
                raise DeclarationError(
                    f"{where}.label",
                    f"on= joins {own!r} to {theirs!r}",
                    remedy="The first is a key or input of the examples, the second a column of the label's table.",
                )
        if table.known_at in examples.inputs and table.known_at != examples.at:
            raise DeclarationError(where, f"inputs contain the outcome: {table.known_at}", remedy="Remove known_at.")
        if examples.label.matures_after and examples.at is None:
            raise DeclarationError(f"{where}.label", "matures_after= needs a prediction time", remedy="Name at=.")
        return
    expression = examples.label_expression
    assert expression is not None
    read = columns_read(to_portable(expression, where))
    leaking = sorted((read | ({table.known_at} if table.known_at else set())) & set(examples.inputs))
    if leaking:
        raise DeclarationError(
            where,
            f"inputs contain the outcome: {', '.join(leaking)}",
            remedy="Remove the columns that the label or known_at is computed from.",
        )


def joined_outputs(pipeline: "ModelPipeline") -> list[tuple[str, dict[str, pl.DataType]]]:
    """The outputs of every feature that reads a table, with their types. Checks the clock of each."""
    outputs: list[tuple[str, dict[str, pl.DataType]]] = []
    for feature in pipeline.joined:
        table = pipeline.table(feature.table)
        _check_clock(pipeline, feature, table)
        outputs.append((feature.title, dict(zip(feature.outputs, feature.output_types(table), strict=True))))
    return outputs


def _check_clock(pipeline: "ModelPipeline", feature: JoinedFeature, table: Table) -> None:
    where = feature.title
    if not feature.timed:
        if table.event_time is not None:
            raise DeclarationError(where, f"{table.name} has a time axis", remedy="Use Latest.")
        return
    if table.event_time is None:
        raise DeclarationError(where, f"{table.name} has no event_time", remedy="Use Lookup, or declare it.")
    if pipeline.examples.at is None:
        raise DeclarationError(where, "the examples have no prediction time", remedy="Name it with at=.")
    if table.name == pipeline.examples.table and table.known_at in (None, pipeline.examples.at):
        raise DeclarationError(
            where,
            f"{table.name} declares no known_at of its own, so its outcomes would count as known at their event time",
            remedy="Declare the column of the time when a row's outcome is known.",
        )


def check_join(pipeline: "ModelPipeline", feature: JoinedFeature, types: dict[str, pl.DataType]) -> None:
    """Both sides of a join exist, are inputs, and have one type."""
    where, table, keys = feature.title, pipeline.table(feature.table), feature.keys
    early = {name for name, _ in pipeline.derived if name in pipeline.early_derived}
    if len(set(keys.values())) < len(keys):
        raise DeclarationError(
            where, "joins two columns to the same column", remedy="Join each to a column of its own."
        )
    for own, theirs in keys.items():
        if own not in pipeline.row_schema and own not in early:
            outcome = own in pipeline.table(pipeline.examples.table).columns
            problem = f"joins on {own!r}, " + ("an outcome" if outcome else "which is no input")
            raise DeclarationError(where, problem, remedy=f"Inputs: {', '.join(pipeline.row_schema)}.")
        if theirs not in table.columns:
            raise DeclarationError(
                where,
                f"joins on {theirs!r}, which {table.name} does not have",
                remedy=f"Its columns: {', '.join(table.columns)}.",
            )
        if types[own] != table.stored_columns[theirs]:
            raise DeclarationError(
                where,
                f"joins {own} ({types[own]}) to {theirs} ({table.stored_columns[theirs]})",
                remedy="Give both the same type.",
            )


def check_statuses(pipeline: "ModelPipeline", types: dict[str, pl.DataType]) -> None:
    """Features that share a `<prefix>__status` column look for the same row."""
    readings: dict[str, str] = {}
    others = set(map(folded, types))
    for feature in pipeline.joined:
        for status, chosen_by in feature.statuses.items():
            reading = str(canonical([status, feature.table, feature.keys, chosen_by]))
            if folded(status) in others or readings.setdefault(folded(status), reading) != reading:
                raise DeclarationError(
                    feature.title,
                    f"its status column {status!r} is already taken",
                    remedy="Give this feature a name of its own with as_=.",
                )


def check_types(pipeline: "ModelPipeline", features: dict[str, pl.DataType], where: str) -> None:
    """No input and no feature disappears: a model sees it, or something reads it (S7)."""
    examples, row = pipeline.examples, pipeline.row_schema
    read = [columns_read(to_portable(expression, name)) for name, expression in pipeline.derived]
    used = {*examples.identity, *examples.exclude, *(own for feature in pipeline.joined for own in feature.keys)}
    used.update(*read, pipeline.compared_columns)
    if pipeline.split.group is not None:
        used.add(pipeline.split.group)
    if isinstance(examples.label, Label):
        used.update(join_keys(examples.label.on))
    inputs = {name: row[name] for name in examples.inputs}
    check_used({**inputs, **features}, used, where)


def check_gates(pipeline: "ModelPipeline", where: str) -> None:
    """Metrics fit the task, the columns of segments exist, and nothing is judged twice."""
    for gate in pipeline.gates:
        metric, by = gate.judged_metric, gate.sliced_by
        if metric is not None and pipeline.task not in METRICS[metric][0]:
            of_task = [name for name, (tasks, *_) in METRICS.items() if pipeline.task in tasks]
            raise DeclarationError(
                f"{where}.gates",
                f"{metric!r} is no metric of a {pipeline.task} task",
                remedy=f"Use one of {', '.join(of_task)}.",
            )
        if by is not None and by not in {**pipeline.row_schema, **pipeline.feature_schema}:
            raise DeclarationError(
                f"{where}.gates",
                f"by={by!r} is neither input nor feature",
                remedy=f"Use one of {', '.join(pipeline.row_schema)}.",
            )
        there = {*pipeline.table(pipeline.examples.table).columns, *(feature.table for feature in pipeline.joined)}
        unknown = sorted(set(gate.columns_named) - there)
        if unknown:
            raise DeclarationError(
                f"{where}.gates",
                f"{type(gate).__name__} names {', '.join(unknown)}, which is no column of the examples' table",
                remedy=f"Name one of {', '.join(sorted(there))}.",
            )
    judged = [gate.subject for gate in pipeline.gates]
    twice = next((what for what in judged if judged.count(what) > 1), None)
    if twice is not None:
        raise DeclarationError(
            f"{where}.gates", f"{twice[0]} is declared twice for the same subject", remedy="Declare it once."
        )


def check_segments(pipeline: "ModelPipeline", where: str) -> None:
    """The columns whose values the model card compares exist."""
    columns = {**pipeline.row_schema, **pipeline.feature_schema}
    unknown = next((name for name in pipeline.segments if name not in columns), None)
    if unknown is not None:
        raise DeclarationError(
            f"{where}.segments",
            f"{unknown!r} is neither input nor feature",
            remedy=f"Use one of {', '.join(pipeline.row_schema)}.",
        )


def check_retrain(pipeline: "ModelPipeline", where: str) -> None:
    """Without partitions every change of the data is one decision, and nothing can be counted by partition."""
    if pipeline.partitions is not None:
        _check_calendar(pipeline.retrain, pipeline.partitions, f"{where}.retrain")
        return
    default = Retrain()
    for name in ("every", "on_drift", "on_performance", "cool_down"):
        value = getattr(pipeline.retrain, name)
        if value != getattr(default, name):
            raise DeclarationError(
                f"{where}.retrain",
                f"{name}={value} needs partitions, and the pipeline has none",
                remedy="Declare partitions=, or leave it out: without them every change of the data is a decision.",
            )


def _check_calendar(retrain: Retrain, partitions: Partitions, where: str) -> None:
    """A cool-down is over before the calendar asks again."""
    if not isinstance(retrain.every, str):
        return
    start, end = partitions.window(partitions.since)
    most = -(-shortest(retrain.every) // (end - start)) - 1
    if retrain.cool_down > max(most, 0):
        raise DeclarationError(
            where,
            f"cool_down={retrain.cool_down} {partitions.unit}s prevent trainings that every={retrain.every!r} asks for",
            remedy=f"Give a cool_down of at most {max(most, 0)}, or every=None.",
        )


def claim(name: str, where: str, taken: dict[str, str]) -> None:
    """Record that `where` takes `name`. Raises DeclarationError when another has taken it, in any case of letters.

    `taken` has folded names.
    """
    check_name(name, where)
    owner = taken.get(folded(name))
    if owner is not None:
        raise DeclarationError(where, f"the name {name!r} is already used by {owner}", remedy="Rename one (as_=).")
    taken[folded(name)] = where
