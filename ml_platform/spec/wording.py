"""Features in words: what a column holds, and which columns of the tables it is made of."""

from collections.abc import Mapping
from typing import Any

from ml_platform.spec.durations import microseconds
from ml_platform.spec.expressions import columns_read, to_portable
from ml_platform.spec.features import Derived, Feature, Latest, Lookup, On, Since, Window, join_keys
from ml_platform.spec.pipeline import ModelPipeline

Column = tuple[str, str]  # table, column

_INFIX = {
    "add": "+",
    "subtract": "-",
    "multiply": "×",
    "divide": "/",
    "floor_divide": "//",
    "modulo": "modulo",
    "eq": "=",
    "ne": "≠",
    "eq_missing": "=",
    "ne_missing": "≠",
    "lt": "<",
    "le": "≤",
    "gt": ">",
    "ge": "≥",
    "and": "and",
    "or": "or",
    "xor": "or else",
    "pow": "to the power",
    "is_in": "is one of",
    "starts_with": "starts with",
    "ends_with": "ends with",
    "contains": "contains",
}
_PREFIX = {
    **{name: f"{name} of " for name in ("year", "month", "day", "hour", "minute", "week", "quarter", "date")},
    "weekday": "weekday (Monday is 1) of ",
    "ordinal_day": "day of the year of ",
    "total_days": "days of ",
    "total_hours": "hours of ",
    "total_minutes": "minutes of ",
    "total_seconds": "seconds of ",
    "negate": "minus ",
    "not": "not ",
    "len_chars": "length of ",
    "lowercase": "lower case of ",
    "uppercase": "upper case of ",
    "sqrt": "square root of ",
    "exp": "e to the ",
    "abs": "size of ",
    "sign": "sign of ",
    "floor": "rounded down ",
    "ceil": "rounded up ",
    "round": "rounded ",
    "log": "logarithm of ",
    "log1p": "logarithm of 1 + ",
    "sin": "sine of ",
    "cos": "cosine of ",
    "strip_chars": "trimmed ",
    "slice": "part of ",
}
_LISTED = {
    "least": "least of ",
    "greatest": "greatest of ",
    "sum_horizontal": "sum of ",
    "coalesce": "first known of ",
    "concat_str": "joined ",
    "fill_null": "first known of ",
}
_SUFFIX = {"is_null": "is missing", "is_not_null": "is there", "is_nan": "is not a number", "is_finite": "is finite"}
_AGGREGATES = {
    "mean": "mean",
    "sum": "sum",
    "std": "standard deviation",
    "min": "least",
    "max": "greatest",
    "n_unique": "number of different values",
}
_UNITS = {"w": "week", "d": "day", "h": "hour", "m": "minute", "s": "second"}


def in_words(pipeline: ModelPipeline) -> dict[str, str]:
    """What each column of the feature table holds: the example's own columns, then every feature."""
    examples = pipeline.examples
    told = {name: about for name, about in contract_words(pipeline, examples.table).items()}
    found = {name: told.get(name, "") or f"{name} of the example" for name in pipeline.row_schema}
    for name in examples.keys:
        found[name] = f"{found[name]}; names the example"
    if examples.at:
        found[examples.at] = f"{found[examples.at]}; the prediction time"
    for name in examples.exclude:
        found[name] = f"{found[name]}; no feature by itself"
    for feature in pipeline.features:
        found |= _feature(pipeline, feature)
    return found


def contract_words(pipeline: ModelPipeline, table: str) -> dict[str, str]:
    """The descriptions in a table's contract; columns without one are left out."""
    columns = pipeline.table(table).contract.columns()
    return {name: column.description for name, column in columns.items() if column.description}


def made_of(pipeline: ModelPipeline) -> dict[str, list[Column]]:
    """The columns of validated tables that each column of the feature table is made of, keys and clocks included."""
    examples = pipeline.examples
    found: dict[str, list[Column]] = {name: [(examples.table, name)] for name in pipeline.row_schema}

    def derive(early: bool) -> None:
        for name, expression in pipeline.derived:
            if (name in pipeline.early_derived) == early:
                read = sorted(columns_read(to_portable(expression, name)))
                found[name] = [column for own in read for column in found[own]]

    derive(early=True)  # these may be keys of joins
    for feature in pipeline.features:
        if not isinstance(feature, Derived):
            found |= _joined_columns(pipeline, feature, found)
    derive(early=False)
    return {name: list(dict.fromkeys(columns)) for name, columns in found.items()}


def span_in_words(span: str) -> str:
    """`3h` as "3 hours"."""
    microseconds(span)
    number, unit = int(span[:-1]), _UNITS[span[-1]]
    return f"{number} {unit}" + ("s" if number > 1 else "")


def expression_in_words(node: Mapping[str, Any]) -> str:
    """A portable expression (`to_portable`) as people would say it."""
    match node:
        case {"column": name}:
            return str(name)
        case {"value": None}:
            return "nothing"
        case {"value": bool() as value}:
            return str(value).lower()
        case {"value": str() as value}:
            return f'"{value}"'
        case {"value": value}:
            return f"{value:g}" if isinstance(value, float) else str(value)
        case {"values": values}:
            return ", ".join(expression_in_words({"value": value}) for value in values)
        case {"duration_us": micros}:
            return _duration(int(micros))
        case {"datetime": text} | {"date": text}:
            return str(text)
        case {"alias": _, "of": inner}:
            return expression_in_words(inner)
    return _operation(node["op"], list(node["inputs"]), node)


def _operation(op: str, inputs: list[Mapping[str, Any]], node: Mapping[str, Any]) -> str:
    options = node.get("options", {})
    if op == "when":
        condition, then, otherwise = (expression_in_words(each) for each in inputs)
        return f"if {condition} then {then}, else {otherwise}"
    if op == "cast":
        return expression_in_words(inputs[0])
    if op == "convert_time_zone":
        return f"{_operand(inputs[0])} in {options['inner']}"
    if op == "is_between":
        return f"{_operand(inputs[0])} between {_operand(inputs[1])} and {_operand(inputs[2])}"
    if op == "clip":
        return f"{_operand(inputs[0])} kept within {' to '.join(_operand(each) for each in inputs[1:])}"
    if op in _INFIX:
        return f" {_INFIX[op]} ".join(_operand(each) for each in inputs)
    if op in _LISTED:
        return _LISTED[op] + ", ".join(_operand(each) for each in inputs)
    if op in _SUFFIX:
        return f"{_operand(inputs[0])} {_SUFFIX[op]}"
    if op in _PREFIX:
        return _PREFIX[op] + _operand(inputs[0])
    return f"{op.replace('_', ' ')} of {', '.join(_operand(each) for each in inputs)}"


def _operand(node: Mapping[str, Any]) -> str:
    """Part of an expression, in brackets where it would be read with its neighbours."""
    said = expression_in_words(node)
    return f"({said})" if node.get("op") in _INFIX or node.get("op") == "when" else said


def _duration(micros: int) -> str:
    for letter, unit in (("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000)):
        if micros and micros % unit == 0:
            return span_in_words(f"{micros // unit}{letter}") if micros > 0 else f"-{_duration(-micros)}"
    return f"{micros} µs"


def _feature(pipeline: ModelPipeline, feature: Feature) -> dict[str, str]:
    before = f"before {pipeline.examples.at}" if pipeline.examples.at else "now"
    match feature:
        case Derived():
            return {
                name: f"from the example: {expression_in_words(to_portable(expression, name))}"
                for name, expression in feature.expressions.items()
            }
        case Lookup():
            whose = f"the {feature.table} row with {_same(feature.on)}"
            return {
                output: f"{_column(pipeline, feature.table, column)} of {whose}"
                for output, column in zip(feature.outputs, feature.take, strict=True)
            }
        case Latest():
            whose = f"the latest {feature.table} row" + (f" with {_same(feature.on)}" if feature.on else "")
            whose += f" known {before}"
            if feature.offset:
                whose += f" as of {span_in_words(feature.offset)} earlier"
            if feature.max_age:
                whose += f", at most {span_in_words(feature.max_age)} old"
            return {
                output: f"{_column(pipeline, feature.table, column)} of {whose}"
                for output, column in zip(feature.outputs, feature.take, strict=True)
            }
        case Since():
            whose = f"the latest {feature.table} row" + (f" with {_same(feature.on)}" if feature.on else "")
            return {feature.outputs[0]: f"seconds since {whose} known {before}"}
        case Window():
            return _window(pipeline, feature, before)


def _window(pipeline: ModelPipeline, feature: Window, before: str) -> dict[str, str]:
    rows = f"{feature.table} rows" + (f" with {_same(feature.by)}" if feature.by else "")
    if feature.where is not None:
        rows += f" where {expression_in_words(to_portable(feature.where, 'Window.where'))}"
    found = {}
    for span in feature.over:
        lies = f"known in the last {span_in_words(span).removeprefix('1 ')} {before}"
        if feature.clock == "event_time":
            lies = f"of the last {span_in_words(span).removeprefix('1 ')}, as far as known {before}"
        for agg in feature.agg:
            what = f"{_AGGREGATES[agg]} of {feature.of} over {rows}" if agg != "count" else f"number of {rows}"
            if agg == "count" and feature.of:
                what = f"number of known {feature.of} over {rows}"
            found[feature.output(agg, span)] = f"{what} {lies}"
    return found


def _same(on: On | None) -> str:
    pairs = join_keys(on).items()
    return "the same " + " and ".join(own if own == theirs else f"{theirs} as {own}" for own, theirs in pairs)


def _column(pipeline: ModelPipeline, table: str, column: str) -> str:
    about = contract_words(pipeline, table).get(column)
    return f"{column} ({about})" if about else column


def _joined_columns(
    pipeline: ModelPipeline, feature: Lookup | Latest | Since | Window, known: Mapping[str, list[Column]]
) -> dict[str, list[Column]]:
    table = pipeline.table(feature.table)
    on = join_keys(feature.by if isinstance(feature, Window) else feature.on)
    keys = [(feature.table, theirs) for theirs in on.values()]
    own = [column for mine in on for column in known[mine]]
    clocks = [(feature.table, clock) for clock in (table.event_time, table.known_column) if clock]
    behind: dict[str, list[Column]]
    if isinstance(feature, Lookup | Latest):
        pairs = zip(feature.outputs, feature.take, strict=True)
        behind = {output: [(feature.table, column)] for output, column in pairs}
    elif isinstance(feature, Since):
        behind = {feature.outputs[0]: []}
    else:
        where = columns_read(to_portable(feature.where, "Window.where")) if feature.where is not None else set()
        read = [*([feature.of] if feature.of else []), *sorted(where)]
        behind = {output: [(feature.table, column) for column in read] for output in feature.outputs}
    return {output: [*columns, *keys, *own, *clocks] for output, columns in behind.items()}
