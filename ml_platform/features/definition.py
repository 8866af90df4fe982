"""All that computing a pipeline's features needs, as data: the part of a declaration that is stored (S15)."""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import polars as pl

from ml_platform.errors import FeatureError
from ml_platform.features.forms import Form, TableForm, longest_lookback
from ml_platform.features.kinds import form_from_json, form_of
from ml_platform.features.kinds.derived import DerivedForm, derived_forms
from ml_platform.features.types import type_form, type_of

if TYPE_CHECKING:
    from ml_platform.spec.pipeline import ModelPipeline

_FORMAT = 1


@dataclass(frozen=True)
class FeatureDefinition:
    """The features of one pipeline. Two definitions mean the same exactly when their `key` is equal.

    row_schema:    the example's own columns: keys, `at`, inputs.
    outputs:       every feature output with its type, in declaration order.
    model_columns: what the model sees, of inputs and outputs.
    joined:        features that read tables; derived: expressions, each after those it reads.
    """

    examples: str
    keys: tuple[str, ...]
    at: str | None
    row_schema: dict[str, pl.DataType]
    tables: dict[str, TableForm]
    joined: tuple[Form, ...]
    derived: tuple[DerivedForm, ...]
    outputs: dict[str, pl.DataType]
    model_columns: dict[str, pl.DataType]

    @classmethod
    def of(cls, pipeline: "ModelPipeline") -> Self:
        """The definition that `pipeline` declares."""
        joined = tuple(form_of(feature).of_table(pipeline.table(feature.table)) for feature in pipeline.joined)
        read: dict[str, set[str]] = {}
        for form in joined:
            columns = read.setdefault(form.table, set())
            columns.update((theirs for _, theirs in form.on), form.columns)
        tables = {}
        for name, columns in sorted(read.items()):
            table = pipeline.table(name)
            columns.update(table.key, {table.event_time} if table.event_time else ())
            types = {c: _stored(t, f"{name}.{c}") for c, t in table.stored_columns.items() if c in columns}
            tables[name] = TableForm(types, table.key, table.event_time)
        return cls(
            examples=pipeline.examples.table,
            keys=pipeline.examples.keys,
            at=pipeline.examples.at,
            row_schema=_stored_all(pipeline.row_schema),
            tables=tables,
            joined=joined,
            derived=derived_forms(pipeline),
            outputs=_stored_all(pipeline.feature_schema),
            model_columns=_stored_all(pipeline.model_columns),
        )

    # -- what others ask -----------------------------------------------------------------

    @cached_property
    def key(self) -> str:
        """The content key: SHA-256 of the JSON form."""
        from ml_platform.spec.canonical import content_key  # loads all forms of code, which answering does without

        return content_key(json.loads(self.to_json()))

    @property
    def code_version(self) -> int:
        """The last change of code that gives other values of these features; not part of `key`."""
        return max((form.code_version(self.tables[form.table]) for form in self.joined), default=1)

    @property
    def identity(self) -> tuple[str, ...]:
        """What tells one example from another: keys and `at`, each column once."""
        return tuple(dict.fromkeys([*self.keys, *([self.at] if self.at else [])]))

    @property
    def status_columns(self) -> tuple[str, ...]:
        """`<prefix>__status` of every Lookup and Latest: ok, unknown, assumed or stale."""
        return tuple(dict.fromkeys(status for form in self.joined for status in form.statuses))

    @property
    def schema(self) -> dict[str, pl.DataType]:
        """The columns of a feature table: row_schema, outputs, statuses."""
        return {**self.row_schema, **self.outputs, **dict.fromkeys(self.status_columns, pl.String())}

    def reads(self, table: str) -> int | None:
        """How far back of `at` the rows of `table` matter, in microseconds of their clock; None: without limit.

        The clock of a window is known_at unless it says event_time: a row may have happened earlier.
        """
        return longest_lookback(form for form in self.joined if form.table == table)

    # -- JSON ----------------------------------------------------------------------------

    def to_json(self) -> str:
        """Stable JSON: no Python callback, nothing of a library's own format (S15)."""
        data = {
            "format": _FORMAT,
            "examples": self.examples,
            "keys": self.keys,
            "at": self.at,
            "row_schema": _types(self.row_schema),
            "tables": {
                name: {"columns": _types(t.columns), "key": t.key, "event_time": t.event_time}
                for name, t in self.tables.items()
            },
            "joined": [form.to_json() for form in self.joined],
            "derived": [dataclasses.asdict(form) for form in self.derived],
            "outputs": _types(self.outputs),
            "model_columns": _types(self.model_columns),
        }
        return json.dumps(data, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The definition that `to_json` wrote. Raises FeatureError for one of newer code."""
        data = json.loads(text)
        if (number := data.pop("format", None)) != _FORMAT:
            raise FeatureError(
                f"A feature definition has format {number}; this version reads up to {_FORMAT}.",
                remedy="Use the ml_platform that wrote it, or a newer one.",
            )
        tables = {
            name: TableForm(_read_types(t["columns"]), tuple(t["key"]), t["event_time"])
            for name, t in data["tables"].items()
        }
        return cls(
            examples=data["examples"],
            keys=tuple(data["keys"]),
            at=data["at"],
            row_schema=_read_types(data["row_schema"]),
            tables=tables,
            joined=tuple(form_from_json(form) for form in data["joined"]),
            derived=tuple(DerivedForm(**form) for form in data["derived"]),
            outputs=_read_types(data["outputs"]),
            model_columns=_read_types(data["model_columns"]),
        )


def _stored(dtype: pl.DataType, where: str) -> pl.DataType:
    return type_of(type_form(dtype, where))


def _stored_all(columns: Mapping[str, pl.DataType]) -> dict[str, pl.DataType]:
    return {name: _stored(dtype, name) for name, dtype in columns.items()}


def _types(columns: Mapping[str, pl.DataType]) -> list[tuple[str, Any]]:
    return [(name, type_form(dtype, name)) for name, dtype in columns.items()]


def _read_types(columns: Iterable[tuple[str, Any]]) -> dict[str, pl.DataType]:
    return {name: type_of(form) for name, form in columns}
