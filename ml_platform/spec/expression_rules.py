"""Expressions as they are computed: portable nodes built for the types of their columns (S13).

Every operation on numbers follows one rule for all widths: whole numbers widen to Int64 and what does not fit is a
fault, fractions are Float64, NaN is null to comparisons and to what asks for missing values, and a division by zero is
null. `ml_platform.spec.expression_numbers` has the arithmetic.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl

from ml_platform.errors import DeclarationError
from ml_platform.spec import expression_numbers as numbers
from ml_platform.spec import expression_operands as operands
from ml_platform.spec.expression_operands import Operand
from ml_platform.spec.expression_vocabulary import BUILD, as_polars_means, literal, type_names
from ml_platform.spec.expressions import columns_read


def computed(node: Mapping[str, Any], columns: Mapping[str, pl.DataType]) -> Operand:
    """A portable expression over columns of those types.

    A node without `rules` was stored before there were any, or has no operation that they change: it means what polars
    means. Raises PolarsError or DeclarationError for what does not fit the types.
    """
    if "rules" not in node:
        return Operand(as_polars_means(node), pl.Unknown())
    return _Builder({name: columns[name] for name in columns_read(dict(node))}).of(node)


class _Builder:
    def __init__(self, columns: Mapping[str, pl.DataType]) -> None:
        self.columns = columns
        self._empty = pl.LazyFrame(schema=columns)

    def of(self, node: Mapping[str, Any]) -> Operand:
        if "column" in node:
            return operands.read(node["column"], self.columns[node["column"]])
        if "alias" in node:
            return self.of(node["of"])
        if "op" not in node:
            return operands.constant(node["value"]) if "value" in node else self._typed(literal(node))
        op, options = node["op"], node.get("options", {})
        if op == "is_in":
            return _is_in(self.of(node["inputs"][0]), node["inputs"][1]["values"], options)
        if op == "pow":
            return self._power(node)
        inputs = [self.of(item) for item in node["inputs"]]
        if op == "cast":
            return _cast(inputs[0], type_names[node["to"]](), node["strict"])
        if op == "log":
            return self._plain(lambda a: a.log(node["inputs"][1]["value"]), [operands.fraction(inputs[0])])
        if op in _RULES:
            return _RULES[op](*inputs, **options)
        if op in _FRACTIONS:
            return self._plain(BUILD[op], [operands.fraction(item) for item in inputs], options)
        if op in _BITS and any(item.whole for item in inputs):
            return _bits(op, inputs)
        return self._plain(BUILD[op], inputs, options)

    def _plain(
        self, build: Callable[..., pl.Expr], inputs: Sequence[Operand], options: Mapping[str, Any] | None = None
    ) -> Operand:
        """An operation of polars that needs no rule."""
        built = self._typed(build(*(item.value for item in inputs), **(options or {})))
        return built.after(*inputs)

    def _typed(self, expression: pl.Expr) -> Operand:
        return Operand(expression, self._empty.select(expression.alias("value")).collect_schema()["value"])

    def _power(self, node: Mapping[str, Any]) -> Operand:
        base, exponent = node["inputs"]
        value = exponent.get("value")
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return numbers.whole_power(self.of(base), value)
        return numbers.power(self.of(base), self.of(exponent))


def _when(condition: Operand, then: Operand, otherwise: Operand) -> Operand:
    a, b = operands.unified([then, otherwise])
    chosen = operands.merged([a, b], lambda x, y: pl.when(condition.value).then(x).otherwise(y))
    faults = [condition.fault]
    if a.fault is not None or b.fault is not None:  # a branch that is not taken has no fault
        never = pl.lit(False)
        faults.append(pl.when(condition.value).then(_or(a.fault, never)).otherwise(_or(b.fault, never)))
    return operands.with_faults(chosen, faults)


def _coalesce(*parts: Operand) -> Operand:
    inputs = operands.unified([operands.without_nan(part) for part in parts])
    chosen = operands.merged(inputs, pl.coalesce)
    missing, faults = pl.lit(True), []
    for item in inputs:  # what comes after a known value has no fault
        if item.fault is not None:
            faults.append(missing & item.fault)
        missing = missing & item.value.is_null()
    return operands.with_faults(chosen, faults)


def _least(*parts: Operand) -> Operand:
    inputs = operands.unified([operands.without_nan(part) for part in parts])
    return operands.merged(inputs, pl.min_horizontal).after(*inputs)


def _greatest(*parts: Operand) -> Operand:
    inputs = operands.unified([operands.without_nan(part) for part in parts])
    return operands.merged(inputs, pl.max_horizontal).after(*inputs)


def _clip(value: Operand, *bounds: Operand, has_min: bool, has_max: bool) -> Operand:
    inputs = operands.unified([value, *(operands.without_nan(bound) for bound in bounds)])
    clipped = operands.merged(inputs, lambda *parts: BUILD["clip"](*parts, has_min=has_min, has_max=has_max))
    return clipped.after(*inputs)


def _compared(build: Callable[[pl.Expr, pl.Expr], pl.Expr]) -> Callable[[Operand, Operand], Operand]:
    def compare(a: Operand, b: Operand) -> Operand:
        x, y = operands.unified([operands.without_nan(a), operands.without_nan(b)])
        return Operand(build(x.value, y.value), pl.Boolean()).after(a, b)

    return compare


def _is_between(value: Operand, low: Operand, high: Operand, closed: str) -> Operand:
    above = _RULES["ge" if closed in ("Both", "Left") else "gt"](value, low)
    below = _RULES["le" if closed in ("Both", "Right") else "lt"](value, high)
    return Operand(above.value & below.value, pl.Boolean()).after(above, below)


def _is_in(value: Operand, listed: Sequence[Any], options: Mapping[str, Any]) -> Operand:
    """Only values that the type of the column can hold may be equal to one of its values."""
    there = operands.without_nan(value)
    if there.whole:
        values = [_as_whole(item) for item in listed if _is_number(item) and item == item]
        low, high = there.bounds
        fitting: list[Any] = [item for item in values if item is not None and low <= item <= high]
    elif there.fractional:
        fitting = [float(item) for item in listed if _is_number(item) and item == item]
    else:
        fitting = [item for item in listed if item is not None]
    fitting += [None] if None in listed else []
    collection = pl.lit(pl.Series(fitting, dtype=there.dtype)).implode() if value.numeric else fitting
    return Operand(there.value.is_in(collection, **options), pl.Boolean()).after(value)


def _is_number(item: Any) -> bool:
    return isinstance(item, int | float)


def _as_whole(item: float) -> int | None:
    return int(item) if isinstance(item, int) or item.is_integer() else None


def _cast(value: Operand, dtype: pl.DataType, strict: bool) -> Operand:
    before = value if dtype.is_float() or dtype == pl.String else operands.without_nan(value)
    after = before.value.cast(dtype, strict=False)
    fault = after.is_null() & before.value.is_not_null() if strict else None
    return operands.with_faults(Operand(after, dtype), [value.fault, fault])


def _missing(value: Operand) -> Operand:
    return Operand(operands.without_nan(value).value.is_null(), pl.Boolean()).after(value)


def _present(value: Operand) -> Operand:
    return Operand(operands.without_nan(value).value.is_not_null(), pl.Boolean()).after(value)


def _rounded(op: str) -> Callable[..., Operand]:
    def round_(value: Operand, **options: Any) -> Operand:
        if value.whole:
            return operands.narrowed(value)
        a = operands.fraction(value)
        return Operand(BUILD[op](a.value, **options), pl.Float64()).after(a)

    return round_


def _bits(op: str, inputs: Sequence[Operand]) -> Operand:
    if op == "not":
        raise DeclarationError("~ of a whole number", "has no rule", remedy="Write -x - 1, or compare it first.")
    wide = [operands.narrowed(item) for item in inputs]
    return Operand(BUILD[op](*(item.value for item in wide)), pl.Int64()).after(*wide)


def _or(fault: pl.Expr | None, otherwise: pl.Expr) -> pl.Expr:
    return otherwise if fault is None else fault


_BITS = frozenset({"and", "or", "xor", "not"})
_FRACTIONS = frozenset({"sqrt", "exp", "log1p", "sin", "cos"})
_RULES: dict[str, Callable[..., Operand]] = {
    "add": numbers.add,
    "subtract": numbers.subtract,
    "multiply": numbers.multiply,
    "divide": numbers.divide,
    "floor_divide": numbers.floor_divide,
    "modulo": numbers.modulo,
    "negate": numbers.negate,
    "abs": numbers.absolute,
    "sign": numbers.sign,
    "sum_horizontal": numbers.sum_horizontal,
    **{name: _rounded(name) for name in ("floor", "ceil", "round")},
    **{name: _compared(BUILD[name]) for name in ("eq", "ne", "eq_missing", "ne_missing", "lt", "le", "gt", "ge")},
    "is_between": _is_between,
    "is_null": _missing,
    "is_not_null": _present,
    "when": _when,
    "coalesce": _coalesce,
    "fill_null": _coalesce,
    "least": _least,
    "greatest": _greatest,
    "clip": _clip,
}
