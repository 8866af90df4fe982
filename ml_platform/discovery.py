"""Finds declared pipelines by importing the modules that the settings name."""

import importlib
import importlib.util
import pkgutil
import re
import sysconfig
import traceback
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from pathlib import Path
from types import ModuleType
from typing import Any

from ml_platform import interrupts
from ml_platform.errors import DeclarationError
from ml_platform.settings import Settings
from ml_platform.shipped import PACKAGE, left_out
from ml_platform.spec.canonical import canonical
from ml_platform.spec.declarations import Broken, Declarations
from ml_platform.spec.partitions import Partitions
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.tables import Table

VARIABLE = "ML_PLATFORM_PIPELINES"
_NAME = re.compile(r"""\bModelPipeline\(\s*(?:name\s*=\s*)?["'](\w+)["']""")
_LIBRARY = tuple({sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")})


def declarations(settings: Settings | None = None) -> Declarations:
    """Everything that the settings name. A declaration is broken and harms no other when

    - its module does not import, or a word in it is refused;
    - it uses what has no canonical form (S31);
    - another pipeline has its name, or defines or partitions a shared table differently (S34): then both are.
    """
    settings = settings or Settings()
    broken: list[Broken] = []
    by_name: dict[str, dict[int, tuple[str, ModelPipeline]]] = {}
    hidden = left_out(settings)
    for address, value in _declared(settings.pipelines, broken):
        if value.name in hidden and address.startswith(f"{PACKAGE}."):
            continue
        by_name.setdefault(value.name, {}).setdefault(id(value), (address, value))
    loaded = _fitting({name: list(values.values()) for name, values in by_name.items()}, broken)
    return Declarations({name: pipeline for name, (_, pipeline) in loaded.items()}, tuple(broken), hidden)


def declarations_at(addresses: Iterable[str]) -> tuple[dict[str, ModelPipeline], tuple[Broken, ...]]:
    """The pipelines at `package.module:name`, by address and ordered by name, and the declarations that are broken.

    These are broken as in `declarations`, and so are two addresses of one pipeline.
    """
    broken: list[Broken] = []
    by_name: dict[str, list[tuple[str, ModelPipeline]]] = {}
    for address in addresses:
        try:
            pipeline = pipeline_at(address, named_by=f"pipeline: {address}")
        except DeclarationError as error:
            broken.append(Broken(address, (), error))
        else:
            by_name.setdefault(pipeline.name, []).append((address, pipeline))
    loaded = _fitting(by_name, broken)
    return dict(loaded.values()), tuple(broken)


def _fitting(
    by_name: Mapping[str, list[tuple[str, ModelPipeline]]], broken: list[Broken]
) -> dict[str, tuple[str, ModelPipeline]]:
    """The pipelines that load, by name, each with its module or address. The others are added to `broken`."""
    loaded: dict[str, tuple[str, ModelPipeline]] = {}
    for name, ((address, pipeline), *others) in sorted(by_name.items()):
        try:
            if others:
                modules = " and ".join([address, *(other for other, _ in others)])
                raise DeclarationError(
                    f"ModelPipeline({name!r})",
                    f"two pipelines have this name, in {modules}",
                    remedy="Rename one, or remove it where it is named twice.",
                )
            check_forms(pipeline)
        except DeclarationError as error:
            broken.append(Broken(address, (name,), error))
        else:
            loaded[name] = (address, pipeline)
    for name, conflict in _conflicts({name: pipeline for name, (_, pipeline) in loaded.items()}).items():
        broken.append(Broken(loaded.pop(name)[0], (name,), conflict))
    return loaded


def pipelines(settings: Settings | None = None) -> dict[str, ModelPipeline]:
    """Every declared pipeline that loads by name, ordered by name."""
    return declarations(settings).pipelines


def find(name: str, settings: Settings | None = None) -> ModelPipeline:
    """The pipeline of that name. Raises as `Declarations.find`."""
    return declarations(settings).find(name)


def _conflicts(loaded: Mapping[str, ModelPipeline]) -> dict[str, DeclarationError]:
    """The pipelines whose shared tables do not fit those of another, with the error."""
    try:
        check_shared_tables(loaded.values())
    except DeclarationError:
        pass
    else:
        return {}
    errors: dict[str, DeclarationError] = {}
    for one, other in combinations(loaded.values(), 2):
        try:
            check_shared_tables((one, other))
        except DeclarationError as error:
            errors.setdefault(one.name, error)
            errors.setdefault(other.name, error)
    return errors


def check_forms(pipeline: ModelPipeline) -> None:
    """Raise DeclarationError when its partitions, or a table's contract or `clean`, have no canonical form (S31).

    It is asked when all modules are imported: a function may use what its module defines after the table.
    """
    _form(f"ModelPipeline({pipeline.name!r}).partitions", pipeline.partitions)
    for table in pipeline.tables:
        for name in ("contract", "clean"):
            _form(f"Table({table.name!r}).{name}", getattr(table, name))


def _form(where: str, value: Any) -> Any:
    """The canonical form. Whatever prevents it is a DeclarationError: it runs code of the declaration, too."""
    try:
        return canonical(value)
    except DeclarationError as error:
        raise DeclarationError(where, f"{error.where}: {error.problem}", remedy=error.remedy) from error
    except Exception as error:
        interrupts.stop_if_arrived()
        remedy = "Use values that ml_platform can write down, and code that loads without errors."
        raise DeclarationError(where, f"{type(error).__name__}: {error}", remedy=remedy) from error


def check_shared_tables(declared: Iterable[ModelPipeline]) -> dict[str, Table]:
    """The tables of all pipelines by name. Raises DeclarationError for unequal definitions of one (S34)."""
    tables: dict[str, tuple[Table, ModelPipeline]] = {}
    for pipeline in declared:
        for table in pipeline.tables:
            first, owner = tables.setdefault(table.name, (table, pipeline))
            if first is table:
                continue
            mine, theirs = (_form(f"Table({table.name!r})", one) for one in (table, first))
            differing = sorted(name for name in mine if mine[name] != theirs[name])
            if differing:
                raise DeclarationError(
                    f"Table({table.name!r})",
                    f"{owner.name} and {pipeline.name} define it differently ({', '.join(differing)})",
                    remedy="Import one definition in both, or rename one.",
                )
    slices_of(declared)
    return {name: table for name, (table, _) in tables.items()}


def slices_of(declared: Iterable[ModelPipeline]) -> dict[str, Partitions | None]:
    """The partitions of each table, which are those of its pipelines; None for an unpartitioned table.

    Tables without event time are unpartitioned. Raises DeclarationError when two pipelines partition a table
    differently, or only one of them does.
    """
    slices: dict[str, Partitions | None] = {}
    users: dict[str, ModelPipeline] = {}
    for pipeline in declared:
        slices |= pipeline.slices
        for table in pipeline.tables:
            first = users.setdefault(table.name, pipeline) if table.event_time else pipeline
            if canonical(first.partitions) == canonical(pipeline.partitions):
                continue
            problem = "two pipelines partition it differently"
            if first.partitions is None or pipeline.partitions is None:
                sliced, whole = (first, pipeline) if first.partitions else (pipeline, first)
                problem = f"{sliced.name} partitions it and {whole.name} has no partitions"
            raise DeclarationError(f"Table({table.name!r})", problem, remedy="Give both pipelines the same partitions.")
    return slices


def pipeline_at(address: str, *, named_by: str = VARIABLE) -> ModelPipeline:
    """The pipeline at `package.module:name`.

    Raises DeclarationError when there is none; it names `named_by`, the setting that holds the address,
    or the file and line in the module where importing it failed.
    """
    module_name, _, name = address.partition(":")
    if not all(part.isidentifier() for part in (*module_name.split("."), name)):
        raise DeclarationError(named_by, f"{address!r} is not an address", remedy="Write package.module:name.")
    module = _imported(module_name, named_by)
    value = vars(module).get(name)
    if isinstance(value, ModelPipeline):
        return value
    there = sorted(other for other, item in vars(module).items() if isinstance(item, ModelPipeline))
    problem = f"{address!r} is not a ModelPipeline but {value!r:.60}"
    if name not in vars(module):
        problem = f"there is no {name!r} in {module.__file__ or module_name}"
    raise DeclarationError(
        named_by, problem, remedy=f"Pipelines there: {', '.join(there) or 'none; declare a ModelPipeline'}."
    )


def _declared(names: Iterable[str], broken: list[Broken]) -> Iterator[tuple[str, ModelPipeline]]:
    """The pipelines of modules, of packages with their modules, and at addresses, each with its module.

    What does not load is added to `broken`.
    """
    for name in names:
        if ":" in name:
            try:
                yield name.partition(":")[0], pipeline_at(name)
            except DeclarationError as error:
                broken.append(Broken(name, (), error))
            continue
        package = _loaded(name, broken)
        if package is None:
            continue
        inner = [f"{name}.{submodule.name}" for submodule in pkgutil.iter_modules(getattr(package, "__path__", []))]
        for address, module in [(name, package), *((one, _loaded(one, broken)) for one in inner)]:
            if module is not None:
                yield from ((address, value) for value in vars(module).values() if isinstance(value, ModelPipeline))


def _loaded(name: str, broken: list[Broken]) -> ModuleType | None:
    try:
        return _imported(name)
    except DeclarationError as error:
        broken.append(Broken(name, _named_in(name), error))
        return None


def _named_in(module: str) -> tuple[str, ...]:
    """The names of the pipelines in the text of a module that does not import; empty when it tells none.

    To find the text, Python runs the packages around the module: one of them may be what fails.
    """
    try:
        spec = importlib.util.find_spec(module)
        text = Path(spec.origin).read_text() if spec and spec.origin else ""
    except (Exception, SystemExit):  # the error of the module itself is on record already
        return ()
    return tuple(dict.fromkeys(_NAME.findall(text)))


def _imported(name: str, named_by: str = VARIABLE) -> ModuleType:
    """Import the module. A failure becomes a DeclarationError with its file and line."""
    try:
        return importlib.import_module(name)
    except DeclarationError as error:
        location = _location(error)
        if not location:
            raise
        raise DeclarationError(f"{location}: {error.where}", error.problem, remedy=error.remedy) from error
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise DeclarationError(
                named_by,
                f"there is no module {name!r}",
                remedy="Name importable modules, as a JSON list."
                if named_by == VARIABLE
                else "Name one that can be imported.",
            ) from error
        remedy = "Install it, or correct the import."
        raise DeclarationError(_location(error) or name, str(error), remedy=remedy) from error
    except SyntaxError as error:
        raise DeclarationError(
            f"{error.filename}, line {error.lineno}", f"this is not Python: {error.msg}", remedy="Correct the line."
        ) from error
    except (Exception, SystemExit) as error:
        interrupts.stop_if_arrived()
        raise DeclarationError(
            _location(error) or name,
            f"{type(error).__name__}: {error}",
            remedy="The module must import without errors.",
        ) from error


def _location(error: BaseException) -> str:
    """File and line of a failure: the innermost frame outside the platform and installed libraries."""
    ours = str(Path(__file__).parent)
    declarations = str(Path(ours) / "pipelines")
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        own = frame.filename.startswith(ours) and not frame.filename.startswith(declarations)
        if not own and "site-packages" not in frame.filename and not frame.filename.startswith(("<", *_LIBRARY)):
            return f"{frame.filename}, line {frame.lineno}"
    return ""
