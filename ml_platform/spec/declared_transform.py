"""What the word of a transform says about itself."""

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any, Self

import polars as pl

from ml_platform.errors import DeclarationError
from ml_platform.spec.tasks import Task
from ml_platform.spec.vocabulary import Several

Types = Mapping[str, pl.DataType]


class TransformWord:
    """A declared transform of columns of the model.

    Each becomes other columns, or one of the same name. A subclass has the field `columns`.
    """

    columns: str | Several[str]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that it transforms, also when `columns` is a single name."""
        return (self.columns,) if isinstance(self.columns, str) else tuple(self.columns)

    @property
    def keyed_as(self) -> dict[str, Any]:
        """The columns as a list in content keys, however they are written."""
        return {"columns": self.names}

    def misfit(self, dtype: pl.DataType) -> str:
        """What it needs where a column of that type does not fit, such as "a number"; empty where it fits."""
        return "" if is_number(dtype) else "a number"

    def outputs(self, types: Types, task: Task) -> dict[str, pl.DataType]:
        """The columns that take the place of its own and that a later transform may name, with their types."""
        return dict.fromkeys(self.names, pl.Float64())

    def without(self, dropped: Collection[str]) -> Self | None:
        """The transform of the other columns; None where none of them is left."""
        remaining = [name for name in self.names if name not in dropped]
        return dataclasses.replace(self, columns=remaining) if remaining else None  # type: ignore[type-var]  # a word is one

    def check_names(self) -> None:
        """Raise DeclarationError where no column is named, or one twice."""
        kind = type(self).__name__
        if not self.names:
            raise DeclarationError(kind, "it names no column", remedy="Name the columns that it transforms.")
        twice = sorted({name for name in self.names if self.names.count(name) > 1})
        if twice:
            raise DeclarationError(kind, f"it names {', '.join(twice)} twice", remedy="Name each column once.")

    def written(self) -> str:
        """The word as it is written in a declaration, without what is a default."""
        shown = [repr(self.names[0]) if len(self.names) == 1 else repr(list(self.names))]
        for field in dataclasses.fields(self):  # type: ignore[arg-type]  # a word is one
            value = getattr(self, field.name)
            default = getattr(field.default, "default", field.default)  # a `Field` of pydantic has it inside
            if field.name != "columns" and value != default:
                shown.append(f"{field.name}={value!r}")
        return f"{type(self).__name__}({', '.join(shown)})"


def is_number(dtype: pl.DataType) -> bool:
    """Whether a column of that type has numbers, of which truth values are 0 and 1."""
    return dtype.is_numeric() or dtype == pl.Boolean


def is_category(dtype: pl.DataType) -> bool:
    """Whether a column of that type has categories: texts, whole numbers and truth values."""
    return dtype.is_integer() or dtype in (pl.String, pl.Boolean)


def check_transforms(transforms: Several[TransformWord], types: Types, task: Task, where: str) -> None:
    """Raise DeclarationError for a column that does not exist or has an unfit type, where the transform stands.

    `types`: of the model's columns, before any transform.
    """
    types, used = dict(types), dict[str, str]()
    for index, transform in enumerate(transforms):
        kind = type(transform).__name__
        for name in transform.names:
            if name not in types:
                problem, remedy = _absent(name, types, used)
                raise DeclarationError(f"{where}[{index}] {kind}", problem, remedy=remedy)
            if needed := transform.misfit(types[name]):
                raise DeclarationError(
                    f"{where}[{index}] {kind}",
                    f"the column {name!r} is {types[name]}, and {kind} needs {needed}",
                    remedy="Name other columns, or derive what it needs (Derived).",
                )
        outputs = transform.outputs(types, task)
        clash = next((name for name in outputs if name in types and name not in transform.names), None)
        if clash is not None:
            raise DeclarationError(
                f"{where}[{index}] {kind}", f"the model has a column {clash!r} already", remedy="Give another name=."
            )
        for name in transform.names:
            del types[name]
            used[name] = kind
        types.update(outputs)


def _absent(name: str, types: Types, used: Mapping[str, str]) -> tuple[str, str]:
    if name in used:
        return f"{name!r} became other columns by {used[name]} before", "Name it in one of the two."
    return f"the model has no column {name!r}", f"Its columns: {', '.join(types)}."
