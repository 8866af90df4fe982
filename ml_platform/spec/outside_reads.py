"""What a function must not read, because no content key can hold it: files, clocks, chance, the environment."""

import re
from typing import Any

_FILES = (
    "reads files, which are in no content key",
    "Read the file where the module loads, as a constant: its content then counts. "
    "Or declare it as a Table and name it in needs=.",
)
_ENVIRONMENT = (
    "reads the environment, which is in no content key",
    "Read the variable where the module loads, as a constant: its value then counts.",
)
_CLOCK = (
    "reads the clock, so the same rows would give another result each time",
    "Use a time column of the rows, or write the moment as a constant.",
)
_CHANCE = (
    "draws random numbers, so the same rows would give another result each time",
    "Draw them from a generator with a seed, made in the function: random.Random(7), numpy.random.default_rng(7).",
)
_ELSEWHERE = (
    "asks another process or machine, whose answer is in no content key",
    "Land its answer as a file, declare it as a Table and name it in needs=.",
)
_CODE = ("runs code that cannot be looked at", "Write the call itself.")

# Top-level module → what of it is refused, as a pattern of dotted names within it, and why.
_REFUSED: dict[str, list[tuple[str, tuple[str, str]]]] = {
    "builtins": [("open|input", _FILES), ("eval|exec|compile|__import__|globals", _CODE)],
    "io": [("open|FileIO", _FILES)],
    "importlib": [("import_module|reload", _CODE)],
    "os": [
        (r"environb?(\..*)?|getenvb?", _ENVIRONMENT),
        ("urandom|getrandom", _CHANCE),
        ("system|popen|spawn.*|exec.*", _ELSEWHERE),
        ("open|listdir|scandir|walk|stat|getcwd", _FILES),
    ],
    "posixpath": [("exists|isfile|isdir|getmtime|getsize", _FILES)],
    "pathlib": [(r"Path(\..*)?|PosixPath(\..*)?", _FILES)],
    "glob": [("i?glob", _FILES)],
    "time": [("time(_ns)?", _CLOCK)],
    "datetime": [(r"datetime\.(now|utcnow|today)|date\.today", _CLOCK)],
    "random": [(r"(?!Random$).*|Random\(\)", _CHANCE)],
    "numpy": [
        (r"random\.(?!(default_rng|Generator|RandomState|SeedSequence|PCG64|Philox)$).*", _CHANCE),
        (r"random\.(default_rng|RandomState|SeedSequence|PCG64|Philox)\(\)", _CHANCE),
        ("load|loadtxt|genfromtxt|fromfile|memmap", _FILES),
    ],
    "uuid": [("uuid1|uuid4", _CHANCE)],
    "secrets": [(".*", _CHANCE)],
    "polars": [("(read|scan)_.*", _FILES)],
    "pandas": [("read_.*", _FILES)],
    "pyarrow": [(r"(.*\.)?(read|open)_.*|(.*\.)?dataset", _FILES)],
    "duckdb": [("read_.*|connect", _FILES)],
    "sqlite3": [("connect", _ELSEWHERE)],
    "sqlalchemy": [("create_engine", _ELSEWHERE)],
    **{
        name: [(".*", _ELSEWHERE)]
        for name in ("subprocess", "socket", "requests", "httpx", "urllib3", "aiohttp", "boto3", "fsspec")
    },
    "urllib": [(r"request\..*", _ELSEWHERE)],
}
# Objects whose value is not settled when the module loads, by type.
_UNSETTLED = {
    "os._Environ": _ENVIRONMENT,
    "random.Random": _CHANCE,
    "numpy.Generator": _CHANCE,
    "numpy.RandomState": _CHANCE,
}


def refusal(path: str, value: Any, attributes: tuple[str, ...], *, bare_call: bool) -> tuple[str, str] | None:
    """Why a function must not use `value`, with the remedy; None when it may.

    Args:
        path: How the code names it, from its module: `numpy.random.normal`.
        value: The object of that name.
        attributes: What the code takes from it at once: `("now",)` of `datetime`.
        bare_call: Whether the code calls it without arguments.

    >>> refusal("os.getenv", __import__("os").getenv, (), bare_call=False)[0]
    'reads the environment, which is in no content key'
    """
    own = getattr(value, "__qualname__", None)
    if not isinstance(own, str):  # an object; polars.col answers to any name
        own = None
        unsettled = _UNSETTLED.get(f"{type(value).__module__.partition('.')[0]}.{type(value).__name__}")
        if unsettled is not None:
            return unsettled
    for spelling in {path, *_qualified(value, own)}:
        top, _, rest = spelling.removeprefix("_").partition(".")
        names = {rest, rest.rpartition(".")[2], ".".join([rest, *attributes[:1]])}
        wanted = names | ({f"{name}()" for name in names} if bare_call else set())
        for pattern, why in _REFUSED.get(top, ()):
            if any(re.fullmatch(pattern, name) for name in wanted):
                return why
    return None


def _qualified(value: Any, own: str | None) -> list[str]:
    """How the library itself names a function or class, whatever the code calls it."""
    if own is None:
        return []
    owner = getattr(value, "__self__", None)
    if isinstance(owner, type):  # a class method: datetime.now
        return [f"{owner.__module__}.{owner.__qualname__}.{value.__name__}"]
    modules = (getattr(value, "__module__", None), getattr(type(owner), "__module__", None))
    return [f"{module}.{own}" for module in modules if isinstance(module, str)]
