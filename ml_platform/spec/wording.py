"""Features in words: what a column contains, and which columns of the tables it is computed from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ml_platform.spec.expression_wording import value_in_words
from ml_platform.spec.expressions import columns_read, to_portable
from ml_platform.spec.features import JoinedFeature, Phrases
from ml_platform.spec.pipeline import ModelPipeline

Column = tuple[str, str]  # table, column


def in_words(pipeline: ModelPipeline) -> dict[str, str]:
    """What each column of the feature table contains: the example's own columns, then every feature."""
    examples = pipeline.examples
    phrases = _phrases(pipeline)
    described = phrases.descriptions[examples.table]
    words = {name: described.get(name, "") or f"{name} of the example" for name in pipeline.row_schema}
    for name in examples.keys:
        words[name] = f"{words[name]}; names the example"
    if examples.at:
        words[examples.at] = f"{words[examples.at]}; the prediction time"
    for name in examples.exclude:
        words[name] = f"{words[name]}; no feature by itself"
    for feature in pipeline.features:
        words |= feature.in_words(phrases)
    return words


@dataclass(frozen=True)
class ColumnOfExample:
    """A column of the feature table in words, for one example.

    phrase: what it is, to be followed by "is" and a value.
    value:  its values as text.
    """

    phrase: str
    value: Callable[[Any], str] = value_in_words


def of_example(pipeline: ModelPipeline, example: Mapping[str, Any]) -> dict[str, ColumnOfExample]:
    """Every column of the feature table in words, for one example.

    `example`: the example's own columns and features by name.
    """
    phrases, table = _phrases(pipeline), pipeline.examples.table
    words = {name: ColumnOfExample(phrases.unit(table, name)) for name in pipeline.row_schema}
    for feature in pipeline.features:
        for name, phrase in feature.of_example(example, phrases).items():
            words[name] = ColumnOfExample(phrase, feature.value_in_words)
    return words


def _phrases(pipeline: ModelPipeline) -> Phrases:
    at = pipeline.examples.at
    descriptions = {table.name: contract_words(pipeline, table.name) for table in pipeline.tables}
    return Phrases(f"before {at}" if at else "now", descriptions)


def contract_words(pipeline: ModelPipeline, table: str) -> dict[str, str]:
    """The descriptions in a table's contract; columns without one are left out."""
    columns = pipeline.table(table).contract.columns()
    return {name: column.description for name, column in columns.items() if column.description}


def made_of(pipeline: ModelPipeline) -> dict[str, list[Column]]:
    """The columns of validated tables that each column of the feature table is computed from, with keys and clocks."""
    examples = pipeline.examples
    origins: dict[str, list[Column]] = {name: [(examples.table, name)] for name in pipeline.row_schema}

    def derive(early: bool) -> None:
        for name, expression in pipeline.derived:
            if (name in pipeline.early_derived) == early:
                read = sorted(columns_read(to_portable(expression, name)))
                origins[name] = [column for own in read for column in origins[own]]

    derive(early=True)  # these may be keys of joins
    for feature in pipeline.joined:
        origins |= _joined_columns(pipeline, feature, origins)
    derive(early=False)
    return {name: list(dict.fromkeys(columns)) for name, columns in origins.items()}


def _joined_columns(
    pipeline: ModelPipeline, feature: JoinedFeature, origins: Mapping[str, list[Column]]
) -> dict[str, list[Column]]:
    table = pipeline.table(feature.table)
    keys = [(table.name, theirs) for theirs in feature.keys.values()]
    own = [column for mine in feature.keys for column in origins[mine]]
    clocks = [(table.name, clock) for clock in (table.event_time, table.known_column) if clock]
    return {
        output: [*((table.name, column) for column in columns), *keys, *own, *clocks]
        for output, columns in feature.columns_behind().items()
    }
