"""The rule of expressions (S13) over one row, in Python's own whole numbers, which have no width."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import polars as pl

BITS = {"Int8": 8, "Int16": 16, "Int32": 32, "Int64": 64, "UInt8": 8, "UInt16": 16, "UInt32": 32, "UInt64": 64}
Row = Mapping[str, Any]


class DoesNotFit(Exception):
    """A whole number beyond its type, or a cast without a value."""


def naive(node: Mapping[str, Any], row: Row, columns: Mapping[str, pl.DataType]) -> Any:
    """The value of a portable expression for one row; None is null."""
    return _Naive(row, columns).of(node)


class _Naive:
    def __init__(self, row: Row, columns: Mapping[str, pl.DataType]) -> None:
        self.row, self.columns = row, columns

    def fractional(self, node: Mapping[str, Any]) -> bool:
        """Whether the expression is of Float64, whatever this row's value is."""
        if "column" in node:
            return self.columns[node["column"]].is_float()
        if "op" not in node:
            return isinstance(node.get("value"), float)
        match node["op"]:
            case "divide":
                return True
            case "cast":
                return bool(node["to"].startswith("Float"))
            case "when":
                return any(map(self.fractional, node["inputs"][1:]))
            case "pow":
                return self.fractional(node["inputs"][0])
        return any(map(self.fractional, node["inputs"]))

    def of(self, node: Mapping[str, Any]) -> Any:
        if "column" in node:
            return self.row[node["column"]]
        if "op" not in node:
            return node["value"]
        value = self.operation(node)
        if isinstance(value, bool) or value is None or isinstance(value, str):
            return value
        return float(value) if self.fractional(node) else value if node["op"] == "cast" else _fitting(value, 64, True)

    def operation(self, node: Mapping[str, Any]) -> Any:
        op, inputs = node["op"], node["inputs"]
        match op:  # what leaves some of its inputs aside comes first
            case "when":
                return self.of(inputs[1 if self.of(inputs[0]) is True else 2])
            case "coalesce" | "fill_null":
                return next((value for value in map(self.known, inputs) if value is not None), None)
            case "is_in":
                value = self.known(inputs[0])
                return None if value is None else value in inputs[1]["values"]
            case "least" | "greatest":
                values = [value for value in map(self.known, inputs) if value is not None]
                return (min if op == "least" else max)(values, default=None)
            case "sum_horizontal":
                return sum(value for value in map(self.known, inputs) if value is not None)
            case "eq_missing":
                return self.known(inputs[0]) == self.known(inputs[1])
            case "and" | "or":
                return _kleene(op, *map(self.of, inputs))
            case "is_null" | "is_not_null":
                return (self.known(inputs[0]) is None) == (op == "is_null")
            case "cast":
                return self.cast(node)
        if op in COMPARISONS:
            a, b = self.as_one(list(map(self.known, inputs)), inputs)
            return None if a is None or b is None else COMPARISONS[op](a, b)
        values = self.as_one(list(map(self.of, inputs)), inputs)
        return None if None in values else ARITHMETIC[op](*values)

    def known(self, node: Mapping[str, Any]) -> Any:
        value = self.of(node)
        return None if isinstance(value, float) and math.isnan(value) else value

    def as_one(self, values: list[Any], nodes: list[Mapping[str, Any]]) -> list[Any]:
        if any(map(self.fractional, nodes)):
            return [None if value is None else np.float64(value) for value in values]
        return values

    def cast(self, node: Mapping[str, Any]) -> Any:
        value, to = self.known(node["inputs"][0]), node["to"]
        if value is None:
            return None
        try:
            return _fitting(int(value), BITS[to], to.startswith("I"))
        except (DoesNotFit, OverflowError):
            if node["strict"]:
                raise DoesNotFit from None
            return None


def _fitting(value: Any, bits: int, signed: bool) -> int:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    if not low <= value <= high:
        raise DoesNotFit
    return int(value)


def _kleene(op: str, a: bool | None, b: bool | None) -> bool | None:
    decisive = op == "or"
    if decisive in (a, b):
        return decisive
    return None if a is None or b is None else not decisive


def _divide(a: Any, b: Any) -> Any:
    with np.errstate(all="ignore"):
        return np.float64(a) / np.float64(b) if b != 0 else None


def _floor_divide(a: Any, b: Any) -> Any:
    if b == 0 or isinstance(a, int):
        return None if b == 0 else a // b
    return np.floor(_divide(a, b))


def _modulo(a: Any, b: Any) -> Any:
    if b == 0 or isinstance(a, int):
        return None if b == 0 else a % b
    with np.errstate(all="ignore"):
        return a - b * np.floor(a / b)


def _quiet(operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def computed(a: Any, b: Any) -> Any:
        with np.errstate(all="ignore"):
            return operation(a, b)

    return computed


ARITHMETIC: dict[str, Callable[..., Any]] = {
    "add": _quiet(lambda a, b: a + b),
    "subtract": _quiet(lambda a, b: a - b),
    "multiply": _quiet(lambda a, b: a * b),
    "divide": _divide,
    "floor_divide": _floor_divide,
    "modulo": _modulo,
    "negate": lambda a: -a,
    "abs": abs,
    "pow": lambda a, b: a**b,
    "not": lambda a: not a,
    "hour": lambda a: a.hour,
}
COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "lt": lambda a, b: bool(a < b),
    "le": lambda a, b: bool(a <= b),
    "eq": lambda a, b: bool(a == b),
    "ne": lambda a, b: bool(a != b),
    "gt": lambda a, b: bool(a > b),
    "ge": lambda a, b: bool(a >= b),
}
