"""Whether the values of a partition can be right, by bounds that the table declares: no history is needed."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from ml_platform.lake.connection import Lake
from ml_platform.naming import quoted
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
    """Every check of `check_names`, in its order, on the partition's current rows."""
    if not table.plausible:
        return []
    rows = _rows(lake, table, partition)
    return [judged(rule, rows, table.key) for rule in table.plausible]


def judged(rule: Plausible, rows: pl.DataFrame, key: Sequence[str] = ()) -> CheckResult:
    """The result of one rule on rows that have the columns of its value and the key."""
    seen = rows.select(*key, _value(rule, rows.schema).alias(_VALUE)).filter(pl.col(_VALUE).is_not_null())
    low = pl.lit(value=True) if rule.low is None else pl.col(_VALUE) >= rule.low
    high = pl.lit(value=True) if rule.high is None else pl.col(_VALUE) <= rule.high
    outside = seen.filter(~(low & high))
    share = outside.height / seen.height if seen.height else 0.0
    some = outside.sort(_VALUE, *key, maintain_order=True)
    ends = pl.concat([some.head(_EXAMPLES), some.tail(_EXAMPLES)]).unique(maintain_order=True)
    meta: dict[str, Any] = {
        "bounds": rule.bounds,
        "rows judged": seen.height,
        "rows without a value": rows.height - seen.height,
        "lowest": seen[_VALUE].min(),
        "highest": seen[_VALUE].max(),
        "examples": [{name.removeprefix("_"): str(cell) for name, cell in row.items()} for row in ends.to_dicts()],
    }
    description = f"No row has a value of {rule.name}."
    if seen.height:
        description = (
            f"{outside.height:,} of {seen.height:,} rows ({share:.2%}) have {rule.name} outside {rule.bounds}; "
            f"at most {rule.at_most:.2%} may. The values are {meta['lowest']:,.6g} to {meta['highest']:,.6g}."
        )
    return CheckResult(rule.check_name, share <= rule.at_most, rule.severity, share, rule.at_most, description, meta)


def _value(rule: Plausible, columns: Mapping[str, pl.DataType]) -> pl.Expr:
    """The value by the rules of expressions (S13). One that does not fit its type lies outside."""
    operand = computed(to_portable(rule.value, rule.check_name), columns)
    value = operand.value.cast(pl.Float64).fill_nan(None)
    beyond = math.inf if rule.high is not None else -math.inf
    return value if operand.fault is None else pl.when(operand.fault).then(beyond).otherwise(value)


def _rows(lake: Lake, table: Table, partition: str) -> pl.DataFrame:
    """The current rows of the partition, with the key and the columns that the rules read."""
    read = [columns_read(to_portable(rule.value, rule.check_name)) for rule in table.plausible]
    names = dict.fromkeys([*table.key, *sorted(set().union(*read))])
    listed = ", ".join(map(quoted, names))
    return lake.frame(
        f"SELECT {listed} FROM validated.{quoted(table.name)} WHERE _partition = ? AND _superseded_at IS NULL "
        "ORDER BY _file, _row",
        [partition],
    )
