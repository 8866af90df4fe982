"""The request of a pipeline as a pydantic model, from the feature definition in the bundle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import GenericAlias
from typing import Annotated, Any

import polars as pl
from pydantic import BaseModel, Field, TypeAdapter, create_model

from ml_platform.errors import FeatureError
from ml_platform.features.definition import FeatureDefinition
from ml_platform.features.online.answering import Adjustments
from ml_platform.serving.rest.field_types import field_type
from ml_platform.serving.rest.models import (
    CONFIG,
    column_description,
    model_of_columns,
    values_of,
    values_that_were_set,
)

MAX_ROWS = 1_000  # of one JSON request
BODY_BYTES = 4_000_000


_DESCRIBED = (
    "One example. `x-contract` of a field is what the contract of its table says. It is described and not applied: a "
    "row that breaks it is answered here, and quarantined, without a prediction, where it arrives in a file."
)
_NOTHING: Mapping[str, Any] = {}


def row_model(definition: FeatureDefinition, contract: Mapping[str, Any] = _NOTHING) -> type[BaseModel]:
    """One example: its key, its prediction time and its inputs, all of them, and nothing else.

    An input may be null, which is an unknown value; a field that is left out is refused, since a name that is spelt
    wrongly would be the same. contract: `Bundle.contract`, for descriptions.
    """
    required = {*definition.keys, definition.at}
    fields: dict[str, Any] = {}
    for name, dtype in definition.row_schema.items():
        kind = field_type(dtype)
        title = "prediction time" if name == definition.at else "key" if name in definition.keys else "input"
        fields[name] = (
            kind if name in required else kind | None,
            column_description(f"{title}, {dtype}", contract.get(name, {})),
        )
    return model_of_columns("Row", fields, _DESCRIBED if contract else None)


def request_adapter(definition: FeatureDefinition, contract: Mapping[str, Any] = _NOTHING) -> TypeAdapter[Any]:
    """Validates the body of a request: `{"rows": [...], "overrides": [...], "max_staleness": {...},
    "contributions": false}`.

    contract: `Bundle.contract`, for descriptions. All but the rows may be left out (S44). `to_predict_request` turns
    what it gives into examples and adjustments.
    """
    fields: dict[str, Any] = {
        "rows": (GenericAlias(list, (row_model(definition, contract),)), Field(min_length=1, max_length=MAX_ROWS))
    }
    overrides = {output: definition.outputs[output] for form in definition.joined for output in form.outputs}
    if overrides:
        model = model_of_columns("Overrides", {name: _optional(dtype) for name, dtype in overrides.items()})
        described = "values that take the place of looked-up features, for each row; null: for none of it"
        entries: Any = Annotated[GenericAlias(list, (model | None,)), Field(max_length=MAX_ROWS)]
        fields["overrides"] = (entries | None, Field(None, description=described))
    aging = [status for form in definition.joined if definition.tables[form.table].timed for status in form.statuses]
    if aging:
        model = model_of_columns("MaxStaleness", {name: (_Seconds | None, {"default": None}) for name in aging})
        described = "seconds that the rows behind looked-up features may be old; older ones are stale"
        fields["max_staleness"] = (model | None, Field(None, description=described))
    described = "whether to say what each model column added to each prediction"
    fields["contributions"] = (bool, Field(False, description=described))
    return TypeAdapter(create_model("PredictRequest", __config__=CONFIG, **fields))


@dataclass(frozen=True)
class PredictRequest:
    """The examples of a request, and what the caller wants otherwise, one entry a row."""

    rows: Sequence[Mapping[str, Any]]
    adjustments: Sequence[Adjustments | None]
    contributions: bool = False


def to_predict_request(request: Any) -> PredictRequest:
    """What the adapter gave, as Python values.

    Raises FeatureError when there is not one entry of `overrides` for each row.
    """
    rows = values_of(request.rows)
    overrides = getattr(request, "overrides", None)
    overrides = [None] * len(rows) if overrides is None else overrides
    if len(overrides) != len(rows):
        raise FeatureError(
            f"overrides: there are {len(overrides)} for {len(rows)} rows.", remedy="Send one for each row, or null."
        )
    limits = getattr(request, "max_staleness", None)
    (seconds,) = [{}] if limits is None else values_of([limits])
    staleness = {name: round(most * 1e6) for name, most in seconds.items() if most is not None}
    adjustments = [Adjustments(values_that_were_set(one) if one is not None else {}, staleness) for one in overrides]
    return PredictRequest(
        rows, [one if one.overrides or one.max_staleness else None for one in adjustments], request.contributions
    )


_Seconds = Annotated[float, Field(ge=0, le=1e9)]


def _optional(dtype: pl.DataType) -> Any:
    """A field that may be null, which is an unknown value, or left out."""
    return (field_type(dtype) | None, {"default": None, "description": str(dtype)})
