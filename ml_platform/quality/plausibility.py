"""Whether the values of a partition can be right, by bounds that the table declares: no history is needed."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from ml_platform.lake.connection import Lake
from ml_platform.lake.pruning import rows_of
from ml_platform.naming import counted, quoted
from ml_platform.quality.check_result import CheckResult
from ml_platform.spec.expression_rules import computed
from ml_platform.spec.expressions import columns_read, to_portable
from ml_platform.spec.plausibility import Plausible
from ml_platform.spec.tables import Table

_EXAMPLES = 5  # rows that a check names
_VALUE = "_value"  # no column of a contract begins with _


def check_names(table: Table) -> list[tuple[str, str]]:
    """(name, description) of every check that `run_checks` reports."""
    return [
        (rule.check_name, f"At most {rule.at_most:.2%} of the rows have {rule.name} outside {rule.bounds}.")
        for rule in table.plausible
    ]


def run_checks(lake: Lake, table: Table, partition: str) -> list[CheckResult]:
    """Every check of `check_names`, in its order, on the partition's current rows. They are read in batches."""
    if not table.plausible:
        return []
    by_batch = [
        [_counted(rule, rows, table.key) for rule in table.plausible] for rows in _batches(lake, table, partition)
    ]
    return [_result(rule, counted, table.key) for rule, *counted in zip(table.plausible, *by_batch, strict=True)]


def judged(rule: Plausible, rows: pl.DataFrame, key: Sequence[str] = ()) -> CheckResult:
    """The result of one rule on rows that have the columns of its value and the key."""
    return _result(rule, [_counted(rule, rows, key)], key)


@dataclass(frozen=True)
class _Counted:
    """What a rule counts in a batch of rows, and the rows outside with the lowest and the highest values."""

    rows: int
    seen: int
    outside: int
    range: pl.DataFrame
    lowest: pl.DataFrame
    highest: pl.DataFrame


def _counted(rule: Plausible, rows: pl.DataFrame, key: Sequence[str]) -> _Counted:
    seen = rows.select(*key, _value(rule, rows.schema).alias(_VALUE)).filter(pl.col(_VALUE).is_not_null())
    low = pl.lit(value=True) if rule.low is None else pl.col(_VALUE) >= rule.low
    high = pl.lit(value=True) if rule.high is None else pl.col(_VALUE) <= rule.high
    outside = seen.filter(~(low & high))
    some = outside.sort(_VALUE, *key)
    between = seen.select(low=pl.col(_VALUE).min(), high=pl.col(_VALUE).max())
    return _Counted(rows.height, seen.height, outside.height, between, some.head(_EXAMPLES), some.tail(_EXAMPLES))


def _result(rule: Plausible, batches: Sequence[_Counted], key: Sequence[str]) -> CheckResult:
    rows, seen = sum(batch.rows for batch in batches), sum(batch.seen for batch in batches)
    outside = sum(batch.outside for batch in batches)
    share = outside / seen if seen else 0.0
    lowest = pl.concat([batch.lowest for batch in batches]).sort(_VALUE, *key).head(_EXAMPLES)
    highest = pl.concat([batch.highest for batch in batches]).sort(_VALUE, *key).tail(_EXAMPLES)
    ends = pl.concat([lowest, highest]).unique(maintain_order=True)
    between = pl.concat([batch.range for batch in batches])
    meta: dict[str, Any] = {
        "bounds": rule.bounds,
        "rows judged": seen,
        "rows without a value": rows - seen,
        "lowest": between["low"].min(),
        "highest": between["high"].max(),
        "examples": [{name.removeprefix("_"): str(cell) for name, cell in row.items()} for row in ends.to_dicts()],
    }
    description = f"No row has a value of {rule.name}."
    if seen:
        description = (
            f"{outside:,} of {counted(seen, 'row')} ({share:.2%}) have {rule.name} outside {rule.bounds}; "
            f"at most {rule.at_most:.2%} may. The values are {meta['lowest']:,.6g} to {meta['highest']:,.6g}."
        )
    return CheckResult(rule.check_name, share <= rule.at_most, rule.severity, share, rule.at_most, description, meta)


def _value(rule: Plausible, columns: Mapping[str, pl.DataType]) -> pl.Expr:
    """The value by the rules of expressions (S13). One that does not fit its type lies outside."""
    operand = computed(to_portable(rule.value, rule.check_name), columns)
    value = operand.value.cast(pl.Float64).fill_nan(None)
    beyond = math.inf if rule.high is not None else -math.inf
    return value if operand.fault is None else pl.when(operand.fault).then(beyond).otherwise(value)


def _batches(lake: Lake, table: Table, partition: str) -> Iterator[pl.DataFrame]:
    """The current rows of the partition, with the key and the columns that the rules read; at least one batch."""
    read = [columns_read(to_portable(rule.value, rule.check_name)) for rule in table.plausible]
    names = dict.fromkeys([*table.key, *sorted(set().union(*read))])
    listed = ", ".join(map(quoted, names))
    reader = lake.stream(
        f"SELECT {listed} FROM {rows_of(lake, 'validated', table.name, partition)} WHERE _superseded_at IS NULL"
    )
    yield pl.DataFrame(reader.schema.empty_table())
    for batch in reader:
        yield pl.DataFrame(batch)
