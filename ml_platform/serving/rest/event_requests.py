"""The request of a pipeline's events as pydantic models, from the contracts of its tables."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import GenericAlias
from typing import Annotated, Any, Literal, Union

from pydantic import BaseModel, Discriminator, Field, Tag, TypeAdapter, create_model

from ml_platform.serving.events.labels import LabelEvents
from ml_platform.serving.events.tables import EventTable
from ml_platform.serving.logged_predictions import ID_PATTERN
from ml_platform.serving.rest.field_types import field_type
from ml_platform.serving.rest.models import CONFIG, column_description, model_of_columns, values_of
from ml_platform.spec.contract_rules import contract_rules

MAX_EVENTS = 1_000  # of one request
_APPLIED = "A row that breaks a rule of the contract (`x-contract`) is refused."
BY_KEY, BY_PREDICTION = "labels by key", "labels by prediction"  # where an error of `labels_adapter` begins


@dataclass(frozen=True)
class EventRequest:
    """Rows of one table, with Python values.

    field: of the body, whose items they are. predictions: the ids that stand for the key of each row; None: rows have
    their keys.
    """

    table: str
    rows: Sequence[Mapping[str, Any]]
    field: str = "rows"
    predictions: Sequence[str] | None = None


def event_model(
    table: EventTable, columns: Collection[str] | None = None, kind_of_row: str = "Outcome"
) -> type[BaseModel]:
    """One event: all columns of the contract, or some, and nothing else. One that may be null may not be left out.

    kind_of_row: what a row of some columns is called.
    """
    contract = table.table.contract.columns()
    rules = contract_rules(table.table.contract, table.columns)
    fields: dict[str, Any] = {}
    for name, dtype in table.columns.items():
        if columns is not None and name not in columns:
            continue
        kind = field_type(dtype)
        described = column_description(_title(table, name), rules[name])
        fields[name] = (kind | None if contract[name].nullable else kind, described)
    return model_of_columns(f"{table.name}_{'Event' if columns is None else kind_of_row}", fields, _APPLIED)


def _title(table: EventTable, name: str) -> str:
    roles = ((table.table.event_time, "event time"), (table.table.known_at, "when it became known"))
    role = [role for column, role in roles if column == name] or ["key" if name in table.table.key else "column"]
    return f"{role[0]}, {table.table.columns[name]}"


def events_adapter(tables: Iterable[EventTable]) -> TypeAdapter[Any]:
    """Validates `{"table": …, "rows": [...]}`; `to_event_request` turns what it gives into Python values."""
    models = []
    for table in tables:
        named: Any = (Literal[table.name], Field(description=f"the table {table.name}"))
        fields: Any = {"table": named, "rows": _rows_of(event_model(table))}
        models.append(create_model(f"{table.name}_Events", __config__=CONFIG, **fields))
    if len(models) == 1:
        return TypeAdapter(models[0])
    union: Any = Annotated[Union[tuple(models)], Field(discriminator="table")]  # noqa: UP007  # as many as there are
    return TypeAdapter(union)


def labels_adapter(labels: LabelEvents) -> TypeAdapter[Any]:
    """Validates `{"rows": [...]}`, and `{"predictions": [{"id": …, "label": {...}}]}` where ids can stand for keys.

    `to_label_request` turns what it gives into Python values.
    """
    table = labels.table
    fields: Any = {"rows": _rows_of(event_model(table, labels.outcomes))}
    by_key = create_model(f"{table.name}_Labels", __config__=CONFIG, **fields)
    if not labels.request_columns:
        return TypeAdapter(by_key)
    of_label: Any = event_model(table, [name for name in labels.columns if name not in labels.request_columns], "Truth")
    identity: Any = Annotated[str, Field(pattern=ID_PATTERN, description="the id that the answer gave")]
    labelled = create_model(f"{table.name}_Labelled", __config__=CONFIG, id=(identity, ...), label=(of_label, ...))
    fields = {"predictions": _rows_of(labelled)}
    by_prediction = create_model(f"{table.name}_LabelsByPrediction", __config__=CONFIG, **fields)
    union: Any = Annotated[
        Annotated[by_key, Tag(BY_KEY)] | Annotated[by_prediction, Tag(BY_PREDICTION)], Discriminator(_label_kind)
    ]
    return TypeAdapter(union)


def _label_kind(body: Any) -> str:
    return BY_PREDICTION if isinstance(body, dict) and "predictions" in body else BY_KEY


def _rows_of(model: type[BaseModel]) -> Any:
    return GenericAlias(list, (model,)), Field(min_length=1, max_length=MAX_EVENTS)


def to_event_request(request: Any) -> EventRequest:
    """What `events_adapter` gave, as Python values."""
    return EventRequest(request.table, values_of(request.rows))


def to_label_request(request: Any, table: str) -> EventRequest:
    """What `labels_adapter` gave for labels of a table, as Python values."""
    if not hasattr(request, "predictions"):
        return EventRequest(table, values_of(request.rows))
    labelled = request.predictions
    rows = values_of([one.label for one in labelled])
    return EventRequest(table, rows, "predictions", [one.id for one in labelled])
