"""Log and compare: answers of the service are computed again from the lake, and must have the same bits (S45).

The lake may hold rows by now that became usable before the prediction time and had not reached the online store when
the answer was given. So what differs from the lake as it is now is computed again from the snapshots that the store
answered from, which the log names.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from ml_platform.features import offline
from ml_platform.features.definition import FeatureDefinition
from ml_platform.features.parity import equal_bits
from ml_platform.features.relations import plain
from ml_platform.lake import snapshots
from ml_platform.models import bundle as bundles
from ml_platform.models.predictor import Predictor
from ml_platform.naming import quoted
from ml_platform.serving.batch import answers
from ml_platform.serving.logged_values import logged_frame
from ml_platform.state import versions
from ml_platform.state.stores import Stores
from ml_platform.validation.version_order import validated, with_paths

SAMPLE = 500  # answers of one comparison
SHOWN = 10  # differences
_MOST_SNAPSHOTS = 5  # that are computed from: each costs as much as the lake as it is now
_WRONG, _UNDECIDED, _LATE, _INPUTS = "wrong", "undecided", "late", "inputs"
_KINDS = (_WRONG, _UNDECIDED, _LATE, _INPUTS)  # in the order in which they are shown
_Snapshots = tuple[tuple[str, int], ...]
_Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Difference:
    """One value of an answer that is another one when it is computed again; `reason` says what that means."""

    key: str
    id: str
    version: int
    feature: str
    logged: Any
    recomputed: Any
    reason: str


@dataclass(frozen=True)
class Comparison:
    """What came of a sample of answers.

    compared:     how many were computed again.
    wrong:        how many have features or a score that the same rows do not give: the service was wrong.
    late:         how many have other features now because rows reached the store after the answer, which was right.
    undecided:    how many have other features now, while the rows of then cannot be read any more.
    other_inputs: how many were sent with inputs that the lake has otherwise: these were not known then (S45).
    differences:  the first of all of these, wrong ones first.
    """

    compared: int
    wrong: int
    late: int
    undecided: int
    other_inputs: int
    differences: tuple[Difference, ...]


def compare(stores: Stores, pipeline: str, rows: pl.DataFrame) -> Comparison:
    """Compute logged answers of a pipeline again: rows of the table `<pipeline>.served`.

    Answers to inputs with U+0000, which older services took, are left out: no row of the lake holds such a text.

    Raises NotFoundError and BlobError for a version or a bundle that is gone.
    """
    findings, compared = _Findings(), 0
    for (number,), log in rows.partition_by("version", as_dict=True, maintain_order=True).items():
        bundle = bundles.load(stores.blobs, versions.version(stores.state, pipeline, number).bundle)
        answered = _Answered.of(FeatureDefinition.from_json(bundle.definition), log)
        if answered.log.is_empty():
            continue
        compared += answered.log.height
        wrong_rows = _compare_features(stores, answered, findings)
        _compare_scores(answered, Predictor(bundle, threads=stores.settings.threads), ~wrong_rows, findings)
        _compare_inputs(stores, answered, findings)
    counts = findings.counts
    return Comparison(compared, counts[_WRONG], counts[_LATE], counts[_UNDECIDED], counts[_INPUTS], findings.first)


@dataclass(frozen=True)
class _Answered:
    """The answers of one version: their log, their inputs as sent, and the features and statuses made of these."""

    definition: FeatureDefinition
    log: pl.DataFrame
    inputs: pl.DataFrame
    outputs: pl.DataFrame

    @classmethod
    def of(cls, definition: FeatureDefinition, log: pl.DataFrame) -> "_Answered":
        inputs = logged_frame([json.loads(text) for text in log["inputs"]], definition.row_schema)
        zeros = pl.any_horizontal(pl.lit(False), pl.col(pl.String).str.contains("\0", literal=True))
        lacks_zeros = ~inputs.with_columns(zeros.fill_null(False).alias("zeros"))["zeros"]
        inputs, log = inputs.filter(lacks_zeros), log.filter(lacks_zeros)
        outputs = [
            {**json.loads(features), **json.loads(statuses)}
            for features, statuses in zip(log["features"], log["statuses"], strict=True)
        ]
        schema = {name: dtype for name, dtype in definition.schema.items() if name not in definition.row_schema}
        return cls(definition, log, inputs, logged_frame(outputs, schema))

    def snapshots(self, index: int) -> _Snapshots | None:
        """The snapshot of each table that an answer came from; None where the log does not say."""
        logged: Mapping[str, int | None] = json.loads(self.log["snapshots"][index] or "{}")
        numbers = [(table, logged.get(table)) for table in self.definition.tables]
        known = tuple((table, number) for table, number in numbers if number is not None)
        return known if len(known) == len(numbers) else None


@dataclass
class _Findings:
    """How many answers differ, by kind, and the first differences of each."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_KINDS, 0))
    differences: dict[str, list[Difference]] = field(default_factory=lambda: {kind: [] for kind in _KINDS})

    @property
    def first(self) -> tuple[Difference, ...]:
        return tuple(one for kind in _KINDS for one in self.differences[kind])[:SHOWN]

    def add(
        self, kind: str, answered: _Answered, mask: _Mask, logged: pl.DataFrame, again: pl.DataFrame, reason: str
    ) -> None:
        """Count the answers of the mask, and keep the first of their differing values."""
        self.counts[kind] += int(mask.sum())
        kept = self.differences[kind]
        for index in np.flatnonzero(mask).tolist():
            key, identity, version = answered.log.select("key", "id", "version").row(index)
            for name in logged.columns:
                if len(kept) == SHOWN:
                    return
                mine, other = logged[name].slice(index, 1), again[name].slice(index, 1)
                if not _same(mine, other)[0]:
                    kept.append(Difference(key, identity, version, name, mine[0], other[0], reason))


def _compare_features(stores: Stores, answered: _Answered, findings: _Findings) -> _Mask:
    """Note the answers with other features; which of them are wrong."""
    logged, count = answered.outputs, answered.log.height
    now = _recomputed(stores, answered, _tables_now(stores, answered.definition), np.ones(count, np.bool_))
    masks: dict[_Snapshots | None, _Mask] = {}
    for index in np.flatnonzero(_differing(logged, now)).tolist():
        masks.setdefault(answered.snapshots(index), np.zeros(count, np.bool_))[index] = True
    all_wrong = np.zeros(count, np.bool_)
    readable = _readable(stores, [tables for tables in masks if tables is not None])
    for tables, mask in masks.items():
        if tables not in readable:
            why = "the lake has another value now, and the rows of then cannot be read"
            findings.add(_UNDECIDED, answered, mask, logged, now, why)
            continue
        then = _recomputed(stores, answered, _tables_then(stores, answered.definition, dict(tables or ())), mask)
        wrong = mask & _differing(logged, then)
        why = "the rows that the online store had give another value"
        findings.add(_WRONG, answered, wrong, logged, then, why)
        why = "rows that count now reached the online store after the answer"
        findings.add(_LATE, answered, mask & ~wrong, logged, now, why)
        all_wrong |= wrong
    return all_wrong


def _readable(stores: Stores, groups: Sequence[_Snapshots]) -> list[_Snapshots]:
    """The newest of these that can still be read."""
    kept = snapshots.kept(stores.lake, {number for tables in groups for _, number in tables})
    readable = [tables for tables in groups if {number for _, number in tables} <= kept]
    return readable[-_MOST_SNAPSHOTS:]


def _compare_scores(answered: _Answered, predictor: Predictor, mask: _Mask, findings: _Findings) -> None:
    """Score the logged features of the mask again. They were compared already."""
    again = answers(answered.inputs.hstack(answered.outputs), predictor)
    logged = answered.log.select(pl.col(name).cast(dtype) for name, dtype in again.schema.items())
    findings.add(
        _WRONG, answered, mask & _differing(logged, again), logged, again, "the same features give another score"
    )


def _compare_inputs(stores: Stores, answered: _Answered, findings: _Findings) -> None:
    """Compare the inputs as sent with those of the lake, where it has the example by now."""
    definition, connection = answered.definition, stores.lake.connection
    on, keys = definition.identity, f"keys_{secrets.token_hex(6)}"
    connection.register(keys, plain(answered.inputs.select(definition.keys).unique()).to_arrow())
    try:
        same = " AND ".join(f"k.{quoted(name)} = e.{quoted(name)}" for name in definition.keys)
        table = f"validated.{quoted(definition.examples)}"
        rows = f"SELECT * FROM {table} e WHERE EXISTS (SELECT 1 FROM {keys} k WHERE {same})"
        source = with_paths(stores.state, definition.examples, f"({rows})")
        examples = stores.lake.frame(offline.examples_sql(definition, source, None, None))
    finally:
        connection.unregister(keys)
    examples = examples.select(pl.col(name).cast(dtype) for name, dtype in definition.row_schema.items())
    theirs = answered.inputs.select(on).join(
        examples.with_columns(_is_there=True), on=on, how="left", nulls_equal=True, maintain_order="left"
    )
    sent = answered.inputs.drop(on)
    other = theirs["_is_there"].fill_null(False).to_numpy() & _differing(sent, theirs)
    findings.add(_INPUTS, answered, other, sent, theirs, "it was sent with a value that the lake has otherwise")


def _recomputed(stores: Stores, answered: _Answered, tables: Mapping[str, str], mask: _Mask) -> pl.DataFrame:
    """Features and statuses of the inputs as sent, row by row; null where `mask` is false."""
    definition, connection = answered.definition, stores.lake.connection
    chosen = answered.inputs.filter(pl.Series(mask)).unique(maintain_order=True)
    view = f"answered_{secrets.token_hex(6)}"
    connection.register(view, plain(chosen).to_arrow())
    try:
        features = offline.compute(connection, definition, view, tables)
    finally:
        connection.unregister(view)
    try:
        frame = connection.execute(f"FROM {features}").pl()
    finally:
        connection.execute(f"DROP TABLE {features}")
    frame = frame.select(pl.col(name).cast(dtype) for name, dtype in definition.schema.items())
    on = list(definition.row_schema)
    return answered.inputs.join(frame, on=on, how="left", nulls_equal=True, maintain_order="left").drop(on)


def _tables_now(stores: Stores, definition: FeatureDefinition) -> dict[str, str]:
    return {name: validated(stores.state, name, keyed=bool(table.key)) for name, table in definition.tables.items()}


def _tables_then(stores: Stores, definition: FeatureDefinition, numbers: Mapping[str, int]) -> dict[str, str]:
    """The validated rows as the online store had them."""
    tables = {}
    for name, table in definition.tables.items():
        rows = f"SELECT * FROM validated.{quoted(name)} AT (VERSION => {numbers[name]})"
        tables[name] = rows if table.key else with_paths(stores.state, name, f"({rows})")
    return tables


def _differing(logged: pl.DataFrame, again: pl.DataFrame) -> _Mask:
    """Which rows differ in any column of `logged`."""
    differing = np.zeros(logged.height, np.bool_)
    for name in logged.columns:
        differing |= ~_same(logged[name], again[name])
    return differing


def _same(logged: pl.Series, again: pl.Series) -> _Mask:
    if logged.dtype.is_nested():  # the scores of several classes
        pairs = zip(logged.to_list(), again.to_list(), strict=True)
        return np.fromiter((mine == other for mine, other in pairs), np.bool_, len(logged))
    return np.asarray(equal_bits(logged, again), np.bool_)
