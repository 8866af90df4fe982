"""Columns as Dagster shows them: types, descriptions, constraints, and which columns they are made of."""

from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg
import polars as pl

from ml_platform.runtime.step import Step
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.tables import Table

SCHEMA, LINEAGE = "dagster/column_schema", "dagster/column_lineage"


_QUARANTINE = {
    "row": "the row as it came, as JSON text",
    "_file": "the file's id, as in lineage.files",
    "_row": "the row's number in its file, from 0",
    "rule": "the contract rule that the row breaks",
    "reason": "why the row was rejected",
    "rule_version": "version of the contract and of `clean` that rejected the row",
    "quarantined_at": "when the row was rejected",
}


def of_step(pipeline: ModelPipeline, step: Step) -> dict[str, Any]:
    """Column schema and lineage of the table that a step fills, as metadata; empty without described columns."""
    columns = step.columns(pipeline)
    if columns is None:
        return {}
    shape = schema(columns.types, columns.meaning, required=columns.required, unique=columns.unique)
    if not columns.made_of:
        return {SCHEMA: shape}
    behind = {name: [(list(asset), column) for asset, column in made_of] for name, made_of in columns.made_of.items()}
    return {SCHEMA: shape, LINEAGE: lineage(behind)}


def of_validated(table: Table) -> dict[str, Any]:
    """Schema and lineage of a validated table. Without `clean`, columns come from raw columns of the same name."""
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
    descriptions: Mapping[str, str],
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
                description=descriptions.get(name),
                constraints=dg.TableColumnConstraints(
                    nullable=name not in filled, unique=name in single, other=more.get(name, [])
                ),
            )
            for name, kind in columns.items()
        ]
    )


def type_in_words(kind: pl.DataType) -> str:
    """A short name of a polars type. Datetimes show their zone, not their unit."""
    if isinstance(kind, pl.Datetime):
        return f"Datetime {kind.time_zone or 'without zone'}"
    return str(kind)


def contract(table: Table) -> dg.TableSchema:
    """A validated table's columns with the descriptions and constraints of its contract."""
    columns = table.contract.columns()
    descriptions = {name: column.description for name, column in columns.items() if column.description}
    required = [name for name, column in columns.items() if not column.nullable]
    unique = table.key if len(table.key) == 1 else ()
    rules = {name: _rules(column) for name, column in columns.items()}
    if len(table.key) > 1:
        for name in table.key:
            rules[name] = ["part of the key", *rules[name]]
    return schema(table.columns, descriptions, required=required, unique=unique, rules=rules)


def lineage(behind: Mapping[str, Iterable[tuple[list[str], str]]]) -> dg.TableColumnLineageMetadataValue:
    """Column → the (asset key, column) pairs that it is made of."""
    deps = {
        name: [dg.TableColumnDep(dg.AssetKey(key), column) for key, column in columns]
        for name, columns in behind.items()
    }
    return dg.MetadataValue.column_lineage(dg.TableColumnLineage(deps))


def _rules(column: Any) -> list[str]:
    """The constraints of a column as text."""
    constraints = []
    for rule, words in _RULES.items():
        bound = getattr(column, rule, None)
        if bound is not None:
            constraints.append(f"{words} {bound}")
    return constraints


_RULES = {
    "min": "at least",
    "min_exclusive": "above",
    "max": "at most",
    "max_exclusive": "below",
    "min_length": "length at least",
    "max_length": "length at most",
    "regex": "matches",
}
