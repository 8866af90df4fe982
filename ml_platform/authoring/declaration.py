"""A draft as the text of a Python module: contract, table and pipeline, with comments that say what was assumed."""

import math
from itertools import pairwise

from ml_platform.authoring import contract
from ml_platform.authoring.draft import Draft
from ml_platform.authoring.identifiers import unused
from ml_platform.authoring.python import (
    Bracketed,
    Item,
    Source,
    call,
    comment,
    docstring,
    finished,
    listed,
    text,
    written,
)
from ml_platform.authoring.uses import Use

_LONG_LEVEL = 40  # characters of a level that stands in a constant of its own
_FLOORS = {
    "binary": "A constant prediction has a ROC AUC of 0.5. Raise the floor once you know what is possible.",
    "multiclass": "Always predicting the shares of the classes has a log loss of {constant:.3f}. Lower it later.",
    "regression": "Always predicting the mean has an R² of 0. Raise the floor once you know what is possible.",
}


def declaration(draft: Draft) -> str:
    """The module's text, laid out as this repository's formatter would."""
    body = [
        part
        for part in (
            contract.names(draft),
            contract.contract(draft),
            contract.clean(draft),
            "\n".join([*_constants(draft), _table(draft)]),
            _pipeline(draft),
        )
        if part
    ]
    joined = _spaced(body)
    said = (
        f"What will {draft.roles.target.clean} be, in a row of {draft.opened.path}? A first draft, written by "
        "`ml-platform new`: correct what it guessed."
    )
    return finished(f"{docstring(said)}\n\n{_imports(draft, joined)}\n{joined}")


def _spaced(parts: list[str]) -> str:
    """Two empty lines around classes and functions, one between the rest."""
    text = parts[0] if parts[0].startswith("class") else parts[0].lstrip("\n")
    text = f"\n\n{text}" if parts[0].startswith("class") else f"\n{text}"
    for before, part in pairwise(parts):
        wide = part.startswith(("class ", "def ")) or before.startswith(("class ", "def "))
        text += f"{chr(10) * (3 if wide else 2)}{part}"
    return text


def _imports(draft: Draft, body: str) -> str:
    words = [
        "Examples",
        "Files",
        "LightGBM",
        "ModelPipeline",
        "NoWorseThanChampion",
        "Retrain",
        "Size",
        "Split",
        "Table",
    ]
    words += [word for word in ("AtLeast", "AtMost", "Derived", "Latency", "Monthly") if f"{word}(" in body]
    names = Bracketed("from ml_platform import (", tuple(Item(word) for word in sorted(words)), ")")
    flat = f"from ml_platform import {', '.join(sorted(words))}"
    lines = ["import dataframely as dy", *(["import polars as pl"] if "pl." in body else []), ""]
    within = (
        flat
        if len(flat) <= 120
        else "\n".join([names.opening, *(f"    {item.value}," for item in names.items), names.closing])
    )
    return "\n".join([*lines, within])


def _constants(draft: Draft) -> list[str]:
    found = []
    if isinstance(draft.roles.positive, str) and len(draft.roles.positive) > _LONG_LEVEL:
        found.append(f"POSITIVE = {text(draft.roles.positive)}")
    if draft.zone != "UTC" and draft.roles.at is not None:
        at = f"pl.col({text(draft.roles.at.clean)})"
        found.append(f"local_time = {at}.dt.convert_time_zone({text(draft.zone)})")
    return found


def pattern(draft: Draft) -> str:
    """Where the table's files are, in the landing folder."""
    return f"{draft.table}/*{draft.opened.suffix}"


def _table(draft: Draft) -> str:
    files: dict[str, Source] = {}
    suffix = draft.opened.suffix.removesuffix(".gz").removesuffix(".zip")
    if suffix not in (".csv", ".parquet", ".pq", ".ndjson", ".jsonl"):
        files["format"] = text("csv")
    if draft.tokens:
        files["nulls"] = listed([text(token) for token in draft.tokens])
    if draft.opened.separator != ",":
        files["separator"] = text(draft.opened.separator)
    items = [
        Item(text(draft.table)),
        Item(call("Files", text(pattern(draft)), **files)),
        Item(draft.contract, "contract="),
    ]
    if contract.clean(draft):
        items.append(Item(f"clean_{draft.table}", "clean="))
    at = draft.roles.at
    if at is not None:
        said = (
            f"The file does not say when {draft.roles.target.clean} became known, so it counts as known at its own "
            f"{at.clean}. If it is known later (a landing, a payment, an end of term), add the column that says "
            "when and name it with known_at=, or training sees answers before anybody could."
        )
        items.append(Item(text(at.clean), "event_time=", comment(said, 1)))
    if draft.naive:
        said = "The file names no offset from UTC."
        items.append(Item(text(draft.zone), "time_zone=", comment(said, 1)))
    items.append(Item(text(f"Rows as in {draft.opened.path[:60]}"), "description="))
    return written(Bracketed("Table(", tuple(items)), f"{draft.table} = ")


def _pipeline(draft: Draft) -> str:
    parts, roles = draft.parts, draft.roles
    metric = roles.floor_metric
    items = [
        Item(text(draft.name), "name="),
        Item(text(f"Predicts {roles.target.clean} of a row of {draft.table}"), "description="),
    ]
    if parts.since is not None:
        named = {"since": text(parts.since)} | ({"until": text(parts.until)} if parts.until else {})
        said = "The file ends long ago; without until=, months after it would count as missing." if parts.until else ""
        items.append(Item(call("Monthly", **named), "partitions=", comment(said, 1)))
    items += [
        Item(f"[{draft.table}]", "tables="),
        Item(_examples(draft), "examples="),
        Item(_features(draft), "features="),
        Item(_trainer(draft.opened.rows), "trainer="),
        Item(call("Split", **{k: _part(getattr(parts, k)) for k in ("validation", "holdout")}), "split="),
    ]
    said = _FLOORS[roles.task].format(constant=_entropy(draft))
    floor = {
        "binary": 'AtLeast("roc_auc", 0.55)',
        "multiclass": f'AtMost("log_loss", {0.97 * _entropy(draft):.3f})',
        "regression": 'AtLeast("r2", 0.05)',
    }[roles.task]
    gates = (
        Item(floor, comment=comment(said, 2)),
        Item(call("NoWorseThanChampion", text(metric), tolerance="0.02")),
        Item(call("Latency", p99_ms="20")),
        Item(call("Size", mb="20")),
    )
    items.append(Item(Bracketed("[", gates, "]"), "gates="))
    said = "Nothing is trained on less, such as a file that was cut off."
    if parts.since is not None:
        said = "Nothing is trained before the parts of the split hold enough rows to be believed."
    least = f"{parts.min_examples:_}" if parts.min_examples >= 10_000 else str(parts.min_examples)
    items.append(Item(call("Retrain", min_examples=least), "retrain=", comment(said, 1)))
    return written(Bracketed("ModelPipeline(", tuple(items)), f"{draft.name} = ")


def _examples(draft: Draft) -> Bracketed:
    keys = draft.keys
    key: Source = text(keys[0]) if len(keys) == 1 else listed([text(name) for name in keys])
    said = ""
    if draft.row is not None:
        said = "No column is unique, so the row's number is the key: name a real one before a second file lands."
    items = [Item(text(draft.table)), Item(key, "key=", comment(said, 2))]
    if draft.roles.at is not None:
        items.append(Item(text(draft.roles.at.clean), "at="))
    remarks: list[str] = []
    if doubtful := draft.of("outcome"):
        remarks += comment(f"No inputs, for they may be known only later: {_reasons(doubtful)}.", 2)
    if useless := draft.of("excluded"):
        remarks += comment(f"No inputs, for nothing can be learnt from them: {_reasons(useless)}.", 2)
    inputs = listed([text(use.column.clean) for use in draft.of("input")])
    items += [Item(inputs, "inputs=", tuple(remarks)), Item(_label(draft), "label=")]
    return Bracketed("Examples(", tuple(items))


def _reasons(uses: list[Use]) -> str:
    return "; ".join(f"{use.column.clean} ({use.why})" for use in uses)


def _label(draft: Draft) -> str:
    target, roles = draft.roles.target, draft.roles
    column = f"pl.col({text(target.clean)})"
    if roles.task == "multiclass" and target.kind != "text":
        return f"{column}.cast(pl.String)"
    if roles.task != "binary" or target.kind == "boolean":
        return text(target.clean)
    if isinstance(roles.positive, str):
        return f"{column} == {'POSITIVE' if len(roles.positive) > _LONG_LEVEL else text(roles.positive)}"
    return f"{column} == {roles.positive!r}"


def _features(draft: Draft) -> Bracketed:
    at, taken = draft.roles.at, [column.clean for column in draft.columns]
    if at is None or at.distinct < 2:
        return listed([])
    local = "local_time" if draft.zone != "UTC" else f"pl.col({text(at.clean)})"
    parts = {"weekday": "weekday()", "day_of_year": "ordinal_day()"}
    if at.kind == "moment":
        parts = {"hour": "hour()", **parts}
    named: dict[str, Source] = {unused(f"{at.clean}_{part}", taken): f"{local}.dt.{do}" for part, do in parts.items()}
    return listed([call("Derived", **named)])


def _trainer(rows: int) -> Bracketed:
    """Small trees for few rows; as many as validation still gains from."""
    small = rows < 2000
    leaves, least = ("7", "5") if small else ("31", "20")
    return call(
        "LightGBM", num_leaves=leaves, learning_rate="0.05", rounds="300", min_data_in_leaf=least, early_stopping="30"
    )


def _part(value: str | float) -> str:
    return text(value) if isinstance(value, str) else str(value)


def _entropy(draft: Draft) -> float:
    """The log loss of predicting the shares of the classes, in nats."""
    if draft.roles.task != "multiclass":
        return 0.0
    known = sum(draft.roles.target.level_rows)
    return -sum(count / known * math.log(count / known) for count in draft.roles.target.level_rows)
