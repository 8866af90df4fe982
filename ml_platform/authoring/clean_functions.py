"""The functions that a draft's `clean` is made of. `new` reads a file by them and copies their source into the draft.

So what `new` says about a column is what the draft does. They use polars alone, because the draft has no other import.
"""

import inspect
from collections.abc import Callable, Iterable

import polars as pl

from ml_platform.authoring.python import call


def stripped(texts: pl.Expr) -> pl.Expr:
    """Strip blanks around texts. Blank texts become null."""
    return texts.str.strip_chars().replace("", None)


def number(texts: pl.Expr, decimal: str, group: str, sign: str) -> pl.Expr:
    """Convert numbers such as 1.234,5 € to a decimal point. Others stay; what would be misread is marked."""
    bare, signed = texts, pl.lit(value=True)
    if sign:
        mark = f"[{sign}]" if len(sign) == 1 else sign
        signed = texts.str.contains(mark)
        bare = texts.str.replace(rf"^([+-]?){mark}\s*", "$1").str.replace(rf"\s*{mark}$", "")
    between = {"": "", " ": "[ \u00a0\u202f]", "'": "['\u2019]"}.get(group, f"[{group}]")
    grouped = rf"[1-9]\d{{0,2}}({between}\d{{3}})+|" if group else ""
    whole = bare.str.contains(rf"^[+-]?({grouped}\d+)([{decimal}]\d+)?$")
    digits = bare.str.replace_all(between, "") if group else bare
    misread = texts.str.strip_chars().cast(pl.Float64, strict=False).is_not_null()
    return (
        pl.when(signed & whole)
        .then(digits.str.replace(decimal, ".", literal=True))
        .when(misread)
        .then(texts + " (written unlike the others)")
        .otherwise(texts)
    )


def moment(values: pl.Expr, iso: str, *forms: str) -> pl.Expr:
    """Convert times of these forms to ISO 8601. Other texts stay, so that the contract rejects them."""
    texts = values.cast(pl.String)
    read = []
    for form in forms:
        whole = texts if "%d" in form else "01 " + texts  # a month begins on its first day
        parsed = whole.str.to_datetime(form if "%d" in form else f"%d {form}", strict=False, time_unit="us")
        written = parsed.dt.strftime(iso + ("Z" if form.endswith(("UTC", "GMT")) else ""))
        read.append(pl.when(parsed.dt.year() > 999).then(written))
    return pl.coalesce(*read, texts)


def since_1970(values: pl.Expr, units: int) -> pl.Expr:
    """Convert so many units a second since 1970 to ISO 8601 in UTC. What lies outside 1971 to 2099 stays text."""
    texts = values.cast(pl.String)
    whole = texts.str.extract(r"^(\d+)(?:\.\d+)?$").cast(pl.Int64, strict=False)
    part = texts.str.extract(r"^\d+(\.\d+)$").cast(pl.Float64).fill_null(0.0)
    micros = whole // (units // 1_000_000) if units > 1_000_000 else whole * (1_000_000 // units)
    micros += (part * (1_000_000 / units)).round().cast(pl.Int64)
    times = pl.from_epoch(micros, "us").dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
    return pl.when((whole > 31_536_000 * units) & (whole < 4_102_444_800 * units)).then(times).otherwise(texts)


_FUNCTIONS: tuple[Callable[..., pl.Expr], ...] = (stripped, number, moment, since_1970)


def calling(function: Callable[..., pl.Expr], *values: str, **named: str) -> str:
    """A call of the draft's copy of a function, its arguments given as Python.

    >>> calling(stripped, "texts")
    '_stripped(texts)'
    """
    return call(f"_{function.__name__}", *values, **named)


def sources(expressions: Iterable[str]) -> list[str]:
    """The source of each function that some of the expressions call, as private functions of the draft."""
    texts = list(expressions)
    used = [f for f in _FUNCTIONS if any(f"_{f.__name__}(" in text for text in texts)]
    return [inspect.getsource(f).replace(f"def {f.__name__}(", f"def _{f.__name__}(", 1).strip() for f in used]
