"""The features of S1 to S15, row by row, from the rules alone: what every faster path must equal bit for bit.

Rows are dicts of the validated layout: the contract's columns and `_known_at`, `_usable_at`,
`_superseded_at`, `_arrival`, `_file`, `_path`, `_row`; times are aware UTC datetimes, null is None.

Not here: S14 (null before a feature's available-since date). The rule does not say what "its inputs
existed" means (a table's first row, its first usable row, the key's, a whole window full of them),
nor how it goes with S9 (empty: count 0) and S12 (before the first arrival: the first version).

Where the rules leave a choice, the line says "Choice:".
"""

import math
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

import polars as pl

from ml_platform.spec.durations import microseconds
from ml_platform.spec.expressions import to_portable
from ml_platform.spec.features import Derived, Feature, Latest, Lookup, On, Since, TimeSince, Window, join_keys
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.tables import Table
from ml_platform_tests.spec.naive_expressions import naive

Row = dict[str, Any]


def naive_features(pipeline: ModelPipeline, examples: list[Row], tables: dict[str, list[Row]]) -> list[Row]:
    """For each example, in order: every output and `<prefix>__status` of each Lookup and Latest.

    An example has the columns of `pipeline.row_schema`; `tables` holds all versions of all rows.
    """
    joined = [
        (feature, pipeline.table(feature.table), _rows_that_count(pipeline, feature, tables[feature.table]))
        for feature in pipeline.features
        if not isinstance(feature, Derived)
    ]
    return [_features_of(pipeline, example, joined) for example in examples]


def _features_of(pipeline: ModelPipeline, example: Row, joined: list[tuple[Feature, Table, list[Row]]]) -> Row:
    # S3: features read the example's keys, `at` and inputs; the rest of its row is an outcome.
    values = {name: example[name] for name in pipeline.row_schema}
    at = values[pipeline.examples.at] if pipeline.examples.at else None
    # S7: derivations are acyclic. Those of inputs alone come first: they may be join keys.
    for name, expression in pipeline.derived:
        if name in pipeline.early_derived:
            values[name] = _derive(pipeline, expression, values)
    found: Row = {}
    for feature, table, rows in joined:
        found.update(_joined(feature, table, rows, values, at))
    for name, expression in pipeline.derived:
        if name not in pipeline.early_derived:
            # S7: a derivation reads inputs and the outputs of other features.
            values[name] = _derive(pipeline, expression, {**values, **found})
        found[name] = values[name]
    return found


def _joined(feature: Feature, table: Table, rows: list[Row], values: Row, at: datetime | None) -> Row:
    if isinstance(feature, Lookup):
        return _lookup(feature, rows, values, at)
    assert at is not None  # the declaration refuses the others for examples without time
    if isinstance(feature, Latest):
        return _latest(feature, table, rows, values, at)
    if isinstance(feature, Since):
        return _since(feature, table, rows, values, at)
    if isinstance(feature, TimeSince):
        return _since(feature, table, rows, values, at)  # S11a: of the rows for which `where` is true
    assert isinstance(feature, Window)
    return _window(feature, table, rows, values, at)


def _joins(row: Row, on: On | None, values: Row) -> bool:
    for own, theirs in join_keys(on).items():  # S8: names may differ, keys may be composite; none: all rows
        if values[own] is None or row[theirs] is None:  # S8: null never joins
            return False
        if values[own] != row[theirs]:
            return False
    return True


def _usable(row: Row, at: datetime) -> bool:
    # Choice: the example's own row is treated like any other (S3), also where it was known before `at`.
    if row["_usable_at"] is None:  # S2: null known_at is never known
        return False
    if not row["_usable_at"] < at:  # S4: strictly before; S5: `_usable_at` is known_at up to the next refresh
        return False
    # S6: a correction is a new version; the old one counts until the new one does.
    return row["_superseded_at"] is None or row["_superseded_at"] >= at


def _rows_that_count(pipeline: ModelPipeline, feature: Feature, rows: list[Row]) -> list[Row]:
    if not isinstance(feature, Window | TimeSince) or feature.where is None:
        return rows
    # S9, S11a: `where=` filters rows by their own columns. Choice: null is not true.
    columns = pipeline.table(feature.table).columns
    return [row for row in rows if _evaluate(feature.where, row, columns) is True]


def _lookup(feature: Lookup, rows: list[Row], values: Row, at: datetime | None) -> Row:
    versions = [row for row in rows if _joins(row, feature.on, values)]
    chosen, status = None, "unknown"  # S8: an unknown key: every value is null
    if at is None:
        # Choice: examples without time see the table as it stands.
        for row in versions:
            if row["_superseded_at"] is None and (chosen is None or _age(row) > _age(chosen)):
                chosen, status = row, "ok"
    elif versions and all(row["_arrival"] > at for row in versions):
        # S12: before the first arrival it sees the first version, marked. Choice: the key's first arrival.
        chosen, status = min(versions, key=_age), "assumed"
    else:
        for row in versions:
            if row["_arrival"] > at:  # S12: what had arrived by `at`. Choice: inclusive, and whatever `refresh` says.
                continue
            if row["_superseded_at"] is not None and row["_superseded_at"] <= at:  # S12: replaced or dropped by then
                continue
            if chosen is None or _age(row) > _age(chosen):
                chosen, status = row, "ok"
    prefix = feature.as_ or feature.table
    return {**_taken(feature, chosen), f"{prefix}__status": status}


def _age(row: Row) -> tuple[Any, ...]:
    return (row["_arrival"], row["_path"], row["_row"])


def _taken(feature: Lookup | Latest, row: Row | None) -> Row:
    # S10: a null in the row found stays null.
    taken = zip(feature.outputs, feature.take, strict=True)
    return {output: None if row is None else row[column] for output, column in taken}


def _latest_row(on: On | None, table: Table, rows: list[Row], values: Row, at: datetime, until: datetime) -> Row | None:
    """The usable row with that key and event_time <= `until` that comes last."""
    assert table.event_time is not None

    def order(row: Row) -> tuple[Any, ...]:
        # S10: the greatest event_time, then known_at, then arrival, then key.
        # Choice: a key is compared column by column in the contract's order, texts by code point;
        # tables without a key go on with the file's path and the row.
        key = tuple(row[column] for column in table.key)
        return (row[table.event_time], row["_known_at"], row["_arrival"], key, row["_path"], row["_row"])

    best = None
    for row in rows:
        if not _joins(row, on, values) or not _usable(row, at):  # S4: known by `at`, whatever the offset
            continue
        if row[table.event_time] > until:  # S10: event_time <= at - offset
            continue
        if best is None or order(row) > order(best):
            best = row
    return best


def _latest(feature: Latest, table: Table, rows: list[Row], values: Row, at: datetime) -> Row:
    assert table.event_time is not None
    until = at - _span(feature.offset) if feature.offset else at  # S10: offset defaults to 0
    row, status = _latest_row(feature.on, table, rows, values, at, until), "ok"
    if row is None:
        status = "unknown"  # S8: every value is null
    elif feature.max_age and until - row[table.event_time] > _span(feature.max_age):
        # S10: max_age is inclusive, counted back from at - offset: just that old is still good.
        row, status = None, "stale"
    return {**_taken(feature, row), f"{feature.prefix}__status": status}


def _since(feature: Since | TimeSince, table: Table, rows: list[Row], values: Row, at: datetime) -> Row:
    # S11. Choice: "latest" as in S10, so a row known ahead of its event_time counts from that time on.
    row = _latest_row(feature.on, table, rows, values, at, until=at)
    if row is None:
        return {feature.outputs[0]: None}  # S11: none: null
    assert table.event_time is not None
    elapsed = (at - row[table.event_time]) // timedelta(microseconds=1)
    return {feature.outputs[0]: _double(Fraction(elapsed, 1_000_000))}


def _window(feature: Window, table: Table, rows: list[Row], values: Row, at: datetime) -> Row:
    clock = "_known_at" if feature.clock == "known_at" else table.event_time
    assert clock is not None
    found: Row = {}
    for span in feature.over:
        inside = []
        for row in rows:
            if not _joins(row, feature.by, values) or not _usable(row, at):  # S9: by S4 and S5, on either clock
                continue
            if at - _span(span) <= row[clock] < at:  # S9: at - over <= clock < at
                inside.append(row)
        for agg in feature.agg:
            found[feature.output(agg, span)] = _aggregate(feature, agg, inside)
    return found


def _aggregate(feature: Window, agg: str, rows: list[Row]) -> int | float | None:
    if feature.of is None:  # S9: of=None counts rows
        return len(rows)
    # S9: nulls of `of` are ignored, and NaN is one.
    numbers = [row[feature.of] for row in rows if row[feature.of] is not None and row[feature.of] == row[feature.of]]
    if agg == "count":
        return len(numbers)
    if agg == "n_unique":  # S9: how many different ones; empty: 0. Choice: -0.0 is 0.0.
        return len(set(numbers))
    if agg != "sum" and not numbers:  # S9: empty: count 0, sum 0, the rest null
        return None
    # Choice: least and greatest are the values themselves, not their multiples; -0.0 is 0.0.
    if agg == "min":
        return min(float(number) for number in numbers) + 0.0
    if agg == "max":
        return max(float(number) for number in numbers) + 0.0
    # S13: whole multiples of the resolution. Choice: the resolution is the decimal number that was written.
    multiples = [whole_multiples(number, feature.resolution) for number in numbers]
    unit, count, total = Fraction(repr(feature.resolution)), len(multiples), sum(multiples)
    if agg == "sum":
        # Choice: a key that no row has is an empty window too (S9: 0), not S8's "every other value null".
        return _double(total * unit)
    if agg == "mean":
        return _double(total * unit / count)
    assert agg == "std"
    if count < 2:  # S9: the sample one, null under two values
        return None
    squares = sum(multiple * multiple for multiple in multiples)
    variance = (squares - Fraction(total * total, count)) / (count - 1) * unit * unit
    return math.sqrt(_double(variance))


def whole_multiples(value: float, resolution: float) -> int:
    """S13: `value` in whole multiples of `resolution`, half to even.

    Choice: the quotient is that of two doubles, as every engine divides them.
    """
    return round(float(value) / resolution)


def _double(value: Fraction) -> float:
    """The double nearest to `value`, half to even: Python divides two integers with one rounding."""
    return value.numerator / value.denominator


def _derive(pipeline: ModelPipeline, expression: pl.Expr, values: Row) -> Any:
    types = {**pipeline.row_schema, **pipeline.feature_schema}
    return _evaluate(expression, values, {name: types[name] for name in types if name in values})


def _evaluate(expression: pl.Expr, row: Row, schema: dict[str, pl.DataType]) -> Any:
    return naive(to_portable(expression, "naive"), row, schema)


def _span(text: str) -> timedelta:
    return timedelta(microseconds=microseconds(text))
