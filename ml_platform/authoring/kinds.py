"""Infers the kind of a text column: numbers, booleans, dates or text, and how they are written.

All distinct texts of a column and their counts are used, never a sample of rows.
"""

from dataclasses import dataclass, replace

import polars as pl

from ml_platform.authoring.null_texts import TOKENS
from ml_platform.authoring.number_styles import chosen, number_styles
from ml_platform.authoring.styles import PLAIN, Style, converted
from ml_platform.authoring.time_styles import dated_styles, of_numbers, swapped, together

STRAYS = 0.01  # of the values may be something else: their rows go to quarantine
_WHOLE = r"^[+-]?\d+$"
_PLAIN = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_CODE = r"^[+-]?0\d+$"
_POINT = r"\.\d{1,2}$|\.\d{4,}$|^[+-]?0?\.\d"  # of a plain number: the point is no mark between thousands
_YES, _NO = frozenset({"y", "yes", "t", "true", "1"}), frozenset({"n", "no", "f", "false", "0"})
_NUMBERS, _TIMES = ("integer", "number"), ("date", "moment")

Form = tuple[str, Style]  # a kind and a style


@dataclass(frozen=True)
class Hints:
    """What else is known about a column.

    dates:      "dmy" or "mdy": what the user says where both would fit. None: nothing.
    decimal:    "point" or "comma": what the user or other columns say. Empty: nothing.
    semicolons: cells are separated by them, as where a comma is the decimal mark.
    timed:      the user calls it a time.
    typed:      the file has types, so a text of whole digits is meant to be a text.
    """

    dates: str | None = None
    decimal: str = ""
    semicolons: bool = False
    timed: bool = False
    typed: bool = False


@dataclass(frozen=True)
class Reading:
    """How a column is read.

    kind:     boolean, integer, number, date, moment, text, empty or other.
    tokens:   texts that mean no value here.
    strays:   texts that are not of the kind, three at most.
    problem:  why it cannot be decided, and the remedy; None when it could.
    mark:     the decimal mark that the numbers show: point, comma, or "" when they show none.
    doubtful: the decimal mark was guessed.
    """

    kind: str
    style: Style = PLAIN
    tokens: tuple[str, ...] = ()
    strays: tuple[str, ...] = ()
    problem: tuple[str, str] | None = None
    remarks: tuple[str, ...] = ()
    mark: str = ""
    doubtful: bool = False


def read(texts: pl.Series, counts: pl.Series, name: str, hints: Hints = Hints()) -> Reading:  # frozen
    """The reading of distinct stripped `texts` with their `counts`, of the column that is called `name` in snake case.

    >>> read(pl.Series(["1.234,50 €", "7,25 €"]), pl.Series([1, 1]), "price").style
    Marked(decimal=',', group='.', sign='€')
    """
    none = texts.is_in(TOKENS)
    values, rows = texts.filter(~none), counts.filter(~none)
    if not len(values):
        return Reading("text")  # nothing but words for "none", such as n/a
    tokens = tuple(texts.filter(none).sort())
    if reading := _by_shape(values, tokens, hints):
        return reading
    forms: list[Form] = [("integer", PLAIN), ("number", PLAIN)]
    forms += [(kind, style) for style in number_styles(values) for kind in _NUMBERS]
    forms += [("date", PLAIN), ("moment", PLAIN), *dated_styles(values, hints.dates)]
    fits = {form: fit for form in forms if (fit := _fits(values, *form)).any()}
    whole = [form for form, fit in fits.items() if fit.all()]
    if whole:
        return replace(_decided(values, rows, whole, name, hints), tokens=tokens)
    if reading := _dated(values, rows, fits, hints):
        return reading if reading.problem else replace(reading, tokens=tokens)
    if problem := _mixed(values, fits):
        return Reading("text", problem=problem)
    return _with_strays(values, rows, fits, tokens, name, hints)


def _by_shape(values: pl.Series, tokens: tuple[str, ...], hints: Hints) -> Reading | None:
    """Truth values, codes, and whole numbers that no integer holds."""
    words = set(values.str.to_lowercase())
    if words <= _YES | _NO and (words <= {"true", "false"} or (words & _YES and words & _NO)) and words - {"0", "1"}:
        return Reading("boolean", tokens=tokens)
    if not values.str.contains(_WHOLE).all():
        return None
    if values.str.contains(_CODE).any():
        return Reading("text", remarks=("numbers with leading zeros are codes and kept as text",))
    if values.cast(pl.Int64, strict=False).null_count():
        return Reading("text", remarks=("whole numbers beyond 2^63 are kept as text",))
    if hints.typed and not hints.timed:
        return Reading("text", remarks=("whole numbers that the file writes as text are kept as text",))
    return None


def _fits(values: pl.Series, kind: str, style: Style) -> pl.Series:
    shape = {"integer": _WHOLE, "number": _PLAIN, "date": r"^\d{4}-\d{2}-\d{2}$"}.get(kind) if style == PLAIN else None
    shaped = values.str.contains(shape) if shape else pl.repeat(value=True, n=len(values), eager=True)
    if not shaped.any():
        return shaped
    read_values = converted(values, kind, style)
    if kind == "integer" and style != PLAIN:  # with decimals a column holds fractions sooner or later, as 12,00 does
        cleaned = pl.DataFrame({"text": values}).select(style.cleaned(pl.col("text"))).to_series()
        shaped &= cleaned.str.contains(_WHOLE).fill_null(value=False)
    if kind == "number":
        shaped &= read_values.is_finite().fill_null(value=False)
    return shaped & read_values.is_not_null()


def _decided(values: pl.Series, rows: pl.Series, whole: list[Form], name: str, hints: Hints) -> Reading:
    """The reading where at least one form reads every value."""
    kind, style = whole[0]
    if kind in _NUMBERS:
        if style == PLAIN:
            reading = read_numbers(values, rows, kind, name, timed=hints.timed)
            if reading.remarks or reading.kind in _TIMES:
                return reading
        styles = list(dict.fromkeys(style for kind, style in whole if kind in _NUMBERS))
        best = chosen(values, styles, hints.decimal, semicolons=hints.semicolons)
        kind = "integer" if ("integer", best.style) in whole else "number"
        mark = best.mark
        if best.style == PLAIN and not best.doubtful:
            mark = "point" if values.str.contains(_POINT).any() else ""
        return Reading(
            kind, best.style, remarks=(best.remark,) if best.remark else (), mark=mark, doubtful=best.doubtful
        )
    if problem := _either_order(values, whole, hints):
        return Reading("text", problem=problem)
    return Reading(kind, style)


def read_numbers(values: pl.Series, rows: pl.Series, kind: str, name: str, *, timed: bool) -> Reading:
    """The reading of distinct plain numbers of that kind with the counts `rows`: perhaps they are times."""
    form, remark = of_numbers(values, name, timed=timed)
    remarks = (remark,) if remark else ()
    return _of_form(values, rows, *form, remarks) if form is not None else Reading(kind, remarks=remarks)


def _either_order(values: pl.Series, forms: list[Form], hints: Hints) -> tuple[str, str] | None:
    """The problem that day first and month first both read all of the values, as different dates."""
    for kind, style in forms:
        other = swapped(style)
        if other is None or (kind, other) not in forms or hints.dates is not None:
            continue
        differ = (converted(values, kind, style) != converted(values, kind, other)).fill_null(value=False)
        if differ.any():
            example = values.filter(differ)[0]
            problem = f"its dates, such as {example!r}, could be day first or month first"
            return problem, "Say which with --dates dmy or --dates mdy."
    return None


def _dated(values: pl.Series, rows: pl.Series, fits: dict[Form, pl.Series], hints: Hints) -> Reading | None:
    """Dates that are written in several forms, when each value has one meaning; None when they are no dates."""
    own = {form: fit for form, fit in fits.items() if form[0] in _TIMES}
    if not own:
        return None
    covered = pl.select(pl.any_horizontal(*own.values())).to_series()
    if int(rows.filter(~covered).sum()) > STRAYS * int(rows.sum()):
        return None
    kept = dict(own)
    for form, fit in own.items():
        twin = swapped(form[1])
        other: Form = (form[0], twin or form[1])
        if twin is None or form not in kept or other not in kept:
            continue
        only, only_other = values.filter(fit & ~own[other]), values.filter(own[other] & ~fit)
        if len(only) and len(only_other):
            problem = f"its dates are written in more than one way: {only[0]!r} and {only_other[0]!r}"
            return Reading("text", problem=(problem, "Write all of them as 2024-01-31, or leave it out with --drop."))
        if not len(only) and not len(only_other) and (ambiguous := _either_order(values, [form, other], hints)):
            return Reading("text", problem=ambiguous)
        del kept[other if len(only) or not len(only_other) else form]
    kind, style = together(kept)
    if not style.forms:  # ISO 8601 with strays
        return None
    if _with_clock(fits):
        kind, style = "moment", replace(style, kind="moment")
    named = [f"{values.filter(fit)[0]!r}" for fit in kept.values()]
    several = f"dates in several forms, such as {' and '.join(dict.fromkeys(named[:3]))}, read by clean"
    return _of_form(values, rows, kind, style, (several,) if len(kept) > 1 else ())


def _of_form(values: pl.Series, rows: pl.Series, kind: str, style: Style, remarks: tuple[str, ...]) -> Reading:
    """The reading by one form, which may leave strays: then the last remark counts them."""
    strays = values.filter(~_fits(values, kind, style))
    if len(strays):
        remarks = (*remarks, _stray_remark(values, rows, strays, kind))
    return Reading(kind, style, strays=tuple(strays.head(3)), remarks=remarks)


def _with_clock(fits: dict[Form, pl.Series]) -> bool:
    """Whether some value is a moment in ISO 8601 and no date."""
    moments, days = fits.get(("moment", PLAIN)), fits.get(("date", PLAIN))
    return moments is not None and (days is None or not moments.equals(days))


def _mixed(values: pl.Series, fits: dict[Form, pl.Series]) -> tuple[str, str] | None:
    """The problem of numbers throughout that are written in more than one way."""
    own = {form: fit for form, fit in fits.items() if form[0] in _NUMBERS}
    if not own:
        return None
    covered = pl.select(pl.any_horizontal(*own.values())).to_series()
    if covered.mean() < 1 - STRAYS:  # type: ignore[operator]  # a mean of Booleans is a number
        return None
    first = max(own, key=lambda form: int(own[form].sum()))
    other = values.filter(covered & ~own[first])
    if not len(other):
        return None
    one = values.filter(own[first])[0]
    remedy = "Write all of them with a decimal point, or leave the column out with --drop."
    return f"its numbers are written in more than one way: {one!r} and {other[0]!r}", remedy


def _with_strays(
    values: pl.Series, rows: pl.Series, fits: dict[Form, pl.Series], tokens: tuple[str, ...], name: str, hints: Hints
) -> Reading:
    """The kind of nearly all values, or text."""
    if not fits:
        return Reading("text")
    total = int(rows.sum())
    best = max(fits, key=lambda form: int(rows.filter(fits[form]).sum()))
    strays = values.filter(~fits[best])
    outside = int(rows.filter(~fits[best]).sum())
    if outside <= STRAYS * total and not (hints.typed and best[0] == "integer"):
        alike = [form for form in fits if fits[form].equals(fits[best])]
        reading = _decided(values.filter(fits[best]), rows.filter(fits[best]), alike, name, hints)
        if reading.problem:
            return reading
        more = reading.remarks[:-1] if reading.strays else reading.remarks  # the last one counts those of a part
        full = _of_form(values, rows, reading.kind, reading.style, more)
        return replace(reading, tokens=tokens, strays=full.strays, remarks=full.remarks)
    if outside < total / 2:
        examples = ", ".join(repr(text[:30]) for text in strays.head(3))
        remark = f"mixed: {1 - outside / total:.0%} are written as {best[0]}, the rest is text such as {examples}"
        return Reading("text", remarks=(remark,))
    return Reading("text")


def _stray_remark(values: pl.Series, rows: pl.Series, strays: pl.Series, kind: str) -> str:
    outside = int(rows.filter(values.is_in(strays.implode())).sum())
    examples = ", ".join(repr(text[:30]) for text in strays.head(3))
    return f"{outside} of {int(rows.sum()):,} values are no {kind} ({examples}): their rows go to quarantine"
