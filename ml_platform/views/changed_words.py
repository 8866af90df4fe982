"""What an experiment changed, in few words."""

from collections.abc import Mapping, Sequence
from functools import cache
from inspect import Parameter, signature
from typing import Any

_LONGEST, _LONGEST_WORD = 40, 120  # characters of a value, of a word with its arguments


def phrases(changes: Sequence[Mapping[str, Any]]) -> list[str]:
    """What was changed in few words: `num_leaves=63`, `without weather__temp, weather__dewp and 6 more`.

    A word in place of another has the arguments that are not its defaults.

    >>> phrases([{"path": "trainer.num_leaves", "before": 31, "after": 63}])
    ['num_leaves=63']
    >>> phrases([{"path": "transforms", "before": None, "after": "[Log('km')]"}])
    ["transforms=[Log('km')]"]
    >>> other = [("kind", "LightGBM", "Linear"), ("num_leaves", 31, None), ("l2", None, 10.0)]
    >>> phrases([{"path": f"trainer.{name}", "before": b, "after": a} for name, b, a in other])
    ['trainer=Linear(l2=10.0)']
    """
    words, gone, other = list[str](), list[str](), list[str]()
    replaced = {change["path"].removesuffix(".kind") for change in changes if change["path"].endswith(".kind")}
    outer = {path for path in replaced if not any(path.startswith(f"{one}.") for one in replaced)}
    for change in changes:
        path, after = change["path"], change["after"]
        section, _, name = path.partition(".")
        if within := next((one for one in outer if path.startswith(f"{one}.")), None):
            if path == f"{within}.kind":
                words.append(f"{within}={_short(_word(_tree(changes, within)), _LONGEST_WORD)}")
        elif section != "features":
            words.append(f"{name or section}={_short(after)}")
        else:
            (gone if after is None else other).append(name)
    words += [f"without {_some(gone)}"] if gone else []
    return words + ([f"{_some(other)} changed"] if other else [])


def _tree(changes: Sequence[Mapping[str, Any]], path: str) -> dict[str, Any]:
    """The values below a path, nested by the names between its dots."""
    tree: dict[str, Any] = {}
    for change in changes:
        if change["after"] is None or not change["path"].startswith(f"{path}."):
            continue
        *parents, name = change["path"].removeprefix(f"{path}.").split(".")
        inner = tree
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[name] = change["after"]
    return tree


def _word(value: Any) -> str:
    """A value as the declaration has it: a word with its arguments, a list, or a plain value."""
    if not isinstance(value, dict):
        return str(value) if not isinstance(value, str) else repr(value)
    if value and all(name.isdecimal() for name in value):
        return f"[{', '.join(_word(item) for item in value.values())}]"
    if "kind" not in value:
        return f"{{{', '.join(f'{name}={_word(item)}' for name, item in value.items())}}}"
    parameters = _parameters(value["kind"])
    first = next(iter(parameters), "")
    arguments = []
    for name, item in value.items():
        if name == "kind" or (name in parameters and parameters[name] == item):
            continue
        positional = name == first and parameters[name] is Parameter.empty
        arguments.append(_word(item) if positional else f"{name}={_word(item)}")
    return f"{value['kind']}({', '.join(arguments)})" if arguments else str(value["kind"])


@cache
def _parameters(kind: str) -> Mapping[str, Any]:
    """The arguments of a word with their defaults; none for a name that is no word."""
    import ml_platform

    if kind not in ml_platform.__all__:
        return {}
    return {name: one.default for name, one in signature(getattr(ml_platform, kind)).parameters.items()}


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return f"{', '.join(names[:2])}{more}"


def _short(value: Any, longest: int = _LONGEST) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= longest else f"{text[: longest - 3]}…"
