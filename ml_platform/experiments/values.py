"""Values of a declaration as people write them on a command line: `63`, `14d`, `[carrier, origin]`, `Linear(l2=10)`."""

import ast
from typing import Any

from ml_platform.errors import DeclarationError, did_you_mean

_OPENING, _CLOSING = "([{", ")]}"
_CONSTANTS = {"true": True, "false": False, "none": None, "null": None}


def split_setting(text: str) -> tuple[str, list[str]]:
    """`trainer.num_leaves=31,63` → its path and the texts of its values.

    A comma within brackets or quotes separates nothing. Raises DeclarationError for a text without `=`.

    >>> split_setting("examples.exclude=[a, b],[a]")
    ('examples.exclude', ['[a, b]', '[a]'])
    """
    path, equals, values = text.partition("=")
    if not equals or not path.strip():
        raise DeclarationError(f"--set {text}", "it is no PATH=VALUE", remedy="Write it as trainer.num_leaves=63.")
    return path.strip(), [part.strip() for part in _parts(values)]


def value_of(text: str, path: str) -> Any:
    """The value that a text means: a number, text, list, constant, or a word of the declaration with its parameters.

    Raises DeclarationError for a word that does not exist or whose parameters are no plain values.

    >>> [value_of(text, "x") for text in ("63", "0.5", "14d", "none", "[a, 2]", "'63'")]
    [63, 0.5, '14d', None, ['a', 2], '63']
    """
    lowered = text.lower()
    if lowered in _CONSTANTS:
        return _CONSTANTS[lowered]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        pass  # no literal of Python
    if text.startswith("[") and text.endswith("]"):
        return [value_of(part.strip(), path) for part in _parts(text[1:-1]) if part.strip()]
    if text[:1].isupper():
        return _word(text, path)
    if text.startswith("pl."):
        raise DeclarationError(
            path, "an expression cannot be given as text", remedy="Give it from Python: docs/experiments.md."
        )
    return text


def _parts(text: str) -> list[str]:
    """The text between commas that are outside of brackets and quotes."""
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in _OPENING + _CLOSING:
            depth += 1 if letter in _OPENING else -1
        elif letter == "," and depth == 0:
            parts.append("")
            continue
        parts[-1] += letter
    return parts


def _word(text: str, path: str) -> Any:
    """`Linear` or `Linear(l2=10)` as the word of the declaration; another text that begins so is a text."""
    import ml_platform

    name = text.partition("(")[0].strip()
    if not name.isidentifier() or (name == text and name not in ml_platform.__all__):
        return text
    try:
        return _built(ast.parse(text if "(" in text else f"{text}()", mode="eval").body, path)
    except (ValueError, SyntaxError):
        raise DeclarationError(
            path, f"{text!r} cannot be read", remedy="Write it with plain values, as Linear(l2=10.0)."
        ) from None


def _built(node: ast.expr, path: str) -> Any:
    """A word with its arguments, values in a list or by name, or a literal. Raises ValueError for anything else."""
    import ml_platform

    if isinstance(node, ast.List | ast.Tuple):
        return [_built(item, path) for item in node.elts]
    if isinstance(node, ast.Dict):
        return {_name_of(key): _built(item, path) for key, item in zip(node.keys, node.values, strict=True)}
    if not isinstance(node, ast.Call):
        return ast.literal_eval(node)
    if not isinstance(node.func, ast.Name) or any(keyword.arg is None for keyword in node.keywords):
        raise ValueError
    words = [one for one in ml_platform.__all__ if one[0].isupper()]
    if node.func.id not in words:
        if node.func.id[:1].isupper():
            name = node.func.id
            raise DeclarationError(
                path, f"there is no word {name!r}", remedy=did_you_mean(name, words) or f"There are {', '.join(words)}."
            )
        raise ValueError
    arguments = [_built(item, path) for item in node.args]
    return getattr(ml_platform, node.func.id)(*arguments, **{str(k.arg): _built(k.value, path) for k in node.keywords})


def _name_of(key: ast.expr | None) -> str:
    if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
        raise ValueError
    return key.value
