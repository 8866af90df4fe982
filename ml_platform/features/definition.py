"""All that computing a pipeline's features needs, as data: the part of a declaration that is stored (S15)."""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import polars as pl

from ml_platform.features.forms import KINDS, DerivedForm, JoinedForm, LatestForm, LookupForm, SinceForm, WindowForm
from ml_platform.features.types import type_form, type_of
from ml_platform.spec.canonical import content_key
from ml_platform.spec.durations import microseconds
from ml_platform.spec.expressions import columns_read, to_portable
from ml_platform.spec.features import Derived, Feature, Latest, Lookup, Since, Window, join_keys
from ml_platform.spec.pipeline import ModelPipeline

_FORMAT = 1


@dataclass(frozen=True)
class TableForm:
    """The columns that features read, the primary key, and the event time (None: without time)."""

    columns: dict[str, pl.DataType]
    key: tuple[str, ...]
    event_time: str | None

    @property
    def timed(self) -> bool:
        """Whether rows have an event time; without, versions are kept by arrival."""
        return self.event_time is not None


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
    joined: tuple[JoinedForm, ...]
    derived: tuple[DerivedForm, ...]
    outputs: dict[str, pl.DataType]
    model_columns: dict[str, pl.DataType]

    @classmethod
    def of(cls, pipeline: ModelPipeline) -> Self:
        """The definition that `pipeline` declares."""
        joined = tuple(_form(f) for f in pipeline.features if not isinstance(f, Derived))
        read: dict[str, set[str]] = {}
        for form in joined:
            columns = read.setdefault(form.table, set())
            columns.update(theirs for _, theirs in form.on)
            columns.update(getattr(form, "take", ()))
            if isinstance(form, WindowForm):
                columns.update({form.of} if form.of else (), columns_read(form.where) if form.where else ())
        tables = {}
        for name, columns in sorted(read.items()):
            table = pipeline.table(name)
            columns.update(table.key, {table.event_time} if table.event_time else ())
            types = {c: _stored(t, f"{name}.{c}") for c, t in table.columns.items() if c in columns}
            tables[name] = TableForm(types, table.key, table.event_time)
        derived = tuple(
            DerivedForm(name, to_portable(expression, f"Derived({name}=…)"), name in pipeline.early_derived)
            for name, expression in pipeline.derived
        )
        return cls(
            examples=pipeline.examples.table,
            keys=pipeline.examples.keys,
            at=pipeline.examples.at,
            row_schema=_stored_all(pipeline.row_schema),
            tables=tables,
            joined=joined,
            derived=derived,
            outputs=_stored_all(pipeline.feature_schema),
            model_columns=_stored_all(pipeline.model_columns),
        )

    # -- what others ask -----------------------------------------------------------------

    @cached_property
    def key(self) -> str:
        """The content key: SHA-256 of the JSON form."""
        return content_key(json.loads(self.to_json()))

    @property
    def identity(self) -> tuple[str, ...]:
        """What tells one example from another: keys and `at`, each column once."""
        return tuple(dict.fromkeys([*self.keys, *([self.at] if self.at else [])]))

    @property
    def status_columns(self) -> tuple[str, ...]:
        """`<prefix>__status` of every Lookup and Latest: ok, unknown, assumed or stale."""
        return tuple(dict.fromkeys(f.status for f in self.joined if isinstance(f, LookupForm | LatestForm)))

    @property
    def schema(self) -> dict[str, pl.DataType]:
        """The columns of a feature table: row_schema, outputs, statuses."""
        return {**self.row_schema, **self.outputs, **dict.fromkeys(self.status_columns, pl.String())}

    def reads(self, table: str) -> int | None:
        """How far back of `at` the rows of `table` matter, in microseconds of their clock; None: without limit.

        The clock of a window is known_at unless it says event_time: a row may have happened earlier.
        """
        forms = [form for form in self.joined if form.table == table]
        if not all(isinstance(form, WindowForm) for form in forms):
            return None
        return max((max(form.spans) for form in forms if isinstance(form, WindowForm)), default=0)

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
            "joined": [{"kind": form.kind, **dataclasses.asdict(form)} for form in self.joined],
            "derived": [dataclasses.asdict(form) for form in self.derived],
            "outputs": _types(self.outputs),
            "model_columns": _types(self.model_columns),
        }
        return json.dumps(data, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The definition that `to_json` wrote. Raises ValueError for another format."""
        data = json.loads(text)
        if data.pop("format", None) != _FORMAT:
            raise ValueError("The feature definition is in another format: it was written by a later version.")
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
            joined=tuple(_read_form(form) for form in data["joined"]),
            derived=tuple(DerivedForm(**form) for form in data["derived"]),
            outputs=_read_types(data["outputs"]),
            model_columns=_read_types(data["model_columns"]),
        )


def _form(feature: Feature) -> JoinedForm:
    match feature:
        case Window():
            return WindowForm(
                feature.table,
                _on(feature.by),
                feature.of,
                tuple(feature.agg),
                tuple(microseconds(span) for span in feature.over),
                feature.clock,
                to_portable(feature.where, "Window.where") if feature.where is not None else None,
                float(feature.resolution),
                feature.outputs,
            )
        case Latest():
            age = microseconds(feature.max_age) if feature.max_age else None
            offset = microseconds(feature.offset) if feature.offset else 0
            return LatestForm(
                feature.table, _on(feature.on), tuple(feature.take), feature.outputs, feature.status, offset, age
            )
        case Since():
            return SinceForm(feature.table, _on(feature.on), feature.outputs)
        case Lookup():
            return LookupForm(feature.table, _on(feature.on), tuple(feature.take), feature.outputs, feature.status)
        case _:
            raise TypeError(f"{type(feature).__name__} joins nothing")


def _on(on: Any) -> tuple[tuple[str, str], ...]:
    return tuple(join_keys(on).items())


def _read_form(data: dict[str, Any]) -> JoinedForm:
    kind = KINDS[data.pop("kind")]
    values = {name: tuple(item) if isinstance(item, list) else item for name, item in data.items()}
    values["on"] = tuple((own, theirs) for own, theirs in data["on"])
    form: JoinedForm = kind(**values)
    return form


def _stored(dtype: pl.DataType, where: str) -> pl.DataType:
    return type_of(type_form(dtype, where))


def _stored_all(columns: Mapping[str, pl.DataType]) -> dict[str, pl.DataType]:
    return {name: _stored(dtype, name) for name, dtype in columns.items()}


def _types(columns: Mapping[str, pl.DataType]) -> list[tuple[str, Any]]:
    return [(name, type_form(dtype, name)) for name, dtype in columns.items()]


def _read_types(columns: Iterable[tuple[str, Any]]) -> dict[str, pl.DataType]:
    return {name: type_of(form) for name, form in columns}
