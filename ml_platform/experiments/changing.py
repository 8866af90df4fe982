"""A declaration with other values: settings by path, and features by pattern. The words check themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from fnmatch import fnmatchcase
from itertools import product
from typing import Any

from ml_platform.errors import DeclarationError, did_you_mean
from ml_platform.experiments.values import split_setting, value_of
from ml_platform.spec.pipeline import ModelPipeline

OPEN = ("trainer", "split", "examples", "features", "transforms", "gates")
_CLOSED = {
    "tables": "an experiment reads the validated rows as they are",
    "partitions": "an experiment reads the partitions as they are",
    "retrain": "it says when a training takes place, and not which model comes of it",
    "drift": "it changes no training",
    "name": "an experiment belongs to its pipeline",
    "owners": "it changes no training",
    "description": "it changes no training",
}


@dataclass(frozen=True)
class Variant:
    """A changed declaration.

    data:  the changes without the dropped features: what its training set is made by.
    model: with all changes: what is trained and judged.
    """

    data: ModelPipeline
    model: ModelPipeline


def variants(
    base: ModelPipeline,
    settings: Sequence[str] = (),
    dropped: Sequence[str] = (),
    *,
    values: Mapping[str, Any] | None = None,
) -> list[Variant]:
    """One variant for each combination of the settings' values.

    settings: texts such as "trainer.num_leaves=31,63". dropped: patterns of features and inputs such as "weather__*".
    values:   path → value, for what has no text, such as an expression.

    Raises DeclarationError, which names the path and what is allowed, for a path that leads nowhere, a value that its
    word refuses, and a pattern that fits nothing.
    """
    parsed = [split_setting(text) for text in settings]
    twice = next((path for path, _ in parsed if [path for path, _ in parsed].count(path) > 1), None)
    if twice is not None:
        raise DeclarationError(
            f"--set {twice}", "it is given twice", remedy=f"Write its values in one: {twice}=VALUE,VALUE."
        )
    result = []
    for combination in product(*(texts for _, texts in parsed)):
        chosen = {path: value_of(text, path) for (path, _), text in zip(parsed, combination, strict=True)}
        result.append(_variant(base, {**(values or {}), **chosen}, dropped))
    return result


def _variant(base: ModelPipeline, values: Mapping[str, Any], dropped: Sequence[str]) -> Variant:
    changed = base
    for path, value in values.items():
        changed = _set(changed, path, value)
    # What the model does not see is in the training set all the same, so that excluding an input makes no new one.
    excluded = [name for name in base.examples.exclude if name in changed.examples.inputs]
    data = replace(changed, examples=replace(changed.examples, exclude=excluded))
    return Variant(data, without(changed, dropped))


def _set(pipeline: ModelPipeline, path: str, value: Any) -> ModelPipeline:
    first, *_ = steps = path.split(".")
    if first in _CLOSED:
        raise DeclarationError(path, f"it cannot be tried: {_CLOSED[first]}", remedy=f"Open: {', '.join(OPEN)}.")
    changed: ModelPipeline = _replaced(pipeline, steps, value, path)
    return changed


def _replaced(there: Any, steps: Sequence[str], value: Any, path: str) -> Any:
    """`there` with the value at the end of the path. Every word on the way is made anew, which checks it."""
    first, *rest = steps
    if isinstance(there, Mapping):
        return {**there, first: value if not rest else _replaced(there.get(first, {}), rest, value, path)}
    if isinstance(there, list | tuple):
        index = _index(there, first, path)
        new = value if not rest else _replaced(there[index], rest, value, path)
        return (*there[:index], new, *there[index + 1 :])
    if not is_dataclass(there):
        raise DeclarationError(path, f"{_name(there)} has no {first!r}", remedy="The path ends before it.")
    names = [field.name for field in fields(there) if field.init]
    if first not in names:
        allowed = f"{did_you_mean(first, names)} It has {', '.join(names)}.".strip()
        raise DeclarationError(path, f"{_name(there)} has no {first!r}", remedy=allowed)
    new = value if not rest else _replaced(getattr(there, first), rest, value, path)
    try:
        return replace(there, **{first: new})  # type: ignore[type-var]  # a class is none of what words hold
    except DeclarationError as error:
        where = path if error.where == path else f"{path} ({error.where})"
        raise DeclarationError(where, error.problem, remedy=error.remedy) from None


def _index(there: Sequence[Any], step: str, path: str) -> int:
    """The position in a list: a number from 0, or what the word there is called by, if only one is."""
    if step.isdecimal() and int(step) < len(there):
        return int(step)
    names = [_called(one) for one in there]
    if names.count(step) == 1:
        return names.index(step)
    listed = ", ".join(f"{index} ({name})" for index, name in enumerate(names))
    problem = f"{step!r} fits {names.count(step)} of them" if step in names else f"there is no {step!r}"
    raise DeclarationError(path, problem, remedy=f"By number: {listed}.")


def _called(word: Any) -> str:
    return str(getattr(word, "short_name", None) or getattr(word, "table", None) or _name(word))


def _name(there: Any) -> str:
    return type(there).__name__


def without(pipeline: ModelPipeline, patterns: Sequence[str]) -> ModelPipeline:
    """The pipeline whose model does not see the columns that fit a pattern: inputs are excluded, features are gone.

    Transforms lose these columns, too.

    A Lookup or Latest takes fewer columns, a Window is divided where its aggregates keep different spans. Raises
    DeclarationError for a pattern that fits nothing, and where another feature reads what is dropped.
    """
    columns, dropped = list(pipeline.model_columns), set[str]()
    for pattern in patterns:
        fitting = {name for name in columns if fnmatchcase(name, pattern)}
        if not fitting:
            meant = did_you_mean(pattern, columns)
            raise DeclarationError(
                f"--drop-feature {pattern}",
                "it fits no column of the model",
                remedy=f"{meant} Columns: {', '.join(columns)}.".strip(),
            )
        dropped |= fitting
    if not dropped:
        return pipeline
    inputs = [name for name in pipeline.examples.inputs if name in dropped]
    features = [left for feature in pipeline.features for left in feature.without(dropped)]
    transforms = [left for one in pipeline.transforms if (left := one.without(dropped)) is not None]
    try:
        return replace(
            pipeline,
            examples=replace(pipeline.examples, exclude=(*pipeline.examples.exclude, *inputs)),
            features=features,
            transforms=transforms,
        )
    except DeclarationError as error:
        raise DeclarationError(
            f"--drop-feature {' '.join(patterns)}",
            f"another part of the declaration needs what is dropped: {error.where}: {error.problem}",
            remedy="Drop that, too, or keep what it reads.",
        ) from None
