"""The modules of the platform that a package needs, copied from its sources under another name."""

import ast
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

from ml_platform import __version__
from ml_platform.errors import ServingError
from ml_platform.spec.trainers import TRAINERS

ROOT = "ml_platform"
_ONLINE = f"{ROOT}.features.online"
ALWAYS = (  # modules that answering loads when it needs them, by a name that no module imports at its top
    *(f"{_ONLINE}.{name}" for name in ("picks", "versions", "windows")),
    *(f"{ROOT}.models.{module}" for module in TRAINERS.values()),
)


def vendored(roots: Iterable[str], package: str) -> dict[str, bytes]:
    """Path in the package → source of the platform's modules that `roots` and ALWAYS import, one after the other.

    package: its dotted name, such as `flight_delay_model._platform`, which stands for `ml_platform` in every import.

    Only imports at the top of modules are followed. Those that stand in functions and lead elsewhere belong to the
    batch and to training, which a package does without.
    """
    files = {f"{package.replace('.', '/')}/__init__.py": _ROOT_TEXT.encode()}
    for module in sorted(_closure([*roots, *ALWAYS])):
        path = _file(module)
        inside = module.replace(".", "/") + ("/__init__.py" if path.name == "__init__.py" else ".py")
        files[package.replace(".", "/") + inside.removeprefix(ROOT)] = _renamed(path, package).encode()
    return files


_ROOT_TEXT = f'''"""Modules of ml_platform that answer for the packaged model, as they were when it was packaged."""

__version__ = "{__version__}"
'''


def _closure(roots: Iterable[str]) -> set[str]:
    modules: set[str] = set()
    waiting = list(roots)
    while waiting:
        module = waiting.pop()
        if module == ROOT or module in modules:
            continue
        modules.add(module)
        waiting += [module.rpartition(".")[0], *_imported(module)]
    return modules


def _imported(module: str) -> Iterator[str]:
    """The modules of the platform that a module imports as it is loaded."""
    for node in _at_load(ast.parse(_file(module).read_text(encoding="utf-8")).body):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == ROOT:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if _is_module(inner) else str(node.module)


def _at_load(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run as a module is loaded, without those for the type checker."""
    for node in body:
        yield node
        if isinstance(node, ast.If):
            checking = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
            yield from _at_load(node.orelse if checking else [*node.body, *node.orelse])
        elif isinstance(node, ast.Try):
            yield from _at_load([*node.body, *node.orelse, *node.finalbody])
        elif isinstance(node, ast.With):
            yield from _at_load(node.body)


def _renamed(path: Path, package: str) -> str:
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import) and any(alias.name.partition(".")[0] == ROOT for alias in node.names):
            raise ServingError(
                f"{path}:{node.lineno} imports the platform as a name.", remedy="Write `from ml_platform… import …`."
            )
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == ROOT:
            line = lines[node.lineno - 1]
            lines[node.lineno - 1] = line.replace(f"from {ROOT}", f"from {package}", 1)
    return "".join(lines)


def _is_module(name: str) -> bool:
    parent = _file(name.rpartition(".")[0])
    if parent.name != "__init__.py":
        return False
    last = name.rpartition(".")[2]
    return (parent.parent / f"{last}.py").exists() or (parent.parent / last / "__init__.py").exists()


def _file(module: str) -> Path:
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise ServingError(f"The module {module} has no source file.", remedy="Install ml_platform unzipped.")
    return Path(spec.origin)
