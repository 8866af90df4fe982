"""The canonical form of functions: their source, and everything of the user's own that it uses (S31).

Whatever a function can reach counts: functions, classes and constants of its module and of the modules that it
imports, closures, default arguments, the object of a bound method. What has no canonical form is refused by name, so
that no change goes unnoticed. Installed libraries count by the version of their distribution.
"""

import ast
import builtins
import importlib
import inspect
import json
import os
import textwrap
from collections.abc import Callable, Mapping
from types import CodeType, FunctionType, ModuleType
from typing import Any

from ml_platform.errors import DeclarationError
from ml_platform.spec.code_origins import STANDARD, library_of
from ml_platform.spec.code_references import Reference, references
from ml_platform.spec.installed import installed_version
from ml_platform.spec.outside_reads import refusal
from ml_platform.spec.value_forms import ValueForms, is_plain

SchemaForm = Callable[[Any, frozenset[int]], Any]

_SCREENING = frozenset({"polars", "dataframely", "duckdb"})  # their versions are in the key of screening
_sources: dict[int, tuple[CodeType, str]] = {}


def callable_form(function: Any, schema_form: SchemaForm, schemas: frozenset[int] = frozenset()) -> Any:
    """The form of a function, or of any object that is called like one.

    The source with that of the functions and plain constants that it uses, in a stable order; beside it under "uses"
    whatever else it uses. Without such things the form is `{"source": …}` alone, as in lakes of before.

    Args:
        function: What is called.
        schema_form: The form of a dataframely schema that the function uses.
        schemas: The ids of the schemas whose form is being made already.

    Raises:
        DeclarationError: For something that it uses and that has no canonical form, with the remedy.
    """
    home = getattr(function, "__module__", None) or type(function).__module__
    forms = CodeForms(home, schema_form, schemas)
    form = forms.of_callable(function)
    source = "\n".join(forms.sources[name] for name in sorted(forms.sources)) or form
    return {"source": source, **({"uses": forms.uses} if forms.uses else {})}


class CodeForms:
    """The forms of everything that one callable reaches.

    sources: qualified name → source of a function, or `name = value` of a plain constant.
    uses:    qualified name → form of anything else.
    """

    def __init__(self, home: str, schema_form: SchemaForm, schemas: frozenset[int]) -> None:
        self.sources: dict[str, str] = {}
        self.uses: dict[str, Any] = {}
        self.values = ValueForms(self)
        self._home, self._schema_form, self._schemas = home, schema_form, schemas
        self._functions: dict[int, tuple[FunctionType, str]] = {}
        self._reader = ""  # the function whose references are followed, for errors

    # -- callables -----------------------------------------------------------------------

    def of_callable(self, function: Any) -> Any:
        """The form of the callable that everything starts from."""
        if isinstance(function, FunctionType):
            self.function(function)
            return ""
        self._reader = _called(function)
        if getattr(function, "__self__", None) in (None, builtins) and not isinstance(function, type):
            name = f"{function.__module__}.{function.__qualname__}" if hasattr(function, "__qualname__") else ""
            if name and library_of(function.__module__, self._home) is not None:
                return name  # a builtin, as before
        self.uses["called"] = self.values.form(function, self._reader)
        return ""

    def function(self, function: FunctionType) -> str:
        """Follow a function of the user's own; the name under which its source is kept."""
        if id(function) in self._functions:
            return self._functions[id(function)][1]
        code, module = function.__code__, function.__globals__.get("__name__", function.__module__)
        name, number = f"{module}.{code.co_qualname}", 1
        while name in self.sources:  # two functions of one name, such as lambdas
            name, number = f"{module}.{code.co_qualname}#{number}", number + 1
        self._functions[id(function)] = function, name
        self.sources[name] = source = _source(code, module)
        before, self._reader = self._reader, name
        self._follow(function, module)
        self._bound(function, name, source)
        self._reader = before
        return name

    def _follow(self, function: FunctionType, module: str) -> None:
        code, scope = function.__code__, function.__globals__
        read = references(code)
        if read.writes:
            raise self.refuse(
                f"it assigns {', '.join(sorted(read.writes))} outside itself, so its result depends on what ran before",
                "Return the value, or compute it where the module loads.",
            )
        cells = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
        for one in read.loads:
            if one.scope == "global":
                self._global(one, scope, module)
            elif one.scope == "import":
                imported = self._imported(one.name, scope.get("__package__"))
                self._chain(imported, getattr(imported, "__name__", one.name), one)
            elif (cell := _content(cells.get(one.name))) is not _EMPTY:
                self._chain(cell, f"{self._reader}.{one.name}", one)
        # Attributes of the same name counted in lakes of before, and their keys stay.
        for name in sorted(read.names - {one.name for one in read.loads}):
            item = scope.get(name)
            plain = isinstance(item, str | int | float | bool | tuple | list | dict) and is_plain(item)
            if not hasattr(builtins, name) and (
                plain or (isinstance(item, FunctionType) and item.__module__ == module)
            ):
                self.named(f"{module}.{name}", item)

    def _global(self, one: Reference, scope: Mapping[str, Any], module: str) -> None:
        if one.name in scope:
            self._chain(scope[one.name], f"{module}.{one.name}", one)
        elif hasattr(builtins, one.name):
            self._check(f"builtins.{one.name}", getattr(builtins, one.name), one.attributes, one)

    def _chain(self, value: Any, path: str, one: Reference) -> None:
        """Follow `value`, and of a module only what is taken from it."""
        rest, library = list(one.attributes), None
        while isinstance(value, ModuleType) and rest and hasattr(value, rest[0]):
            library = library_of(value.__name__, self._home)
            if library is not None:
                self._alias(path, value)
            path, value = f"{value.__name__}.{rest[0]}", getattr(value, rest.pop(0))
        self._check(path, value, tuple(rest), one)
        if isinstance(value, ModuleType):
            self._module(value, path)
        elif library is not None:
            self.add_library(library)
        else:
            self.named(path, value)

    def _check(self, path: str, value: Any, attributes: tuple[str, ...], one: Reference) -> None:
        why = refusal(path, value, attributes, bare_call=one.bare_call)
        if why is not None:
            taken = ".".join([path, *attributes[:1]]) if callable(value) else path
            raise self.refuse(f"it uses {taken}, which {why[0]}", why[1])

    def _module(self, module: ModuleType, path: str) -> None:
        library = library_of(module.__name__, self._home)
        if library is None:
            raise self.refuse(
                f"it uses the module {module.__name__} as a value, so what it takes from it cannot be told",
                f"Name what it takes, such as `from {module.__name__} import name`, at the top of the file.",
            )
        self.add_library(library)
        self._alias(path, module)

    def _alias(self, path: str, module: ModuleType) -> None:
        """Note which module a name is, where the source does not say it."""
        name = module.__name__
        if name not in (path, path.rpartition(".")[2], "datetime", *_SCREENING):
            self.uses[path] = {"module": name}

    def _imported(self, name: str, package: str | None) -> Any:
        """The module that a function imports itself; None where it is not there: the function fails when called."""
        try:
            return importlib.import_module(name, package)
        except ImportError:
            return None
        except (Exception, SystemExit) as error:
            problem = f"it imports {name}, which fails: {type(error).__name__}: {error}"
            raise self.refuse(problem, "Mend the module, or take the import out.") from error

    # -- what is used --------------------------------------------------------------------

    def named(self, path: str, value: Any) -> None:
        """Keep what a function knows under a name."""
        name = path.rpartition(".")[2]
        if value is None or path in self.sources or path in self.uses:
            return
        if is_plain(value):
            self.sources[path] = f"{name} = {value!r}"
            return
        form = self.values.form(value, path)
        if form == {"function": path} or (isinstance(form, dict) and _says(form, name)):
            return
        self.uses[path] = form

    def add_library(self, library: str) -> None:
        """Note that code of a distribution is used."""
        if library not in (STANDARD, *_SCREENING):
            self.uses.setdefault("distributions", {})[library] = installed_version(library)

    def home_library(self, module: str) -> str | None:
        """As `library_of`, seen from the declaration."""
        return library_of(module, self._home)

    def schema(self, schema: Any) -> Any:
        """The form of a dataframely schema that is used."""
        if id(schema) in self._schemas:
            return {"schema": schema.__qualname__}
        return self._schema_form(schema, self._schemas)

    def refuse(self, problem: str, remedy: str) -> DeclarationError:
        """The error for something that the function at hand uses."""
        return DeclarationError(self._reader, problem, remedy=remedy)

    def _bound(self, function: FunctionType, name: str, source: str) -> None:
        """Values that were bound when the function was made: defaults that the source does not show, attributes."""
        defaults = dict(enumerate(function.__defaults__ or ())) | (function.__kwdefaults__ or {})
        if defaults and not _literal_defaults(source):
            self.uses[f"{name}(defaults)"] = {
                str(at): self.values.form(value, f"the default {value!r:.40}") for at, value in defaults.items()
            }
        attributes = {key: value for key, value in vars(function).items() if key != "__wrapped__"}
        if attributes:
            self.uses[f"{name}(attributes)"] = self.values.form(attributes, f"attributes of {name}")


class _Empty:
    """A variable of an enclosing function that has no value yet."""


_EMPTY = _Empty()


def _content(cell: Any) -> Any:
    try:
        return _EMPTY if cell is None else cell.cell_contents
    except ValueError:
        return _EMPTY


def _called(function: Any) -> str:
    kind = type(function)
    return str(getattr(function, "__qualname__", f"{kind.__module__}.{kind.__qualname__}"))


def _says(form: Mapping[str, Any], name: str) -> bool:
    """Whether the name in the source says already what of a library it is."""
    library = form.get("library")
    return isinstance(library, str) and library.rpartition(".")[2] == name and library.startswith(_SOURCE_SAYS)


_SOURCE_SAYS = ("polars.", "datetime.", "dataframely.", "duckdb.")


def _source(code: CodeType, module: str) -> str:
    """The source of a function of a module as it was when it was first asked for; its bytecode where there is none.

    A file may be edited while the process goes on with what it imported.
    """
    if id(code) not in _sources:
        if os.path.exists(code.co_filename):  # noqa: PTH110 - a Path costs more than the question
            # Else `inspect` looks through all modules for the one of this file, 50 ms, to ask its loader for the text.
            inspect.modulesbyfile.setdefault(code.co_filename, module)
        try:
            text = textwrap.dedent(inspect.getsource(code))
        except (OSError, TypeError):
            text = json.dumps(_bytecode(code), sort_keys=True)
        _sources[id(code)] = code, text
    return _sources[id(code)][1]


def _bytecode(code: CodeType) -> dict[str, Any]:
    consts = [_bytecode(const) if isinstance(const, CodeType) else _const(const) for const in code.co_consts]
    names = [code.co_names, code.co_varnames, code.co_freevars, code.co_argcount, code.co_kwonlyargcount, code.co_flags]
    return {"code": code.co_code.hex(), "names": names, "consts": consts, "handlers": code.co_exceptiontable.hex()}


def _const(const: Any) -> str:
    return f"frozenset({sorted(map(repr, const))})" if isinstance(const, frozenset) else repr(const)


def _literal_defaults(source: str) -> bool:
    """Whether the defaults of a function are all literals, which its source shows."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return False
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    lambdas = [node for node in ast.walk(tree) if isinstance(node, ast.Lambda)]
    if not functions and len(lambdas) != 1:
        return False
    arguments = (functions or lambdas)[0].args
    try:
        for node in (*arguments.defaults, *(node for node in arguments.kw_defaults if node is not None)):
            ast.literal_eval(node)
    except ValueError:
        return False
    return True
