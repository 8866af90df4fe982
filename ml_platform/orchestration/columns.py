"""Columns as Dagster shows them: types, descriptions, constraints, and which columns they are made of."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import dagster as dg
import polars as pl

from ml_platform.monitoring import performance
from ml_platform.serving import batch
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.tables import Table
from ml_platform.spec.wording import in_words, made_of
from ml_platform.steps import deciding, drift

SCHEMA, LINEAGE = "dagster/column_schema", "dagster/column_lineage"


_PREDICTIONS = {
    "pipeline": "whose prediction it is",
    "key": "the example's key as text; JSON where it has several columns",
    "at": "the prediction time",
    "score": "probability of a true label, probability of the class, or the predicted value",
    "scores": "probabilities of all classes, in the order of the bundle; null unless there are several",
    "class": "what the score decides: the likelier class",
    "version": "the version that scored it",
    "role": "champion or challenger",
    "run_id": "the run that made it",
}
_PERFORMANCE = {
    "version": "the version that was judged",
    "role": "champion or challenger",
    "sliced_by": "the column of the slice; empty: all rows",
    "slice": "its value",
    "metric": "the metric's name",
    "value": "what the predictions were worth in it",
    "low": "lower end of its 95 % interval",
    "high": "upper end of its 95 % interval",
    "rows": "labelled predictions that count",
    "unlabelled": "predictions without a label so far",
}
_DRIFT = {
    "version": "the champion that scored the partition",
    "role": "champion or challenger",
    "feature": "the column; empty: the weighted figure of all",
    "kind": "number, level, score or weighted",
    "psi": "population stability index against the reference, nulls being a bin of their own",
    "distance": "Wasserstein distance in standard deviations of the reference, or Jensen-Shannon for levels",
    "nulls": "share of nulls here",
    "reference_nulls": "share of nulls in the reference",
    "null_change": "the difference of the two",
    "unseen": "how many levels the reference does not have",
    "unseen_share": "share of the rows with such a level",
    "importance": "the feature's share of what the model looks at",
    "status": "ok, or why it could not be compared",
    "rows": "examples of the partition",
    "reference_rows": "rows of the reference",
}
_DECISIONS = {
    "pipeline": "whose decision it is",
    "decided_at": "the moment of which it speaks: nothing known later has a part in it",
    "outcome": "fired, held back or forced",
    "reason": "why, in words",
    "policy": "the declared policy as JSON",
    "evidence": "what was seen, as JSON",
    "run_id": "the run that decided",
    "recorded_at": "when that was",
}
_QUARANTINE = {
    "row": "the row as it came, as JSON text",
    "_file": "the file's id in platform.files",
    "_row": "the row's number in its file, from 0",
    "rule": "the rule of the contract that it breaks",
    "reason": "how, in words",
    "rule_version": "which version of the contract and of clean said so",
    "quarantined_at": "when that was",
}


def of_step(pipeline: ModelPipeline, name: str) -> dict[str, Any]:
    """Schema and lineage of the table that a step fills, as metadata; nothing for a step without described columns."""
    describe = _STEPS.get(name)
    return describe(pipeline) if describe else {}


def of_validated(table: Table) -> dict[str, Any]:
    """A validated table's columns; those of the raw table by the same name, unless `clean` stands between them."""
    if table.clean is not None:
        return {SCHEMA: contract(table)}
    raw = ["raw", table.name]
    return {SCHEMA: contract(table), LINEAGE: lineage({name: [(raw, name)] for name in table.columns})}


def of_quarantine() -> dict[str, Any]:
    """The columns of every quarantine table."""
    kinds: dict[str, pl.DataType] = {name: pl.String() for name in _QUARANTINE}
    return {SCHEMA: schema({**kinds, "_row": pl.Int64(), "quarantined_at": pl.Datetime("us", "UTC")}, _QUARANTINE)}


def schema(
    columns: Mapping[str, pl.DataType],
    told: Mapping[str, str],
    *,
    required: Iterable[str] = (),
    unique: Iterable[str] = (),
    rules: Mapping[str, list[str]] | None = None,
) -> dg.TableSchema:
    """Columns with polars types and descriptions; `required` hold no null, `unique` is a key of one column."""
    filled, single, more = set(required), set(unique), rules or {}
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name,
                type_in_words(kind),
                description=told.get(name),
                constraints=dg.TableColumnConstraints(
                    nullable=name not in filled, unique=name in single, other=more.get(name, [])
                ),
            )
            for name, kind in columns.items()
        ]
    )


def type_in_words(kind: pl.DataType) -> str:
    """A polars type in short: moments say their zone, not their unit."""
    if isinstance(kind, pl.Datetime):
        return f"Datetime {kind.time_zone or 'without zone'}"
    return str(kind)


def contract(table: Table) -> dg.TableSchema:
    """A validated table's columns, as its contract describes them, with what they must keep to."""
    columns = table.contract.columns()
    told = {name: column.description for name, column in columns.items() if column.description}
    required = [name for name, column in columns.items() if not column.nullable]
    unique = table.key if len(table.key) == 1 else ()
    rules = {name: _rules(column) for name, column in columns.items()}
    if len(table.key) > 1:
        for name in table.key:
            rules[name] = ["part of the key", *rules[name]]
    return schema(table.columns, told, required=required, unique=unique, rules=rules)


def lineage(behind: Mapping[str, Iterable[tuple[list[str], str]]]) -> dg.TableColumnLineageMetadataValue:
    """Column → the (asset key, column) pairs that it is made of."""
    deps = {
        name: [dg.TableColumnDep(dg.AssetKey(key), column) for key, column in columns]
        for name, columns in behind.items()
    }
    return dg.MetadataValue.column_lineage(dg.TableColumnLineage(deps))


def _rules(column: Any) -> list[str]:
    """What a contract asks of a column's values, in words."""
    found = []
    for rule, words in _RULES.items():
        bound = getattr(column, rule, None)
        if bound is not None:
            found.append(f"{words} {bound}")
    return found


_RULES = {
    "min": "at least",
    "min_exclusive": "above",
    "max": "at most",
    "max_exclusive": "below",
    "min_length": "length at least",
    "max_length": "length at most",
    "regex": "matches",
}


def _features(pipeline: ModelPipeline) -> dict[str, Any]:
    keys, columns = pipeline.examples.keys, {**pipeline.row_schema, **pipeline.feature_schema}
    unique = keys if len(keys) == 1 else ()
    shape = schema(columns, in_words(pipeline), required=pipeline.examples.identity, unique=unique)
    behind = {
        name: [(["validated", table], column) for table, column in columns]
        for name, columns in made_of(pipeline).items()
    }
    return {SCHEMA: shape, LINEAGE: lineage(behind)}


def _predictions(pipeline: ModelPipeline) -> dict[str, Any]:
    examples, table = pipeline.examples, [pipeline.name, "features"]
    read = {
        "key": examples.keys,
        "at": (examples.at,) if examples.at else (),
        "score": tuple(pipeline.model_columns),
        "class": tuple(pipeline.model_columns),
    }
    behind = {name: [(table, column) for column in columns] for name, columns in read.items()}
    return {SCHEMA: schema(batch.SCHEMA, _PREDICTIONS), LINEAGE: lineage(behind)}


_STEPS: dict[str, Callable[[ModelPipeline], dict[str, Any]]] = {
    "features": _features,
    "predictions": _predictions,
    "performance": lambda _: {SCHEMA: schema(performance.SCHEMA, _PERFORMANCE)},
    "drift": lambda _: {SCHEMA: schema(drift.SCHEMA, _DRIFT)},
    "decision": lambda _: {SCHEMA: schema(deciding.SCHEMA, _DECISIONS)},
}
