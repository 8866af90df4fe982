"""Rows stored by key answer at any moment with the bits of the batch, also once what nothing can reach is forgotten."""

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.features.definition import FeatureDefinition
from ml_platform.features.offline import available_since
from ml_platform.features.online.answering import OnlineFeatures
from ml_platform.features.online.filling import online_values
from ml_platform.spec.durations import since_epoch
from ml_platform_tests.features.relations import batch_features, connect, validated
from ml_platform_tests.features.strategies import Case, cases
from ml_platform_tests.features.test_properties import GENERATED, bits


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    return connect()


@GENERATED
@given(case=cases(), forgets=st.booleans(), rows=st.sampled_from([1, 500_000]))
def test_stored_rows_answer_at_any_moment_from_their_horizon_on_with_the_bits_of_the_batch(
    connection: duckdb.DuckDBPyConnection, case: Case, forgets: bool, rows: int
) -> None:
    definition = FeatureDefinition.from_json(FeatureDefinition.of(case.pipeline).to_json())
    relations = validated(connection, case.pipeline, case.tables)
    made = batch_features(connection, definition, case.examples, relations)
    batch = {tuple(row[key] for key in definition.keys): row for row in made.iter_rows(named=True)}
    features = OnlineFeatures(definition)
    asked = sorted(since_epoch(example[definition.at]) for example in case.examples) if definition.at else []
    horizon = asked[len(asked) // 2] if forgets and asked else None
    store: dict[bytes, bytes] = {}
    for online_pass in features.passes:
        store |= online_values(connection, online_pass, relations[online_pass.table_name], horizon, rows=rows)
    moments = available_since(connection, definition, relations)
    since = {name: since_epoch(moment) if moment is not None else None for name, moment in moments.items()}
    for example in case.examples:
        question = features.question(example)
        if horizon is not None and question.at < horizon:
            continue
        values = [store.get(key) if key is not None else None for key in question.keys]
        ours = features.answer(question, values, since).values
        theirs = batch[tuple(example[key] for key in definition.keys)]
        assert {name: bits(value) for name, value in ours.items()} == {name: bits(theirs[name]) for name in ours}
