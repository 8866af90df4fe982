"""The request of a pipeline's events as pydantic models, from the contracts of its tables."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import GenericAlias
from typing import Annotated, Any, Literal, Union

from pydantic import BaseModel, Field, TypeAdapter, create_model

from ml_platform.serving.events.tables import EventTable
from ml_platform.serving.rest.field_types import field_type
from ml_platform.serving.rest.models import CONFIG, column_description, model_of_columns, values_of
from ml_platform.spec.contract_rules import contract_rules

MAX_EVENTS = 1_000  # of one request
_APPLIED = "A row that breaks a rule of the contract (`x-contract`) is refused."


@dataclass(frozen=True)
class EventRequest:
    """Rows of one table, with Python values."""

    table: str
    rows: Sequence[Mapping[str, Any]]


def event_model(table: EventTable, columns: Collection[str] | None = None) -> type[BaseModel]:
    """One event: all columns of the contract, or some, and nothing else. One that may be null may not be left out."""
    contract = table.table.contract.columns()
    rules = contract_rules(table.table.contract, table.columns)
    fields: dict[str, Any] = {}
    for name, dtype in table.columns.items():
        if columns is not None and name not in columns:
            continue
        kind = field_type(dtype)
        described = column_description(_title(table, name), rules[name])
        fields[name] = (kind | None if contract[name].nullable else kind, described)
    kind_of_row = "Event" if columns is None else "Outcome"
    return model_of_columns(f"{table.name}_{kind_of_row}", fields, _APPLIED)


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


def labels_adapter(table: EventTable, columns: Collection[str] | None) -> TypeAdapter[Any]:
    """Validates `{"rows": [...]}` with those columns of a table; None: all of them."""
    fields: Any = {"rows": _rows_of(event_model(table, columns))}
    return TypeAdapter(create_model(f"{table.name}_Labels", __config__=CONFIG, **fields))


def _rows_of(model: type[BaseModel]) -> Any:
    return GenericAlias(list, (model,)), Field(min_length=1, max_length=MAX_EVENTS)


def to_event_request(request: Any, table: str = "") -> EventRequest:
    """What an adapter gave, as Python values. `table`: where the request names none."""
    return EventRequest(getattr(request, "table", table), values_of(request.rows))
