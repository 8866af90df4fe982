"""Examples answered from the rows that they touch, without a model and without a store."""

from collections.abc import Mapping

import duckdb
import polars as pl

from ml_platform.features.definition import FeatureDefinition
from ml_platform.features.online.answering import OnlineFeatures
from ml_platform.features.online.answering_many import OnlineFeaturesOfMany
from ml_platform.features.parity import ParityReport, TouchedRows, answer_frame, compared, in_order
from ml_platform.spec.durations import since_epoch


def parity(
    connection: duckdb.DuckDBPyConnection,
    definition: FeatureDefinition,
    examples: pl.DataFrame,
    tables: Mapping[str, str],
    batch: pl.DataFrame,
) -> ParityReport:
    """Answer each example at its own time as a service does, alone and with all others, and compare with `batch`.

    examples: the columns of row_schema. batch: `compute`'s columns for (at least) these examples; a
    training set, which holds no statuses, is compared by the others.
    The rows whose keys the examples touch are packed as the online store holds them, all versions of them.
    """
    examples = in_order(definition, examples)
    touched = TouchedRows.by(connection, definition, examples, tables)
    features = OnlineFeatures(definition)
    values = {name: value for _, of_pass in touched.values for name, value in of_pass.items()}
    since = {name: since_epoch(moment) if moment is not None else None for name, moment in touched.since.items()}
    answers = []
    for example in examples.iter_rows(named=True):
        question = features.question(example)
        read = [values.get(name) if name is not None else None for name in question.keys]
        answers.append(features.answer(question, read, since).values)
    singly = compared(definition, examples, batch, answer_frame(definition, answers), touched.count)
    of_many = OnlineFeaturesOfMany(features)
    asked = of_many.question(examples)
    answered = of_many.answer(asked, [[values.get(name) for name in names] for names in asked.names], since)
    together = answered.columns.drop(list(definition.row_schema))
    return compared(definition, examples, batch, together, touched.count) if singly.identical else singly
