"""From features back to the tables and columns that their values are read from, by a feature definition."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ml_platform.features.definition import FeatureDefinition
from ml_platform.features.forms import Form
from ml_platform.spec.examples import Label
from ml_platform.spec.expressions import columns_read, to_portable
from ml_platform.spec.features import join_keys
from ml_platform.spec.pipeline import ModelPipeline

Use = Literal["key", "prediction time", "input", "join", "value", "clock", "label"]


@dataclass(frozen=True)
class ColumnUse:
    """One column of one table that a model depends on.

    use: key and prediction time of the examples; an input; a column that joins a table; one whose value a feature takes
    or aggregates; the event time by which rows are chosen; a column that the label is made of.
    features: what the model sees or computes of it, in order; empty for a column that only identifies or labels.
    """

    table: str
    column: str
    use: Use
    features: tuple[str, ...]


def tables_of_columns(definition: FeatureDefinition) -> dict[str, tuple[str, ...]]:
    """Model column → the tables that its value is read from, sorted."""
    behind = {name: {definition.examples} for name in definition.row_schema}
    for form in definition.joined:
        for output in form.outputs:
            behind[output] = {form.table}
    for derived in definition.derived:
        read = columns_read(derived.expression)
        behind[derived.name] = {table for name in read for table in behind.get(name, ())} or {definition.examples}
    return {name: tuple(sorted(behind.get(name, ()))) for name in definition.model_columns}


def features_behind(definition: FeatureDefinition, name: str) -> list[str]:
    """The features whose values are computed from a column of the feature table, and it, in order of computing."""
    reached, before = [name], 0
    while len(reached) > before:  # a derived feature may be a join key, and what is joined may be derived from
        before = len(reached)
        for form in definition.joined:
            if any(own in reached for own, _ in form.on):
                reached += [output for output in form.outputs if output not in reached]
        for derived in definition.derived:
            if derived.name not in reached and columns_read(derived.expression) & set(reached):
                reached.append(derived.name)
    return reached


def column_uses(definition: FeatureDefinition) -> list[ColumnUse]:
    """Every column that the examples and their features read, by table and column. Labels are not in a definition."""
    uses: dict[tuple[str, str, Use], list[str]] = {}

    def note(table: str, column: str, use: Use, features: list[str]) -> None:
        before = uses.setdefault((table, column, use), [])
        before += [name for name in features if name not in before]

    for name in definition.row_schema:
        use: Use = "key" if name in definition.keys else "prediction time" if name == definition.at else "input"
        note(definition.examples, name, use, _seen(definition, features_behind(definition, name)))
    for form in definition.joined:
        for column, use in _columns_of(definition, form):
            reached = [name for output in _outputs_of(form, column) for name in features_behind(definition, output)]
            note(form.table, column, use, _seen(definition, reached))
    return [ColumnUse(*key, tuple(features)) for key, features in sorted(uses.items())]


def label_uses(pipeline: ModelPipeline) -> list[ColumnUse]:
    """The columns that labels are made of and joined by, and when they and the rows of features are known.

    Definitions do not hold these, so that they are told of a declaration, and of versions since they are recorded.
    """
    label, table = pipeline.examples.label, pipeline.table(pipeline.label_table)
    expression = label.value if isinstance(label, Label) else pipeline.examples.label_expression
    columns = set() if expression is None else columns_read(to_portable(expression, "label"))
    if isinstance(label, Label):
        columns |= set(join_keys(label.on).values())
    if table.known_column is not None:
        columns.add(table.known_column)
    uses: set[tuple[str, str, Use]] = {(table.name, column, "label") for column in columns}
    clocks = (pipeline.table(name) for name in {feature.table for feature in pipeline.joined if feature.timed})
    uses |= {(one.name, one.known_column, "clock") for one in clocks if one.known_column is not None}
    return [ColumnUse(*use, ()) for use in sorted(uses)]


def all_uses(pipeline: ModelPipeline) -> list[ColumnUse]:
    """Every column that a pipeline reads by its declaration, once for each use of it."""
    of_features = column_uses(FeatureDefinition.of(pipeline))
    known = {(use.table, use.column, use.use) for use in of_features}
    others = (use for use in label_uses(pipeline) if (use.table, use.column, use.use) not in known)
    return sorted([*of_features, *others], key=lambda use: (use.table, use.column, use.use))


def _columns_of(definition: FeatureDefinition, form: Form) -> Iterator[tuple[str, Use]]:
    for _, theirs in form.on:
        yield theirs, "join"
    for column in sorted(form.columns):
        yield column, "value"
    event_time = definition.tables[form.table].event_time
    if event_time is not None:
        yield event_time, "clock"


def _outputs_of(form: Form, column: str) -> tuple[str, ...]:
    """The outputs that take the value of that column; all of them where the form does not tell."""
    taken = getattr(form, "take", None)
    if isinstance(taken, tuple) and column in taken and len(taken) == len(form.outputs):
        return (form.outputs[taken.index(column)],)
    return form.outputs


def _seen(definition: FeatureDefinition, names: list[str]) -> list[str]:
    """Of columns of the feature table those that are features, or inputs that the model sees."""
    return [name for name in names if name in definition.outputs or name in definition.model_columns]
