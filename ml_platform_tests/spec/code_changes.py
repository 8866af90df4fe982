"""Small modules with a `clean`, each before and after a change of something that it uses."""

# ruff: noqa: E501  # small programs, each on one line

from dataclasses import dataclass

_HEAD = """
import datetime, enum, functools, json, math, operator, re
from collections import OrderedDict, namedtuple
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo
import dataframely as dy
import numpy as np
import pandas as pd
import polars as pl
"""


@dataclass(frozen=True)
class Change:
    """A module, with `OLD` in its text, or in that of the modules that it imports, replaced by `new`."""

    text: str
    old: str
    new: str
    helpers: str = ""

    def files(self, name: str, *, changed: bool) -> dict[str, str]:
        """File name → text."""
        value = self.new if changed else self.old
        files = {f"{name}.py": _HEAD + self.text, f"{name}_helpers.py": _HEAD + self.helpers}
        return {file: text.replace("HELPERS", f"{name}_helpers").replace("OLD", value) for file, text in files.items()}


CHANGES = {
    "expression": Change("CENTS = pl.col('a') * OLD\ndef clean(f): return f.with_columns(CENTS)", "100", "1000"),
    "option of an expression": Change("R = pl.col('a').round(OLD)\ndef clean(f): return f.with_columns(R)", "1", "2"),
    "expression in a list": Change("E = [pl.col('a'), pl.lit(OLD)]\ndef clean(f): return f.select(E)", "1", "2"),
    "chain of when": Change("W = pl.when(pl.col('a') > OLD).then(1)\ndef clean(f): return f.select(W)", "1", "2"),
    "set": Change("S = {'a', 'b', 'OLD'}\ndef clean(f): return f.filter(pl.col('x').is_in(S))", "c", "d"),
    "frozenset of tuples": Change("S = frozenset({('a', 1), ('b', OLD)})\ndef clean(f): return S", "2", "3"),
    "frame": Change("F = pl.DataFrame({'k': ['a', None], 'v': [1, OLD]})\ndef clean(f): return f.join(F)", "2", "3"),
    "type of a frame": Change(
        "F = pl.DataFrame({'v': [1]}, schema={'v': pl.OLD})\ndef clean(f): return F", "Int8", "Int16"
    ),
    "series": Change("S = pl.Series(['a', 'OLD'])\ndef clean(f): return f.filter(pl.col('x').is_in(S))", "b", "c"),
    "pandas frame": Change("F = pd.DataFrame({'v': ['a', OLD]})\ndef clean(f): return F", "1", "'1'"),
    "array": Change("A = np.array([1.0, OLD])\ndef clean(f): return f.with_columns(x=A)", "2.0", "3.0"),
    "array of objects": Change("A = np.array(['a', OLD], dtype=object)\ndef clean(f): return A", "1", "'1'"),
    "class constant": Change("class C:\n    rate = OLD\ndef clean(f): return f * C.rate", "1.1", "1.2"),
    "computed class constant": Change("N = OLD\nclass C:\n    rate = N\ndef clean(f): return f * C.rate", "1", "2"),
    "inherited constant": Change(
        "class A:\n    rate = OLD\nclass B(A):\n    pass\ndef clean(f): return B.rate", "1", "2"
    ),
    "method of a class": Change(
        "class C:\n    @staticmethod\n    def f(x): return OLD\ndef clean(f): return C.f(f)", "1", "2"
    ),
    "helper of a method": Change(
        "def h(x): return OLD\nclass C:\n    @property\n    def p(self): return h(1)\ndef clean(f): return C().p",
        "1",
        "2",
    ),
    "dataclass": Change("@dataclass\nclass D:\n    rate: float = OLD\ndef clean(f): return D().rate", "1.0", "2.0"),
    "factory of a dataclass": Change(
        "def made(): return [OLD]\n@dataclass\nclass D:\n    rates: list = field(default_factory=made)\n"
        "def clean(f): return D()",
        "1",
        "2",
    ),
    "instance of a dataclass": Change(
        "@dataclass(frozen=True)\nclass D:\n    rate: float\nRATES = D(OLD)\ndef clean(f): return RATES.rate",
        "1.0",
        "2.0",
    ),
    "instance": Change(
        "class C:\n    def __init__(self, r): self.r = r\nI = C(OLD)\ndef clean(f): return f * I.r", "1", "2"
    ),
    "instance with slots": Change(
        "class C:\n    __slots__ = ('r',)\n    def __init__(self, r): self.r = r\nI = C(OLD)\ndef clean(f): return I.r",
        "1",
        "2",
    ),
    "named tuple": Change("P = namedtuple('P', 'a b')\nI = P(1, OLD)\ndef clean(f): return I.b", "1", "2"),
    "ordered dict": Change("O = OrderedDict(a=1, b=OLD)\ndef clean(f): return O['b']", "1", "2"),
    "closure": Change("def make(k):\n    def clean(f): return f * k\n    return clean\nclean = make(OLD)", "1", "2"),
    "closures of two helpers": Change(
        "def make(k):\n    return lambda f: f * k\none, two = make(OLD)\n".replace("make(OLD)", "make(1), make(OLD)")
        + "def clean(f): return one(two(f))",
        "2",
        "3",
    ),
    "default": Change("N = OLD\ndef clean(f, n=N): return f * n", "1", "2"),
    "keyword default": Change("N = OLD\ndef clean(f, *, n=N): return f * n", "1", "2"),
    "bound method": Change(
        "class C:\n    def __init__(self, r): self.r = r\n    def clean(self, f): return f * self.r\nclean = C(OLD).clean",
        "1",
        "2",
    ),
    "partial": Change("def scale(n, f): return f * n\nclean = functools.partial(scale, OLD)", "1", "2"),
    "function of a partial": Change(
        "def scale(n, f): return OLD\nclean = functools.partial(scale, 1)", "f * n", "f + n"
    ),
    "callable object": Change(
        "class C:\n    def __init__(self, r): self.r = r\n    def __call__(self, f): return f * self.r\nclean = C(OLD)",
        "1",
        "2",
    ),
    "lambda": Change("clean = lambda f: f * OLD", "1", "2"),
    "second lambda": Change("a = lambda f: 1\nb = lambda f: OLD\ndef clean(f): return a(b(f))", "1", "2"),
    "alias": Change(
        "def a(f): return 1\ndef b(f): return 2\nused, other = OLD\ndef clean(f): return used(other(f))", "a, b", "b, a"
    ),
    "imported function": Change("from HELPERS import h\ndef clean(f): return h(f)", "1", "2", "def h(f): return OLD"),
    "function of a module": Change(
        "import HELPERS as m\ndef clean(f): return m.h(f)", "1", "2", "def h(f): return OLD"
    ),
    "constant of a module": Change("import HELPERS as m\ndef clean(f): return m.R", "1", "2", "R = OLD"),
    "import inside": Change(
        "def clean(f):\n    from HELPERS import h\n    return h(f)", "1", "2", "def h(f): return OLD"
    ),
    "module imported inside": Change(
        "def clean(f):\n    import HELPERS as m\n    return [m.h(x) for x in f]", "1", "2", "def h(f): return OLD"
    ),
    "function behind a function": Change(
        "from HELPERS import h\ndef clean(f): return h(f)", "1", "2", "def h(f): return g(f)\ndef g(f): return OLD"
    ),
    "decorator": Change(
        "def twice(fn):\n    @functools.wraps(fn)\n    def w(f): return fn(f) * OLD\n    return w\n@twice\ndef clean(f): return f",
        "2",
        "3",
    ),
    "decorated helper": Change(
        "@functools.lru_cache\ndef h(x): return g(x)\ndef g(x): return OLD\ndef clean(f): return h(f)", "1", "2"
    ),
    "variant by type": Change(
        "@functools.singledispatch\ndef h(x): return 1\n@h.register\ndef _(x: int): return OLD\ndef clean(f): return h(f)",
        "1",
        "2",
    ),
    "attribute of a function": Change("def h(x): return h.rate\nh.rate = OLD\ndef clean(f): return h(f)", "1", "2"),
    "global in a nested function": Change(
        "R = OLD\ndef clean(f):\n    def g(x): return x * R\n    return g(f)", "1", "2"
    ),
    "global in a comprehension": Change("R = {1, OLD}\ndef clean(f): return [x for x in f if x in R]", "1", "2"),
    "shadowed builtin": Change("def max(x): return OLD\ndef clean(f): return max(f)", "1", "2"),
    "mapped function": Change(
        "def h(x): return OLD\ndef clean(f): return f.select(pl.col('a').map_elements(h, return_dtype=pl.Int64))",
        "1",
        "2",
    ),
    "enum": Change("class E(enum.Enum):\n    A = OLD\ndef clean(f): return E.A.value", "1", "2"),
    "member of an enum": Change(
        "class E(enum.StrEnum):\n    A = 'a'\n    B = 'b'\nM = E.OLD\ndef clean(f): return M", "A", "B"
    ),
    "pattern": Change("P = re.compile('OLD')\ndef clean(f): return P.match('x')", "a", "b"),
    "flags of a pattern": Change("P = re.compile('a', re.OLD)\ndef clean(f): return P.match('x')", "I", "M"),
    "date": Change("D = datetime.date(2024, 1, OLD)\ndef clean(f): return D", "1", "2"),
    "zone": Change("Z = ZoneInfo('Europe/OLD')\ndef clean(f): return Z", "Berlin", "London"),
    "moment in a zone": Change(
        "T = datetime.datetime(2024, 1, 1, tzinfo=ZoneInfo('Europe/OLD'))\ndef clean(f): return T", "Berlin", "London"
    ),
    "decimal": Change("D = Decimal('1.OLD')\ndef clean(f): return D", "0", "00"),
    "bytes": Change("B = b'OLD'\ndef clean(f): return B", "a", "b"),
    "file": Change("P = Path(__file__).with_name('HELPERS.py')\ndef clean(f): return P", "1", "2", "# OLD"),
    "order of a dict": Change(
        "D = {'a': {1}, OLD}\ndef clean(f): return list(D)", "'b': {2}, 'c': {3}", "'c': {3}, 'b': {2}"
    ),
    "function in a dict": Change("def h(x): return OLD\nD = {'h': h}\ndef clean(f): return D['h'](f)", "1", "2"),
    "function of a library": Change("from math import OLD as t\ndef clean(f): return t(f)", "sin", "cos"),
    "getter": Change("G = operator.itemgetter(OLD)\ndef clean(f): return G(f)", "1", "2"),
    "polars type": Change("T = pl.Datetime('OLD', 'UTC')\ndef clean(f): return f.cast(T)", "us", "ms"),
    "contract in clean": Change(
        "class S(dy.Schema):\n    a = dy.Int64(max=OLD)\ndef clean(f): return S.validate(f)", "1", "2"
    ),
}

CONTRACTS = {
    "rule": Change(
        "class S(dy.Schema):\n    a = dy.Int64()\n    @dy.rule()\n    def r(cls): return pl.col('a').round(OLD) > 1",
        "1",
        "2",
    ),
    "values of a rule": Change(
        "class S(dy.Schema):\n    a = dy.Int64()\n    @dy.rule()\n    def r(cls): return pl.col('a').is_in([1, 2, 3, OLD, 5, 6])",
        "4",
        "44",
    ),
    "constant of a rule": Change(
        "N = OLD\nclass S(dy.Schema):\n    a = dy.Int64()\n    @dy.rule()\n    def r(cls): return pl.col('a') > N",
        "1",
        "2",
    ),
    "function mapped in a rule": Change(
        "def h(x): return OLD\nclass S(dy.Schema):\n    a = dy.Int64()\n    @dy.rule()\n"
        "    def r(cls): return pl.col('a').map_elements(h, return_dtype=pl.Boolean)",
        "True",
        "False",
    ),
    "constant of a check": Change(
        "N = {OLD}\nclass S(dy.Schema):\n    a = dy.Int64(check=lambda c: c.is_in(N))", "1", "2"
    ),
    "partial as a check": Change(
        "def above(n, c): return c > n\nclass S(dy.Schema):\n    a = dy.Int64(check={'above': functools.partial(above, OLD)})",
        "1",
        "2",
    ),
    "checks by name": Change(
        "N = OLD\nclass S(dy.Schema):\n    a = dy.Int64(check={'above': lambda c: c > N})", "1", "2"
    ),
    "column class": Change(
        "class Even(dy.Int64):\n    def validation_rules(self, expr): return {'even': expr % OLD == 0}\n"
        "class S(dy.Schema):\n    a = Even()",
        "2",
        "4",
    ),
}
