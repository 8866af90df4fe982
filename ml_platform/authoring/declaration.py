"""Writes a draft as a Python module: contract, table and pipeline, with comments on its assumptions."""

import math

from ml_platform.authoring import contract
from ml_platform.authoring.draft import Draft
from ml_platform.authoring.identifiers import unused
from ml_platform.authoring.opened import KNOWN
from ml_platform.authoring.python import call, commented, docstring
from ml_platform.authoring.uses import Use

_WORDS = (
    "AtLeast", "AtMost", "Derived", "Examples", "Files", "Latency", "LightGBM", "ModelPipeline", "Monthly",
    "NoWorseThanChampion", "Retrain", "Size", "Split", "Table",
)  # fmt: skip
_LONG_CATEGORY = 40  # characters of a category that stands in a constant of its own
_FEW_ROWS, _FEW_OF_A_CLASS = 2000, 300  # with fewer, small trees
_FLOORS = {
    "binary": "A constant prediction has a ROC AUC of 0.5. Raise the floor once you know what is possible.",
    "multiclass": "Always predicting the shares of the classes has a log loss of {constant:.3f}. Lower it later.",
    "regression": "Always predicting the mean has an R² of 0. Raise the floor once you know what is possible.",
}


def declaration(draft: Draft) -> str:
    """The text of a module that loads as it is. `formatting.formatted` removes its unused imports."""
    summary = (
        f"Predicts {draft.roles.target.clean} of a row of {draft.opened.path}. A first draft by "
        "`ml-platform new`: check its guesses."
    )
    parts = [
        docstring(summary),
        "import dataframely as dy\nimport polars as pl",
        f"from ml_platform import {', '.join(_WORDS)}",
        contract.names(draft),
        contract.contract(draft),
        contract.clean(draft),
        "\n".join([*_constants(draft), _table(draft)]),
        _pipeline(draft),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _constants(draft: Draft) -> list[str]:
    constants = []
    if isinstance(draft.roles.positive, str) and len(draft.roles.positive) > _LONG_CATEGORY:
        constants.append(f"POSITIVE = {draft.roles.positive!r}")
    if draft.zone != "UTC" and draft.roles.at is not None:
        at = call("pl.col", repr(draft.roles.at.clean))
        constants.append(f"local_time = {at}.dt.convert_time_zone({draft.zone!r})")
    return constants


def pattern(draft: Draft) -> str:
    """The source of the table's files in the landing folder."""
    return f"{draft.table}/*{draft.opened.suffix}"


def _table(draft: Draft) -> str:
    files = {}
    suffix = draft.opened.suffix.removesuffix(".gz").removesuffix(".zip")
    if suffix not in KNOWN:
        files["format"] = repr("csv")
    if draft.column_nulls:
        files["column_nulls"] = repr(draft.column_nulls)
    if draft.opened.separator != ",":
        files["separator"] = repr(draft.opened.separator)
    if draft.opened.encoding is not None:
        files["encoding"] = repr(draft.opened.encoding)
    arguments = [repr(draft.table), call("Files", repr(pattern(draft)), **files), f"contract={draft.contract}"]
    if contract.clean(draft):
        arguments.append(f"clean=clean_{draft.table}")
    at = draft.roles.at
    if at is not None:
        remark = (
            f"The file does not say when {draft.roles.target.clean} became known, so it counts as known at its own "
            f"{at.clean}. If it is known later (a landing, a payment, an end of term), add the column that says "
            "when and name it with known_at=, or training uses labels before they were known."
        )
        arguments.append(commented(f"event_time={at.clean!r}", remark))
    if draft.naive:
        arguments.append(commented(f"time_zone={draft.zone!r}", "The file names no offset from UTC."))
    arguments.append(f"description={f'Rows as in {draft.opened.path[:60]}'!r}")
    return f"{draft.table} = {call('Table', *arguments)}"


def _pipeline(draft: Draft) -> str:
    parts, roles = draft.parts, draft.roles
    arguments = [f"name={draft.name!r}", f"description={f'Predicts {roles.target.clean} of a row of {draft.table}'!r}"]
    if parts.since is not None:
        months = {"since": repr(parts.since)} | ({"until": repr(parts.until)} if parts.until else {})
        remark = "The file ends long ago. Without until=, later months would count as missing."
        arguments.append(commented(f"partitions={call('Monthly', **months)}", remark if parts.until else ""))
    remark = "Do not train on fewer examples, such as those of a truncated file."
    if parts.since is not None:
        remark = "Do not train before the parts of the split have enough rows for reliable metrics."
    least = f"{parts.min_examples:_}" if parts.min_examples >= 10_000 else str(parts.min_examples)
    arguments += [
        f"tables=[{draft.table}]",
        f"examples={_examples(draft)}",
        f"features={_features(draft)}",
        f"trainer={_trainer(draft)}",
        _split(draft),
        f"gates=[{', '.join(_gates(draft))}]",
        commented(f"retrain={call('Retrain', min_examples=least)}", remark),
    ]
    return f"{draft.name} = {call('ModelPipeline', *arguments)}"


def _split(draft: Draft) -> str:
    spans = {"validation": repr(draft.parts.validation), "holdout": repr(draft.parts.holdout)}
    if not draft.untimed:
        return f"split={call('Split', **spans)}"
    remark = f"At random and not by time, because {draft.untimed}."
    if draft.group is not None:
        spans["group"] = repr(draft.group.clean)
        remark += f" All rows of one {draft.group.clean} stay in one part."
    return commented(f"split={call('Split', **spans)}", remark)


def _gates(draft: Draft) -> list[str]:
    roles = draft.roles
    floor = {
        "binary": 'AtLeast("roc_auc", 0.55)',
        "multiclass": f'AtMost("log_loss", {0.97 * _entropy(draft):.3f})',
        "regression": 'AtLeast("r2", 0.05)',
    }[roles.task]
    return [
        commented(floor, _FLOORS[roles.task].format(constant=_entropy(draft))),
        call("NoWorseThanChampion", repr(roles.floor_metric), tolerance="0.02"),
        call("Latency", p99_ms="20"),
        call("Size", mb="20"),
    ]


def _examples(draft: Draft) -> str:
    key = repr(draft.keys[0] if len(draft.keys) == 1 else list(draft.keys))
    remark = ""
    if draft.row is not None:
        remark = "No column is unique, so the row number is the key. Declare a real key before a second file lands."
    arguments = [repr(draft.table), commented(f"key={key}", remark)]
    if draft.roles.at is not None:
        arguments.append(f"at={draft.roles.at.clean!r}")
    remarks = []
    if doubtful := draft.of("outcome"):
        remarks.append(f"No inputs, because they may be known only later: {_reasons(doubtful)}.")
    if useless := draft.of("excluded"):
        remarks.append(f"No inputs, because nothing can be learnt from them: {_reasons(useless)}.")
    names, hidden = [use.column.clean for use in draft.of("input")], []
    if draft.group is not None:
        names.append(draft.group.clean)
        hidden.append(f"exclude={[draft.group.clean]!r}")
    elif repeated := draft.of("group"):
        remarks.append(f"No inputs: {_reasons(repeated)}.")
    return call("Examples", *arguments, commented(f"inputs={names!r}", *remarks), *hidden, f"label={_label(draft)}")


def _reasons(uses: list[Use]) -> str:
    return "; ".join(f"{use.column.clean} ({use.why})" for use in uses)


def _label(draft: Draft) -> str:
    target, roles = draft.roles.target, draft.roles
    column = call("pl.col", repr(target.clean))
    if roles.task == "multiclass" and target.kind != "text":
        return f"{column}.cast(pl.String)"
    if roles.task != "binary" or target.kind == "boolean":
        return repr(target.clean)
    if isinstance(roles.positive, str) and len(roles.positive) > _LONG_CATEGORY:
        return f"{column} == POSITIVE"
    return f"{column} == {roles.positive!r}"


def _features(draft: Draft) -> str:
    at, taken = draft.roles.at, [column.clean for column in draft.columns]
    if at is None or at.distinct < 2:
        return "[]"
    local = "local_time" if draft.zone != "UTC" else call("pl.col", repr(at.clean))
    parts = {"weekday": "weekday()", "day_of_year": "ordinal_day()"}
    if at.kind == "moment":
        parts = {"hour": "hour()", **parts}
    derived = {unused(f"{at.clean}_{part}", taken): f"{local}.dt.{method}" for part, method in parts.items()}
    return f"[{call('Derived', **derived)}]"


def _trainer(draft: Draft) -> str:
    """The trainer: small trees for few rows, of all or of the rarest class, with early stopping."""
    roles, rows = draft.roles, draft.opened.rows
    rarest = rows if roles.task == "regression" else min(roles.target.category_rows)
    leaves, least = ("7", "5") if rows < _FEW_ROWS or rarest < _FEW_OF_A_CLASS else ("31", "20")
    return call(
        "LightGBM", num_leaves=leaves, learning_rate="0.05", rounds="300", min_data_in_leaf=least, early_stopping="30"
    )


def _entropy(draft: Draft) -> float:
    """The log loss of predicting the shares of the classes, in nats."""
    if draft.roles.task != "multiclass":
        return 0.0
    rows = draft.roles.target.category_rows
    return -sum(count / sum(rows) * math.log(count / sum(rows)) for count in rows)
