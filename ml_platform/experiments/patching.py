"""The changes of an experiment as a patch of the Python file that declares the pipeline.

The file is read as a syntax tree and only plain values in it are replaced. What cannot be found there for sure is
told in words instead.
"""

import difflib
import json
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml_platform.errors import DeclarationError
from ml_platform.experiments.declared import flat
from ml_platform.experiments.source_edits import CannotEdit, DeclarationText, python_text
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state.experiments import Change


@dataclass(frozen=True)
class Patch:
    """text: a unified diff, empty where nothing could be patched. by_hand: sentences about what is left to do."""

    text: str
    by_hand: tuple[str, ...]


def patch_of(pipeline: ModelPipeline, changes: Iterable[Change]) -> Patch:
    """The patch that makes the changes in the file of today's declaration."""
    listed, declared = list(changes), flat(pipeline)
    file = _file_of(pipeline)
    if file is None:
        why = f"The file that declares {pipeline.name} was not found."
        return Patch("", (why, *(_in_words(change) for change in listed)))
    before = file.read_text()
    source, by_hand = DeclarationText(before, pipeline.name), list[str]()
    dropped = [change.path.removeprefix("features.") for change in listed if _drops(change)]
    words = {path.partition(".")[0] for path in (c.path for c in listed) if path.endswith(".kind")}
    for change in listed:
        section = change.path.partition(".")[0]
        if section in words and change.path != f"{section}.kind":
            continue  # the whole word is replaced
        if declared.get(change.path) != change.before:
            by_hand.append(f"{_in_words(change)} It is {declared.get(change.path)!r} in today's declaration.")
            continue
        try:
            if section in words:
                source.replace_argument([section], _written_word(section, listed))
            elif _drops(change):
                continue  # all of them together below
            elif section == "features":
                _change_feature(source, pipeline, change)
            elif section == "gates":
                raise CannotEdit
            elif section == "transforms":
                source.replace_argument([section], change.after or "[]")
                by_hand += _imports(before, change.after)
            else:
                source.replace_argument(change.path.split("."), python_text(change.after))
        except CannotEdit:
            by_hand.append(_in_words(change))
    if dropped:
        by_hand += [f"Drop the feature {name} by hand." for name in source.drop_features(pipeline.features, dropped)]
    try:
        after = source.edited()
    except CannotEdit:
        return Patch("", tuple(dict.fromkeys(map(_in_words, listed))))
    name = _shown(file)
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    text = "".join(difflib.unified_diff(old, new, f"a/{name}", f"b/{name}"))
    return Patch(text, tuple(dict.fromkeys(by_hand)))


def _change_feature(source: DeclarationText, pipeline: ModelPipeline, change: Change) -> None:
    output, parts = change.path.removeprefix("features."), _parts(change)
    if not parts:
        raise CannotEdit
    for name, (_, after) in parts.items():
        source.replace_of_feature(pipeline.features, output, name, python_text(after))


def _parts(change: Change) -> dict[str, tuple[Any, Any]]:
    """The parameters in which a feature differs, before and after; empty for an expression or a new feature."""
    try:
        before, after = json.loads(change.before), json.loads(change.after)
    except (TypeError, ValueError):
        return {}
    if not isinstance(before, dict) or not isinstance(after, dict) or before.get("kind") != after.get("kind"):
        return {}
    return {name: (before.get(name), after.get(name)) for name in after if before.get(name) != after.get(name)}


def _imports(text: str, written: str | None) -> list[str]:
    """What is left to do so that the words of transforms mean something in the file."""
    words = dict.fromkeys(re.findall(r"\b([A-Z]\w+)\(", written or ""))
    return [f"Import {word} from ml_platform." for word in words if not re.search(rf"\b{word}\b", text)]


def _drops(change: Change) -> bool:
    return change.path.startswith("features.") and change.after is None


def _written_word(section: str, changes: list[Change]) -> str:
    """`Linear(l2=10.0)`: a word with the values that the changes give it."""
    values = {c.path.removeprefix(f"{section}."): c.after for c in changes if c.path.startswith(f"{section}.")}
    kind = values.pop("kind")
    named = {name: value for name, value in values.items() if value is not None}
    if any("." in name for name in named):
        raise CannotEdit
    return f"{kind}({', '.join(f'{name}={python_text(value)}' for name, value in _differing(kind, named).items())})"


def _differing(kind: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that are not the defaults of the word."""
    import ml_platform

    try:
        default = getattr(ml_platform, kind)()
    except DeclarationError:  # it has no defaults: all of its values are written
        return dict(values)
    return {name: value for name, value in values.items() if getattr(default, name, None) != value}


def _file_of(pipeline: ModelPipeline) -> Path | None:
    """The file of the module that holds the pipeline and calls `ModelPipeline` with its name."""
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if path is None or not any(value is pipeline for value in list(vars(module).values())):
            continue
        file = Path(path)
        if file.suffix == ".py" and file.is_file() and DeclarationText(file.read_text(), pipeline.name).is_declared:
            return file
    return None


def _shown(file: Path) -> str:
    """The file relative to the working folder, if it is in there, with slashes."""
    here = Path.cwd()
    return (file.relative_to(here) if file.is_relative_to(here) else file).as_posix().lstrip("/")


def _in_words(change: Change) -> str:
    if change.path.startswith("gates."):
        action = "Remove the gate" if change.after is None else "Declare the gate"
        return f"{action}: {change.after or change.before}."
    parts = _parts(change)
    if parts:
        differing = ", ".join(f"{name} from {before!r} to {after!r}" for name, (before, after) in parts.items())
        return f"Change {differing} of the feature {change.path.removeprefix('features.')}."
    return f"Change {change.path} from {change.before!r} to {change.after!r}."
