"""Whatever `clean` and a contract use is part of the content key, or refused by name (S31)."""

# ruff: noqa: E501  # small programs, each on one line

import importlib
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from ml_platform.errors import DeclarationError
from ml_platform.spec.canonical import content_key
from ml_platform_tests.spec.code_changes import CHANGES, CONTRACTS, Change

ALL = {**CHANGES, **CONTRACTS}
NAMES = {name: f"changing_{number}" for number, name in enumerate(ALL)}


def _keys(folder: Path, *, changed: bool, seed: str) -> dict[str, str]:
    """The keys that another process gives to all modules, with another seed of Python's hashes."""
    folder.mkdir()
    for name, change in ALL.items():
        for file, text in change.files(NAMES[name], changed=changed).items():
            (folder / file).write_text(text)
    program = [sys.executable, "-m", "ml_platform_tests.spec.print_keys", str(folder)]
    done = subprocess.run(
        program, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONHASHSEED": seed}
    )
    keys: dict[str, str] = json.loads(done.stdout)
    return keys


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """Module → key: in two processes before the change, and in one after it."""
    folder = tmp_path_factory.mktemp("changes")
    return {
        "before": _keys(folder / "before", changed=False, seed="1"),
        "before, elsewhere": _keys(folder / "elsewhere", changed=False, seed="2"),
        "after": _keys(folder / "after", changed=True, seed="1"),
    }


@pytest.mark.parametrize("name", ALL)
def test_a_change_of_what_is_used_changes_the_key(keys: dict[str, dict[str, str]], name: str) -> None:
    before, after = keys["before"][NAMES[name]], keys["after"][NAMES[name]]
    assert len(before) == len(after) == 64, f"{before}\n{after}"  # else it is the trace of a refusal
    assert before != after


@pytest.mark.parametrize("name", ALL)
def test_the_key_is_the_same_in_every_process_and_folder(keys: dict[str, dict[str, str]], name: str) -> None:
    assert keys["before"][NAMES[name]] == keys["before, elsewhere"][NAMES[name]]


UNUSED = {
    "another constant": Change("USED = {'a'}\nOTHER = OLD\ndef clean(f): return USED", "1", "2"),
    "another function of a module": Change(
        "import HELPERS as m\ndef clean(f): return m.h(f)", "1", "2", "def h(f): return 1\ndef other(): return OLD"
    ),
    "lines above": Change("OLD\nR = {'a'}\ndef clean(f): return R", "", "# why\n\n"),
    "the order of a set": Change("S = {OLD}\ndef clean(f): return S", "'a', 'b'", "'b', 'a'"),
    "how a frame was made": Change(
        "F = OLD\ndef clean(f): return F",
        "pl.DataFrame({'v': [1, None]})",
        "pl.concat([pl.DataFrame({'v': [1]}), pl.DataFrame({'v': [None]}, schema={'v': pl.Int64})])",
    ),
}


@pytest.mark.parametrize("name", UNUSED)
def test_what_is_not_used_does_not_count(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [_key(UNUSED[name], tmp_path / str(changed), monkeypatch, changed=changed) for changed in (False, True)]
    assert keys[0] == keys[1]


def _key(change: Change, folder: Path, monkeypatch: pytest.MonkeyPatch, *, changed: bool = False) -> str:
    folder.mkdir()
    for file, text in change.files("unchanging", changed=changed).items():
        (folder / file).write_text(text)
    with monkeypatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.syspath_prepend(str(folder))
        for module in ("unchanging", "unchanging_helpers"):
            patch.delitem(sys.modules, module, raising=False)
        try:
            module = importlib.import_module("unchanging")
            return content_key(module.clean if hasattr(module, "clean") else module.S)
        finally:
            for name in ("unchanging", "unchanging_helpers"):
                sys.modules.pop(name, None)


REFUSED = {
    "a lazy frame": ("L = pl.LazyFrame({'a': [1]})\ndef clean(f): return f.join(L)", r"uses unchanging.L, a LazyFrame"),
    "a connection": (
        "import sqlite3\nDB = sqlite3.connect(':memory:')\ndef clean(f): return DB.execute('x')",
        r"uses unchanging.DB, a sqlite3.Connection, which has no canonical form",
    ),
    "a lock in an object": (
        "import threading\nclass C:\n    def __init__(self): self.lock = threading.Lock()\nI = C()\ndef clean(f): return I",
        r"uses unchanging.I\['lock'\], a _thread.lock",
    ),
    "a generator": ("G = (i for i in range(3))\ndef clean(f): return next(G)", r"uses unchanging.G, a generator"),
    "an expression that calls Python": (
        "def h(x): return x\nE = pl.col('a').map_elements(h, return_dtype=pl.Int64)\ndef clean(f): return f.select(E)",
        r"unchanging.E: the expression calls a Python function.*Build the expression inside the function",
    ),
    "a column of objects": (
        "F = pl.DataFrame({'o': [object()]}, schema={'o': pl.Object})\ndef clean(f): return F",
        r"unchanging.F: the columns o hold Python objects",
    ),
    "a module as a value": ("import HELPERS as m\ndef clean(f): return getattr(m, 'x')", r"as a value"),
    "a folder": ("P = Path(__file__).parent\ndef clean(f): return P", r"unchanging.P, the folder .*needs="),
    "a global that it assigns": ("N = 0\ndef clean(f):\n    global N\n    N += 1\n    return N", r"assigns N outside"),
    "a variable around it that it assigns": (
        "def make():\n    n = 0\n    def clean(f):\n        nonlocal n\n        n += 1\n        return n\n    return clean\n"
        "clean = make()",
        r"assigns n outside",
    ),
    "the environment": (
        "import os\ndef clean(f): return f * float(os.environ['RATE'])",
        r"unchanging.clean: it uses os.environ, which reads the environment, .*Read the variable where the module loads",
    ),
    "the environment by name": ("from os import environ as e\ndef clean(f): return e['x']", r"reads the environment"),
    "getenv in a helper": (
        "import os\nclass C:\n    def f(self): return os.getenv('x')\ndef clean(f): return C().f()",
        r"os.getenv",
    ),
    "a file": ("def clean(f): return open('x')", r"uses builtins.open, which reads files.*needs="),
    "a file by polars": (
        "def clean(f): return f.join(pl.read_csv('x.csv'))",
        r"uses polars.read_csv, which reads files",
    ),
    "a file by a path": ("def clean(f): return Path('x').read_text()", r"Path.*, which reads files"),
    "the clock": ("def clean(f): return datetime.datetime.now()", r"datetime.datetime.now, which reads the clock"),
    "the clock by name": ("from datetime import date\ndef clean(f): return date.today()", r"reads the clock"),
    "the time": ("import time\ndef clean(f): return [time.time() for _ in f]", r"time.time, which reads the clock"),
    "chance": ("import random\ndef clean(f): return random.random()", r"draws random numbers.*with a seed"),
    "chance imported inside": (
        "def clean(f):\n    import random as r\n    return r.choice(f)",
        r"draws random numbers",
    ),
    "chance of numpy": ("def clean(f): return np.random.normal()", r"numpy.random.normal, which draws random numbers"),
    "a generator without a seed": ("def clean(f): return np.random.default_rng().normal()", r"draws random numbers"),
    "a generator of the module": (
        "R = np.random.default_rng(7)\ndef clean(f): return R.normal()",
        r"unchanging.R, which draws random numbers",
    ),
    "an identifier by chance": ("from uuid import uuid4\ndef clean(f): return uuid4()", r"draws random numbers"),
    "another machine": ("import urllib.request\ndef clean(f): return urllib.request.urlopen('x')", r"another process"),
    "code in a text": ("def clean(f): return eval('1')", r"runs code that cannot be looked at"),
}


@pytest.mark.parametrize(("text", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_has_no_canonical_form_is_refused_by_name(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DeclarationError, match=said):
        _key(Change(text, "1", "2"), tmp_path / "refused", monkeypatch)


ALLOWED = {
    "numbers with a seed": "import random\ndef clean(f): return np.random.default_rng(7), random.Random(7).random()",
    "a logger": "import logging\nlog = logging.getLogger(__name__)\ndef clean(f): log.info('x'); return f",
    "a variable read where the module loads": "import os\nR = os.environ.get('NO_SUCH', '1')\ndef clean(f): return R",
    "a function that calls itself": "def h(n): return n and h(n - 1)\ndef clean(f): return h(3)",
    "a class that names itself": "class C:\n    def f(self): return C()\nI = C()\nC.one = I\ndef clean(f): return I",
    "a list that holds itself": "L = [1]\nL.append(L)\ndef clean(f): return L",
    "a cached property": "class C:\n    @functools.cached_property\n    def p(self): return 1\nI = C()\ndef clean(f): return I.p",
    "a rule that names its contract": (
        "class S(dy.Schema):\n    a = dy.Int64()\n    @dy.rule()\n"
        "    def r(cls): return pl.col('a').map_elements(lambda x: 'a' in S.column_names(), return_dtype=pl.Boolean)"
    ),
    "a data class that is generated": "@dataclass(order=True, slots=True)\nclass D:\n    a: int = 1\ndef clean(f): return D()",
    "a pattern of a path": "from pathlib import PurePosixPath\ndef clean(f): return PurePosixPath('a/b').stem",
}


@pytest.mark.parametrize("text", ALLOWED.values(), ids=ALLOWED.keys())
def test_what_has_a_form_is_taken(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = _key(Change(text, "1", "2"), tmp_path / "first", monkeypatch)
    assert first == _key(Change(text, "1", "2"), tmp_path / "second", monkeypatch)


def test_a_library_counts_by_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ml_platform.spec import code_forms

    change = Change("def clean(f): return np.log(f)", "1", "2")
    keys = []
    for number in ("2.0.1", "2.0.2"):
        with monkeypatch.context() as patch:
            patch.setattr(code_forms, "installed_version", lambda name, number=number: f"{name} {number}")
            keys.append(_key(change, tmp_path / number, monkeypatch))
    assert keys[0] != keys[1]


def test_a_file_that_was_edited_after_it_was_imported_keeps_the_key_of_what_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "edited_later.py"
    file.write_text("def clean(f): return 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module("edited_later")
    before = content_key(module.clean)
    file.write_text("def clean(f): return 2222\n")
    assert content_key(module.clean) == before
