"""The two properties of S1 to S13: the batch equals the rules, and online answers equal the batch, bit for bit."""

import struct
from datetime import UTC, datetime
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings

from ml_platform.features.definition import FeatureDefinition
from ml_platform_tests.examples import tries
from ml_platform_tests.features.naive import naive_features
from ml_platform_tests.features.parity import parity
from ml_platform_tests.features.relations import batch_features, connect, ghost, validated
from ml_platform_tests.features.strategies import Case, cases

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
GENERATED = settings(
    max_examples=tries(120),
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    return connect()


def bits(value: Any) -> Any:
    if isinstance(value, float):
        return "NaN" if value != value else struct.pack("<d", value)
    return value


def opened(case: Case) -> dict[str, list[dict[str, Any]]]:
    """The tables, there since long ago, so that S14 is silent: it has tests of its own."""
    relation_by_table = {}
    for table in case.pipeline.tables:
        rows = case.tables[table.name]
        blank = {name: LONG_AGO if name == table.event_time else None for name in table.columns}
        relation_by_table[table.name] = [*rows, ghost(blank, LONG_AGO)] if table.event_time else rows
    return relation_by_table


@GENERATED
@given(case=cases())
def test_the_batch_equals_the_rules_read_row_by_row(connection: duckdb.DuckDBPyConnection, case: Case) -> None:
    definition = FeatureDefinition.of(case.pipeline)
    relations = validated(connection, case.pipeline, opened(case))
    made = batch_features(connection, definition, case.examples, relations, batch=3)
    ours = {tuple(row[key] for key in definition.keys): row for row in made.iter_rows(named=True)}
    assert len(ours) == len(case.examples)
    for example, expected in zip(case.examples, naive_features(case.pipeline, case.examples, case.tables), strict=True):
        row = ours[tuple(example[key] for key in definition.keys)]
        assert {name: bits(row[name]) for name in expected} == {name: bits(value) for name, value in expected.items()}


@GENERATED
@given(case=cases())
def test_answers_from_stored_rows_equal_the_batch_bit_for_bit(
    connection: duckdb.DuckDBPyConnection, case: Case
) -> None:
    definition = FeatureDefinition.from_json(FeatureDefinition.of(case.pipeline).to_json())
    relations = validated(connection, case.pipeline, case.tables)
    made = batch_features(connection, definition, case.examples, relations)
    examples = pl.DataFrame(case.examples, schema=definition.row_schema)
    report = parity(connection, definition, examples, relations, made)
    assert report.differences == ()
    assert report.identical and report.examples == len(case.examples)
