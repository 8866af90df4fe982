"""What a function's code refers to beyond its own variables: read from its bytecode, without running it."""

import dis
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import CodeType
from typing import Any, Literal, NamedTuple

_NO_MATTER = frozenset({"CACHE", "EXTENDED_ARG", "NOP", "PRECALL", "PUSH_NULL"})
_GLOBAL = frozenset({"LOAD_GLOBAL", "LOAD_NAME"})
_CELL = frozenset({"LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"})
_VARIABLE = _CELL | {"LOAD_FAST", "LOAD_FAST_BORROW", "LOAD_FAST_CHECK", "LOAD_NAME"}
_ATTRIBUTE = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
# From Python 3.13 on, one instruction may do two things with two variables.
_TWO_IN_ONE = {
    "LOAD_FAST_LOAD_FAST": ("LOAD_FAST", "LOAD_FAST"),
    "LOAD_FAST_BORROW_LOAD_FAST_BORROW": ("LOAD_FAST", "LOAD_FAST"),
    "STORE_FAST_LOAD_FAST": ("STORE_FAST", "LOAD_FAST"),
    "STORE_FAST_STORE_FAST": ("STORE_FAST", "STORE_FAST"),
}


class _Step(NamedTuple):
    """One instruction that does one thing: `argval` is what it is about, such as a name; `arg` its number."""

    opname: str
    argval: Any
    arg: int | None


@dataclass(frozen=True)
class Reference:
    """A name that the code loads, with the attributes that are taken from it at once: `helpers.rates.euro`.

    scope:       "global"; "closure", a variable of the function around it; "import", a module that it imports itself.
    bare_call:   whether it is called without arguments.
    """

    scope: Literal["global", "closure", "import"]
    name: str
    attributes: tuple[str, ...] = ()
    bare_call: bool = False


@dataclass
class References:
    """What a code object and the functions inside it refer to.

    loads:   the references, in a stable order.
    writes:  the names outside the function that it assigns.
    names:   every name that the bytecode holds, attributes included.
    """

    loads: list[Reference] = field(default_factory=list)
    writes: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)


def references(code: CodeType) -> References:
    """Everything that `code` refers to beyond its own variables.

    >>> [one.name for one in references((lambda rows: [abs(row) for row in rows]).__code__).loads]
    ['abs']
    """
    collected = References()
    _read(code, frozenset(code.co_freevars), {}, collected)
    collected.loads = sorted(set(collected.loads), key=lambda one: (one.scope, one.name, one.attributes, one.bare_call))
    return collected


def _read(code: CodeType, outer: frozenset[str], aliases: dict[str, str], collected: References) -> None:
    steps = list(_steps(code))
    aliases = {**aliases, **dict(_imports(steps, collected))}
    collected.names.update(code.co_names)
    for index, step in enumerate(steps):
        name = step.argval
        if step.opname in _GLOBAL:
            collected.loads.append(_followed("global", name, steps, index))
        elif step.opname in _VARIABLE and isinstance(name, str) and name in aliases:
            collected.loads.append(_followed("import", aliases[name], steps, index))
        elif step.opname in _CELL and name in outer:
            collected.loads.append(_followed("closure", name, steps, index))
        elif step.opname in ("STORE_GLOBAL", "DELETE_GLOBAL") or (step.opname == "STORE_DEREF" and name in outer):
            collected.writes.add(name)
    for const in code.co_consts:
        if isinstance(const, CodeType):
            _read(const, outer & frozenset(const.co_freevars), aliases, collected)


def _steps(code: CodeType) -> Iterator[_Step]:
    for step in dis.get_instructions(code):
        if step.opname in _TWO_IN_ONE:
            yield from (_Step(one, name, None) for one, name in zip(_TWO_IN_ONE[step.opname], step.argval, strict=True))
        elif step.opname not in _NO_MATTER:
            yield _Step(step.opname, step.argval, step.arg)


def _followed(scope: Any, name: str, steps: list[_Step], index: int) -> Reference:
    end = index + 1
    while end < len(steps) and steps[end].opname in _ATTRIBUTE:
        end += 1
    bare = end < len(steps) and steps[end].opname == "CALL" and steps[end].arg == 0
    return Reference(scope, name, tuple(step.argval for step in steps[index + 1 : end]), bare)


def _imports(steps: list[_Step], collected: References) -> Iterator[tuple[str, str]]:
    """The local names of imported modules; what is imported from a module is added to `collected`."""
    for index, step in enumerate(steps):
        if step.opname != "IMPORT_NAME":
            continue
        level, wanted = steps[index - 2].argval, steps[index - 1].argval
        if wanted:  # from module import wanted
            module = "." * level + step.argval
            collected.loads.extend(Reference("import", module, (name,)) for name in wanted)
            continue
        stored = next(i for i in range(index, len(steps)) if steps[i].opname.startswith("STORE_"))
        whole = any(other.opname == "IMPORT_FROM" for other in steps[index:stored])
        yield steps[stored].argval, step.argval if whole else step.argval.partition(".")[0]
