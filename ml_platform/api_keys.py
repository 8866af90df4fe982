"""The API keys of the service, as one setting holds them: who may ask for what."""

from collections.abc import Mapping
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

Scope = Literal["predict", "events", "labels", "read"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
_LEAST = 16  # characters of a key
_FORM = '\'{"checkout": {"key": "…", "scopes": ["predict"]}}\''


class ApiKey(BaseModel):
    """The key of one client, and what it may do with it."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    key: Annotated[str, Field(min_length=_LEAST, max_length=512, pattern=r"^[!-~]+$", repr=False)]
    scopes: Annotated[frozenset[Scope], Field(min_length=1)]


_KEYS = TypeAdapter(dict[Annotated[str, Field(min_length=1, max_length=100)], ApiKey])


def parse_api_keys(text: str) -> Mapping[str, ApiKey]:
    """Keys by the name of the client, from a JSON object; nothing for an empty text.

    Raises ValueError, which quotes nothing of the text: it may be a key.

    >>> parse_api_keys('{"checkout": {"key": "0123456789abcdef", "scopes": ["predict"]}}')["checkout"].scopes
    frozenset({'predict'})
    """
    if not text.strip():
        return {}
    try:
        keys = _KEYS.validate_json(text)
    except ValidationError as error:
        raise ValueError(_problem(error)) from None
    if len({one.key for one in keys.values()}) < len(keys):
        raise ValueError("two clients have one key: give each its own")
    return keys


def _problem(error: ValidationError) -> str:
    """What is wrong first. A name that stands where a key was to be is not quoted."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = str(first["loc"][1]) if len(first["loc"]) > 1 else ""
    if field == "key" and first["type"] != "missing":
        return f"a key is no text of {_LEAST} to 512 visible ASCII characters without blanks"
    if field == "scopes" and first["type"] != "missing":
        return f"the scopes of a key are a list of {', '.join(SCOPES)}, and at least one of them"
    return f"it is no JSON object of clients, each with a key and scopes: write it as {_FORM}"
