"""The request of a pipeline as a pydantic model, from the feature definition in the bundle."""

from types import GenericAlias
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model

from ml_platform.features.definition import FeatureDefinition
from ml_platform.serving.rest.field_types import field_type

MAX_ROWS = 1_000  # of one JSON request


def row_model(definition: FeatureDefinition) -> type[BaseModel]:
    """One example: its key, its prediction time and its inputs, all of them, and nothing else.

    An input may be null, which is an unknown value; a field that is left out is refused, since a name that is spelt
    wrongly would be the same.
    """
    required = {*definition.keys, definition.at}
    fields: dict[str, Any] = {}
    for name, dtype in definition.row_schema.items():
        kind = field_type(dtype)
        title = "prediction time" if name == definition.at else "key" if name in definition.keys else "input"
        fields[name] = (kind if name in required else kind | None, Field(description=f"{title}, {dtype}"))
    config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())
    return create_model("Row", __config__=config, **fields)


def rows_adapter(definition: FeatureDefinition) -> TypeAdapter[Any]:
    """Validates the body of a request: `{"rows": [...]}`."""
    rows: Any = (GenericAlias(list, (row_model(definition),)), Field(min_length=1, max_length=MAX_ROWS))
    return TypeAdapter(create_model("PredictRequest", __config__=ConfigDict(strict=True, extra="forbid"), rows=rows))
