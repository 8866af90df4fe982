"""Which entity is meant: columns of a table with values, and the columns of other tables that name it, too."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from ml_platform.erasure.errors import ErasureRefused
from ml_platform.errors import did_you_mean
from ml_platform.naming import listed
from ml_platform.spec.examples import Label
from ml_platform.spec.features.word import join_keys
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.tables import Table
from ml_platform.validation.conversion import Purpose
from ml_platform.validation.conversions import convert


@dataclass(frozen=True)
class Entity:
    """One entity or several: those rows of `table` in whose `columns` one of the `values` stands. Values are texts."""

    table: str
    columns: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]


def entity_of(table: Table, keys: Sequence[str]) -> Entity:
    """What `--key` says: `COLUMN=VALUE`, or the value alone where the table's key is one column.

    Several columns together name one entity; several values of one column name several. What stands before the first
    `=` is a column only where the table has one of that name. A word that could be one, and is none, is refused: it is
    a slip, and the answer that there is nothing to forget would be wrong. Raises ErasureRefused for anything else.
    """
    by_column: dict[str, list[str]] = {}
    for text in keys:
        name, equals, value = text.partition("=")
        if not equals or name not in table.columns:
            if equals and name.isidentifier():
                raise ErasureRefused(
                    f"{table.name} has no column {name!r}. {did_you_mean(name, table.columns)}".rstrip(),
                    remedy=f"Columns: {', '.join(table.columns)}. A value that has a = is written --key COLUMN=VALUE.",
                )
            name, value = _only_key(table, text), text
        by_column.setdefault(name, []).append(value)
    if not by_column:
        raise ErasureRefused("No key was given.", remedy="Say which rows: --key VALUE or --key COLUMN=VALUE.")
    if len(by_column) > 1 and any(len(values) > 1 for values in by_column.values()):
        raise ErasureRefused(
            f"Several values of {listed(list(by_column))}: it is not said which belong together.",
            remedy="Forget one entity at a time where its key has several columns.",
        )
    if len(by_column) == 1:
        ((name, values),) = by_column.items()
        entity = Entity(table.name, (name,), tuple((value,) for value in dict.fromkeys(values)))
    else:
        entity = Entity(table.name, tuple(by_column), (tuple(values[0] for values in by_column.values()),))
    typed_keys(table, entity.columns, entity.values)
    return entity


def _only_key(table: Table, text: str) -> str:
    if len(table.key) == 1:
        return table.key[0]
    raise ErasureRefused(
        f"{text!r} does not say of which column of {table.name} it is a value.",
        remedy=f"Write --key COLUMN={text}; the columns: {', '.join(table.columns)}.",
    )


def typed_keys(table: Table, columns: Sequence[str], values: Sequence[Sequence[str]]) -> pl.DataFrame:
    """The values in the types of the table's columns, as they are stored. Raises ErasureRefused for what is no value.

    A text is read as one of a file is (S1a): `007` is the whole number 7.
    """
    typed = []
    for position, name in enumerate(columns):
        texts = pl.Series(name, [value[position] for value in values], dtype=pl.String)
        converted = convert(texts, table.columns[name], Purpose(table.time_zone, name in table.key)).values
        if converted.null_count():
            wrong = texts.filter(converted.is_null())[0]
            raise ErasureRefused(
                f"{wrong!r} is no value of {table.name}.{name}, which is {table.columns[name]}.",
                remedy="Write it as a file would have it. A null names no entity.",
            )
        typed.append(converted.cast(table.stored_columns[name]).alias(name))
    return pl.DataFrame(typed)


def same_columns(
    pipelines: Iterable[ModelPipeline], table: str, columns: tuple[str, ...]
) -> Mapping[str, tuple[str, ...]]:
    """Table → the columns in which it names the entity, by the `on=` of the features of all pipelines.

    A table counts where all of the columns are joined with columns of it, over other tables too.
    """
    joined: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for pipeline in pipelines:
        examples, label = pipeline.table(pipeline.examples.table), pipeline.examples.label
        joins = [(feature.table, feature.keys) for feature in pipeline.joined]
        joins += [(label.table, join_keys(label.on))] if isinstance(label, Label) else []
        for other, keys in joins:
            for own, theirs in keys.items():
                if own in examples.columns:  # a derived key is no column of a table
                    joined.setdefault((examples.name, own), set()).add((other, theirs))
                    joined.setdefault((other, theirs), set()).add((examples.name, own))
    reached = [_reached(joined, (table, column)) for column in columns]
    tables = set.intersection(*({name for name, _ in one} for one in reached))
    named: dict[str, tuple[str, ...]] = {table: columns}
    for name in sorted(tables - {table}):
        choices = [sorted(column for of, column in one if of == name) for one in reached]
        named[name] = tuple(choice[0] for choice in choices)
    return named


def _reached(joined: Mapping[tuple[str, str], set[tuple[str, str]]], start: tuple[str, str]) -> set[tuple[str, str]]:
    seen, waiting = {start}, [start]
    while waiting:
        for other in joined.get(waiting.pop(), ()):
            if other not in seen:
                seen.add(other)
                waiting.append(other)
    return seen
