"""A model card as JSON, and its JSON Schema (docs/model-card.schema.json)."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from ml_platform.views.model_card.card import ModelCard


def as_values(card: ModelCard) -> dict[str, Any]:
    """The card as JSON values: moments in ISO 8601, numbers that JSON does not have as null."""
    values: dict[str, Any] = _plain(asdict(card))
    return values


def as_json(card: ModelCard) -> str:
    """The card as JSON text, two spaces a level, names in the order of the card."""
    return json.dumps(as_values(card), indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def from_json(text: str | bytes) -> ModelCard:
    """The card that `as_json` wrote. Raises pydantic's ValidationError for anything else."""
    from pydantic import TypeAdapter

    return TypeAdapter(ModelCard).validate_json(text)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the form, with the meaning of each part."""
    from pydantic import TypeAdapter

    schema = TypeAdapter(ModelCard).json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return value.isoformat()
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {str(name): _plain(item) for name, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
    return value
