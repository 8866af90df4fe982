"""The page at `/docs`: the description in OpenAPI as HTML, each request and answer with its fields."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ml_platform.escaping import html_text
from ml_platform.serving.rest.pages.layout import facts, links, page, table

_PREFIX = "#/components/schemas/"
_METHODS = ("get", "post")
_BOUNDS = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "exclusiveMaximum": "< {}",
    "minItems": "at least {} entries",
    "maxItems": "at most {} entries",
    "format": "{}",
}


def api_page(document: Mapping[str, Any]) -> str:
    """The page of an OpenAPI document."""
    operations = [
        (method, path, operation)
        for path, by_method in document["paths"].items()
        for method, operation in by_method.items()
        if method in _METHODS
    ]
    operations.sort(key=lambda one: (one[0] != "post", one[1].startswith("/v2")))
    index = "".join(
        f'<li><a href="#{_anchor(operation)}"><code>{method.upper()} {html_text(path)}</code></a> '
        f"{html_text(operation['summary'])}</li>"
        for method, path, operation in operations
    )
    parts = "".join(_operation(*one) for one in operations)
    schemas = "".join(_schema(name, one) for name, one in sorted(document["components"]["schemas"].items()))
    return page(
        "API of the ml_platform service",
        f"<h1>API</h1>{links([('Service', '/'), ('The same as OpenAPI', '/openapi.json')])}<ul>{index}</ul>{parts}"
        f"<h2>Objects</h2>{schemas}",
    )


def _anchor(operation: Mapping[str, Any]) -> str:
    return html_text(str(operation["operationId"]))


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    bodies = operation.get("requestBody", {}).get("content", {})
    sent = [(kind, _type(content["schema"])) for kind, content in bodies.items()]
    codes = "".join(
        f"<li><b>{html_text(code)}</b> {html_text(answer['description'])} {_body(answer)}</li>"
        for code, answer in sorted(operation["responses"].items())
    )
    fields = "".join(
        f"<h3>Fields of the request</h3>{_fields(content['schema'])}"
        for content in bodies.values()
        if "properties" in content["schema"]
    )
    return (
        f'<h2 id="{_anchor(operation)}">{html_text(operation["summary"])}</h2>'
        f"<p><code>{method.upper()} {html_text(path)}</code></p>"
        f"{facts((f'Body as {kind}', shown) for kind, shown in sent) if sent else ''}{fields}"
        f"<h3>Answers</h3><ul>{codes}</ul>"
    )


def _body(answer: Mapping[str, Any]) -> str:
    schemas = [content["schema"] for content in answer.get("content", {}).values() if content.get("schema")]
    return " ".join(map(_type, schemas))


def _schema(name: str, schema: Mapping[str, Any]) -> str:
    described = f"<p class=quiet>{html_text(schema['description'])}</p>" if schema.get("description") else ""
    fields = _fields(schema) if "properties" in schema else f"<p>{_type(schema)}</p>"
    return f'<h3 id="{html_text(name)}">{html_text(name)}</h3>{described}{fields}'


def _fields(schema: Mapping[str, Any]) -> str:
    required = set(schema.get("required", ()))
    rows = [
        (
            f"<b>{html_text(name)}</b>",
            _type(one),
            "required" if name in required else "",
            html_text(str(one.get("description", ""))),
        )
        for name, one in schema["properties"].items()
    ]
    return table(("field", "type", "required", "meaning"), rows)


def _type(schema: Mapping[str, Any]) -> str:
    """The type of a value, as HTML."""
    if "$ref" in schema:
        name = html_text(str(schema["$ref"]).removeprefix(_PREFIX))
        return f'<a href="#{name}">{name}</a>'
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(map(_type, schema[several]))
    bounds = "".join(f", {text}" for text in _bounds(schema))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}{bounds}"
    values: Sequence[Any] = [schema["const"]] if "const" in schema else schema.get("enum", ())
    if values:
        return html_text(", ".join(map(repr, values)))
    entries = schema.get("additionalProperties")
    of = f" of {_type(entries)}" if isinstance(entries, Mapping) else ""
    return f"{html_text(str(schema.get('type', 'anything')))}{of}{bounds}"


def _bounds(schema: Mapping[str, Any]) -> Iterator[str]:
    for name, text in _BOUNDS.items():
        if name in schema:
            yield html_text(text.format(schema[name]))
