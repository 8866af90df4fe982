"""The features of many examples at once from stored rows, column by column, with the bits of one example at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from ml_platform.features.arrays import Integers
from ml_platform.features.kinds.derived import layers
from ml_platform.features.online.answering import OnlineFeatures
from ml_platform.features.online.keyed_rows import KeyedRows, ManyAsked
from ml_platform.features.online.rows import key_bytes
from ml_platform.features.places import Places
from ml_platform.features.relations import TIMELESS
from ml_platform.features.rowwise import Layers, derive

_ROWS = 10_000  # derived at a time: polars computes for a single request only between two of them


@dataclass(frozen=True)
class ManyQuestion:
    """Many examples on their way to their features.

    frame: their own columns and what is derived from them before the joins.
    at:    in microseconds.
    names: by pass, the names of the values to read in the online store, each once.
    groups: by pass and example, the position of its name; -1: it joins nothing.
    """

    frame: pl.DataFrame
    at: Integers
    names: tuple[tuple[bytes, ...], ...]
    groups: tuple[Integers, ...]


@dataclass(frozen=True)
class ManyFeatures:
    """columns: of `definition.schema`. ages: as `Answers.ages`, null where there is no row."""

    columns: pl.DataFrame
    ages: dict[str, pl.Series]


class OnlineFeaturesOfMany:
    """`OnlineFeatures` for many examples. It stores nothing itself, and threads may share it."""

    def __init__(self, features: OnlineFeatures) -> None:
        self._features, self._definition = features, features.definition
        schema, derived = self._definition.schema, self._definition.derived
        self._before = layers([form for form in derived if form.early], schema)
        self._after = layers([form for form in derived if not form.early], schema)

    def question(self, examples: pl.DataFrame) -> ManyQuestion:
        """What must be read for examples, given as the columns of `row_schema` with its types.

        Raises FeatureError for values that have no feature.
        """
        frame = _derived(examples, self._before)
        definition = self._definition
        if definition.at is None:
            at = np.full(frame.height, TIMELESS, np.int64)
        else:
            at = np.asarray(frame[definition.at].dt.epoch("us").to_numpy(), np.int64)
        keys_by_columns = {own: _groups(frame, own) for own in {_own(one.on) for one in self._features.passes}}
        names, groups = [], []
        for online_pass in self._features.passes:
            group, keys = keys_by_columns[_own(online_pass.on)]
            names.append(tuple(map(online_pass.layout.fingerprint.__add__, keys)))
            groups.append(group)
        return ManyQuestion(frame, at, tuple(names), tuple(groups))

    def answer(
        self, question: ManyQuestion, values: Sequence[Sequence[bytes | None]], since: Mapping[str, int | None]
    ) -> ManyFeatures:
        """The features of the examples, in their order. Raises FeatureError for values that have no feature.

        values: by pass what the store has under the question's names. since: as `OnlineFeatures.answer`.
        """
        definition = self._definition
        joined: dict[str, pl.Series] = {}
        ages: dict[str, pl.Series] = {}
        places: dict[tuple[str, ...], Places] = {}
        for online_pass, group, read in zip(self._features.passes, question.groups, values, strict=True):
            own = _own(online_pass.on)
            if own not in places:
                places[own] = Places(group, question.at)
            answers = online_pass.answer_many(KeyedRows(online_pass.layout, read), ManyAsked(places[own], question.at))
            joined |= answers.values
            ages |= answers.ages
        columns: dict[str, pl.Series | pl.Expr] = {**joined}
        for form in definition.joined:
            if form.null_until_available:
                began = since.get(form.table)
                available = pl.Series(question.at > began) if began is not None else pl.lit(False)
                columns |= {output: pl.when(available).then(joined[output]) for output in form.outputs}
        wide = question.frame.with_columns(column.alias(name) for name, column in columns.items())
        wide = _derived(wide, self._after)
        return ManyFeatures(wide.select(pl.col(name).cast(dtype) for name, dtype in definition.schema.items()), ages)


def _own(on: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    return tuple(own for own, _ in on)


def _groups(frame: pl.DataFrame, own: tuple[str, ...]) -> tuple[Integers, list[bytes]]:
    """By example the position of its join key, -1 for one with a null, and the keys as bytes."""
    if not own:
        return np.zeros(frame.height, np.int64), [key_bytes(()) or b""]
    rows_by_key = frame.select(own).with_row_index("_row").drop_nulls().group_by(own, maintain_order=True).agg("_row")
    group, rows = np.full(frame.height, -1, np.int64), rows_by_key["_row"]
    group[rows.explode().to_numpy()] = np.repeat(np.arange(len(rows)), rows.list.len().to_numpy())
    keys = [key for key in map(key_bytes, rows_by_key.drop("_row").rows()) if key is not None]
    assert len(keys) == len(rows)  # those with a null have no group
    return group, keys


def _derived(frame: pl.DataFrame, steps: Layers) -> pl.DataFrame:
    if not steps or frame.is_empty():
        return derive(frame, steps)
    return pl.concat([derive(part, steps) for part in frame.iter_slices(_ROWS)])
