"""The canonical form of values that a function uses: equal values have equal forms in every process (S31)."""

import copyreg
import dataclasses
import enum
import functools
import hashlib
import inspect
import json
import textwrap
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from types import (
    BuiltinFunctionType,
    FunctionType,
    GetSetDescriptorType,
    MappingProxyType,
    MemberDescriptorType,
    ModuleType,
)
from typing import Any, Protocol

import polars as pl

from ml_platform.errors import DeclarationError
from ml_platform.spec.exact_expressions import expression_digest
from ml_platform.spec.frame_forms import array_form, frame_form, pandas_form
from ml_platform.spec.outside_reads import refusal

_EXACT = (type(None), bool, int, float, complex, str, bytes, date, datetime, time, timedelta, Decimal)
_REMEDY = (
    "Make it inside the function, or use a constant of numbers, texts, dates, lists, sets, dicts, frames "
    "or expressions."
)


class Uses(Protocol):
    """What the forms of values ask about code."""

    def function(self, function: FunctionType) -> str:
        """Follow a function of the user's own; its name."""

    def add_library(self, library: str) -> None:
        """Note that code of a distribution is used."""

    def home_library(self, module: str) -> str | None:
        """The distribution of a module; None for the user's own code."""

    def schema(self, schema: Any) -> Any:
        """The form of a dataframely schema."""

    def refuse(self, problem: str, remedy: str) -> DeclarationError:
        """The error for something without a form."""


def is_plain(value: Any, depth: int = 20) -> bool:
    """Whether `repr` shows all of a value, the same in every process. It looks at most `depth` containers deep.

    >>> is_plain({"EWR": [1, 2.5]}), is_plain({"EWR"})
    (True, False)
    """
    kind = type(value)
    if kind in (tuple, list, dict):
        items = [*value, *value.values()] if kind is dict else value
        return depth > 0 and all(is_plain(item, depth - 1) for item in items)
    if kind in (datetime, time):
        return value.tzinfo is None
    return kind in _EXACT


class ValueForms:
    """The forms of the values that one callable reaches. `uses` follows the code among them."""

    def __init__(self, uses: Uses) -> None:
        self._uses = uses
        self._active: dict[int, int] = {}  # values whose form is being made: id → depth
        self._classes: dict[int, type] = {}  # whose form was made
        self._special: dict[type, Callable[[Any, str], Any]] = {
            set: self._set,
            frozenset: self._set,
            dict: self._dict,
            MappingProxyType: lambda value, label: self._dict(dict(value), label),
            functools._lru_cache_wrapper: lambda value, label: {"cached": self.form(value.__wrapped__, label)},
            pl.Expr: lambda value, label: {"expression": expression_digest(value, label)},
            pl.DataFrame: frame_form,
            pl.Series: lambda value, label: frame_form(value.to_frame(), label),
            pl.LazyFrame: self._lazy_frame,
        }

    def form(self, value: Any, label: str) -> Any:
        """The form of a value as JSON values.

        Args:
            value: Anything that a function uses.
            label: How an error names it.

        Raises:
            DeclarationError: For a value without a canonical form.
        """
        if is_plain(value):
            return {"value": repr(value) if not isinstance(value, bytes) else _digest(value)}
        if id(value) in self._active:
            return {"again": self._active[id(value)]}
        why = refusal("", value, (), bare_call=False)
        if why is not None:
            raise self._uses.refuse(f"it uses {label}, which {why[0]}", why[1])
        self._active[id(value)] = len(self._active)
        try:
            return self._form(value, label)
        finally:
            del self._active[id(value)]

    def _form(self, value: Any, label: str) -> Any:
        kind = type(value)
        if kind in (tuple, list):
            return {kind.__name__: [self.form(item, f"{label}[{index}]") for index, item in enumerate(value)]}
        if kind in self._special:
            return self._special[kind](value, label)
        if isinstance(value, type):
            return self._class(value, label)
        if isinstance(value, FunctionType):
            return self._function(value, label)
        if isinstance(value, ModuleType):
            return self._module(value, label)
        if isinstance(value, pl.Expr):  # when/then chains are expressions of other types
            return {"expression": expression_digest(value, label)}
        if isinstance(value, BuiltinFunctionType) and isinstance(value.__self__, ModuleType | None):
            return self._of_library(value.__module__ or "builtins", value.__qualname__, label)
        if isinstance(value, Path):
            return self._path(value, label)
        if isinstance(value, functools.cached_property):
            return {"cached": self.form(value.func, label)}
        if isinstance(value, property):
            accessors = (value.fget, value.fset, value.fdel)
            return {"property": [self.form(accessor, label) for accessor in accessors]}
        if isinstance(value, staticmethod | classmethod):
            return {kind.__name__: self.form(value.__func__, label)}
        top = kind.__module__.partition(".")[0]
        if top == "numpy" and kind.__name__ == "ndarray":
            return array_form(value, self.form, label)
        if top == "pandas" and kind.__name__ in ("DataFrame", "Series"):
            self._uses.add_library("pandas")
            return pandas_form(value, self.form, label)
        return self._instance(value, label)

    # -- collections ---------------------------------------------------------------------

    def _set(self, value: Any, label: str) -> Any:
        items = [self.form(item, f"{label} ({item!r:.40})") for item in value]
        return {"set": sorted(items, key=lambda item: json.dumps(item, sort_keys=True))}

    def _dict(self, value: dict[Any, Any], label: str) -> Any:
        return {"dict": [[self.form(n, label), self.form(item, f"{label}[{n!r:.40}]")] for n, item in value.items()]}

    def _lazy_frame(self, value: Any, label: str) -> Any:
        raise self._uses.refuse(
            f"it uses {label}, a LazyFrame, which may read files that no content key holds",
            f"Write {label.rpartition('.')[2]} = ….collect() where the module loads: its content then counts.",
        )

    # -- code ----------------------------------------------------------------------------

    def _function(self, value: FunctionType, label: str) -> Any:
        module = value.__globals__.get("__name__", value.__module__)
        if self._uses.home_library(module) is None:
            return {"function": self._uses.function(value)}
        form = self._of_library(module, value.__code__.co_qualname, label)
        bound: dict[str, Any] = {}
        if module == "functools" and "registry" in vars(value):  # singledispatch
            bound = {"registry": dict(vars(value)["registry"])}
        elif value.__closure__:
            bound = {
                name: cell.cell_contents
                for name, cell in zip(value.__code__.co_freevars, value.__closure__, strict=True)
                if cell.cell_contents is not value
            }
        return {**form, "closure": self.form(bound, f"the closure of {label}")} if bound else form

    def _module(self, value: ModuleType, label: str) -> Any:
        if self._uses.home_library(value.__name__) is None:
            raise self._uses.refuse(
                f"it uses {label}, the module {value.__name__}, as a value",
                f"Name what it takes from it, such as `from {value.__name__} import name`.",
            )
        return self._of_library(value.__name__, "", label)

    def _of_library(self, module: str, name: str, label: str) -> dict[str, Any]:
        library = self._uses.home_library(module)
        if library is None:
            raise self._uses.refuse(f"it uses {label}, compiled code of {module} without a version", _REMEDY)
        self._uses.add_library(library)
        return {"library": f"{module}.{name}".rstrip(".")}

    def _class(self, value: type, label: str) -> Any:
        if hasattr(value, "_validation_rules"):
            return {"schema": self._uses.schema(value)}
        module, name = value.__module__, value.__qualname__
        if self._uses.home_library(module) is not None:
            return self._of_library(module, name, label)
        if id(value) in self._classes:
            return {"class": f"{module}.{name}"}
        self._classes[id(value)] = value
        generated = dataclasses.is_dataclass(value) or hasattr(value, "__attrs_attrs__") or hasattr(value, "_fields")
        members = {
            member: self.form(item, f"{label}.{member}")
            for member, item in sorted(vars(value).items())
            if not _made_by_python(member, item, generated=generated, is_enum=isinstance(value, enum.EnumMeta))
        }
        if isinstance(value, enum.EnumMeta):
            members = {**members, "members": [[n, self.form(m.value, f"{label}.{n}")] for n, m in _members(value)]}
        if dataclasses.is_dataclass(value):
            factories = {f.name: f.default_factory for f in dataclasses.fields(value)}
            made_by_factory = {n: f for n, f in factories.items() if f is not dataclasses.MISSING}
            members["factories"] = self.form(made_by_factory, f"{label}'s fields")
        bases = [self.form(base, label) for base in (*value.__bases__, type(value)) if base not in (object, type)]
        return {"class": f"{module}.{name}", "source": _class_source(value), "members": members, "bases": bases}

    # -- objects -------------------------------------------------------------------------

    def _path(self, value: Path, label: str) -> Any:
        """A file by its content and name, wherever it lies."""
        if value.is_dir():
            raise self._uses.refuse(
                f"it uses {label}, the folder {value}, whose files are in no content key",
                "Name the files, or declare them as a Table and name it in needs=.",
            )
        if value.is_file():
            return {"file": value.name, "sha256": _digest(value.read_bytes())}
        return {"path": str(value)}

    def _instance(self, value: Any, label: str) -> Any:
        """An object by its class and the state that a copy of it would be made from."""
        try:
            reducer = copyreg.dispatch_table.get(type(value))
            reduced = reducer(value) if reducer is not None else value.__reduce_ex__(4)
        except Exception as error:  # an object may answer with any error that it cannot be copied
            raise self._unformed(value, label) from error
        if isinstance(reduced, str):
            return self._of_library(getattr(value, "__module__", None) or type(value).__module__, reduced, label)
        made_by, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
        if isinstance(state, dict):
            kept = {name for name, item in inspect.getmembers_static(type(value)) if _is_cache(item)}
            state = {name: item for name, item in state.items() if name not in kept}
        form = {
            "object": self.form(made_by, label),
            "arguments": [self.form(item, label) for item in arguments],
            "state": self.form(state, label),
        }
        more = {"items": list(items or ()), "pairs": [list(pair) for pair in pairs or ()]}
        return {**form, **{name: self.form(item, label) for name, item in more.items() if item}}

    def _unformed(self, value: Any, label: str) -> DeclarationError:
        kind = type(value)
        name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        return self._uses.refuse(
            f"it uses {label}, a {name}, which has no canonical form: a change of it would go unnoticed", _REMEDY
        )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _is_cache(item: Any) -> bool:
    return isinstance(item, functools.cached_property)


def _members(value: enum.EnumMeta) -> list[tuple[str, Any]]:
    return list(value.__members__.items())


def _made_by_python(name: str, item: Any, *, generated: bool, is_enum: bool) -> bool:
    """Whether a class member follows from the class's source: what the interpreter or a decorator adds."""
    if isinstance(item, MemberDescriptorType | GetSetDescriptorType) or name == "_abc_impl":
        return True
    function = getattr(item, "__func__", item)
    if isinstance(function, FunctionType):
        return generated and function.__code__.co_filename.startswith("<")
    if is_enum and (name.startswith("_") or isinstance(item, enum.Enum | enum.property)):
        return True
    return name.startswith("__") and name.endswith("__")


def _class_source(value: type) -> str:
    """The source of a class; empty for one that code made, whose members say all."""
    try:
        return textwrap.dedent(inspect.getsource(value))
    except (OSError, TypeError):
        return ""
