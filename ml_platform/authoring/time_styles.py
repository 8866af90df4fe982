"""The ways to write a date or a moment other than ISO 8601: day first, month first, compact, since 1970."""

import re
from collections.abc import Iterable
from itertools import product

import polars as pl

from ml_platform.authoring.styles import Dated, Epoch, Style, converted

_DAYS = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%y", "%d/%m/%y",
         "%m/%d/%y", "%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y",
         "%a, %d %b %Y")  # fmt: skip
_MONTHS = ("%Y-%m", "%Y/%m", "%m/%Y", "%b %Y", "%B %Y", "%b-%Y")
_HALF_DAYS = (" %I:%M %p", " %I:%M:%S %p")
_ZONED = (" %H:%M UTC", " %H:%M:%S UTC", " %H:%M:%S GMT")
_CLOCKS = ("", " %H:%M", " %H:%M:%S", *_HALF_DAYS, *_ZONED)
_AFTER_ISO = tuple(f"%Y-%m-%d{clock}" for clock in (*_HALF_DAYS, *_ZONED))  # clocks that ISO 8601 has not
_SHAPES = {"a": "[A-Za-z]{3}", "d": r"\d{1,2}", "m": r"\d{1,2}", "Y": r"\d{4}", "y": r"\d{2}", "b": "[A-Za-z]{3}",
           "B": "[A-Za-z]{3,9}", "H": r"\d{1,2}", "M": r"\d{2}", "S": r"\d{2}", "I": r"\d{1,2}",
           "p": "[AaPp][Mm]"}  # fmt: skip
_LOOKED_AT = 500  # texts in which a form must come at least once to be tried on all
_OTHER_ORDER = {"dmy": r"%m[/-]%d", "mdy": r"%d[/.-]%m"}  # forms that a declared order excludes
_UNITS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
_EARLIEST, _LATEST = 631_152_000, 2_840_140_800  # 1990 and 2060, in seconds since 1970
# Names of columns that hold times, in snake case.
_TIMED = re.compile(
    r"(^|_)(ts|time|times|datetime|epoch|unix|utc|at|on|when|date|day|dt|created|updated|modified)(_|$)|time(stamp)?(_|$)"
)
_DATED = re.compile(r"date|day|(^|_)dt(_|$)")
_OF_MONTHS = re.compile(r"date|month|period|(^|_)(ym|yyyymm|yearmonth)(_|$)")
_OF_EXCEL = (20_000, 80_000)  # days since 1899-12-30: 1954 to 2119
_COMPACT = (
    ("date", "%Y%m%d", r"^(19|20)\d{6}$", _DATED),
    ("date", "%Y%m", r"^(19|20)\d{4}$", _OF_MONTHS),
    ("moment", "%Y%m%d%H%M%S", r"^(19|20)\d{12}$", re.compile("")),
)


def dated_styles(texts: pl.Series, dates: str | None) -> list[tuple[str, Dated]]:
    """(kind, style) of each single form that some of the distinct texts are written in."""
    some = texts.filter(texts.str.contains(r"\d"))
    some = some.gather_every(len(some) // _LOOKED_AT + 1)
    excluded = _OTHER_ORDER.get(dates or "", "^$")
    days = [f"{day}{clock}" for day, clock in product(_DAYS, _CLOCKS) if not re.match(excluded, day)]
    matching = [form for form in (*days, *_AFTER_ISO, *_MONTHS) if some.str.contains(_shape(form)).any()]
    return [(kind := "moment" if ":" in form else "date", Dated(kind, (form,))) for form in matching]


def _shape(form: str) -> str:
    return "^" + re.sub(r"%(\w)", lambda sign: _SHAPES[sign[1]], form.replace(".", r"\.")) + "$"


def swapped(style: Style) -> Style | None:
    """The same form with day and month in the other order; None where it has none."""
    if not isinstance(style, Dated) or len(style.forms) > 1:
        return None
    form = style.forms[0].translate(str.maketrans("dm", "md"))
    return Dated(style.kind, (form,)) if form != style.forms[0] and "%b" not in form and "%d" in form else None


def together(styles: Iterable[tuple[str, Style]]) -> tuple[str, Dated]:
    """One style for all of the forms. Years of two digits are tried first, because four do not fit them."""
    dated = [style for _, style in styles if isinstance(style, Dated)]
    kind = "moment" if any(style.kind == "moment" for style in dated) else "date"
    forms = sorted((form for style in dated for form in style.forms), key=lambda form: "%y" not in form)
    return kind, Dated(kind, tuple(forms))


def of_numbers(texts: pl.Series, name: str, *, timed: bool) -> tuple[tuple[str, Style] | None, str]:
    """(kind, style) of distinct numbers that are times by their size and the column's `name`, and a remark.

    timed: the user calls the column a time.
    """
    for kind, form, shape, called in _COMPACT:
        style = Dated(kind, (form,))
        if texts.str.contains(shape).all() and converted(texts, kind, style).is_not_null().all():
            if timed or called.search(name):
                return (kind, style), ""
            return None, f"it may hold dates, such as {texts[0]}; if it does, name it with --at, or convert it in clean"
    numbers = texts.cast(pl.Float64, strict=False).drop_nulls()
    for unit, a_second in _UNITS.items():
        inside = numbers.is_between(_EARLIEST * a_second, _LATEST * a_second)
        if not len(numbers) or inside.mean() < 0.99:  # type: ignore[operator]  # a mean of Booleans is a number
            continue
        ends = numbers.filter(inside).sort()
        low, high = (_day_of(value, a_second) for value in (ends[0], ends[-1]))
        if timed or _TIMED.search(name):
            return ("moment", Epoch(a_second)), f"{unit} since 1970: {low} to {high}"
        return None, f"it may hold {unit} since 1970 ({low} to {high}); if it does, name it with --at"
    if len(numbers) and _DATED.search(name) and numbers.is_between(*_OF_EXCEL).all():
        return None, "it may hold days since 1899-12-30, as a workbook counts; if it does, convert it in clean"
    return None, ""


def _day_of(number: float, a_second: int) -> str:
    moment = converted(pl.Series([f"{number:.0f}"]), "moment", Epoch(a_second))[0]
    return f"{moment:%Y-%m-%d}"
