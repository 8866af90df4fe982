"""Infers the kind of a text column: numbers, booleans, dates or text, and how they are written.

All distinct texts of a column and their counts are used, never a sample of rows.
"""

import re
from dataclasses import dataclass

import polars as pl

from ml_platform.validation.times import NAIVE, to_utc

NULLS = ("", "NA")  # what Files takes for no value without being told
# Further texts that mean no value where all others are numbers or dates.
TOKENS = ("N/A", "n/a", "na", "NULL", "Null", "null", "None", "none", "NaN", "nan", "#N/A", "?", "-", "--", ".")
STRAYS = 0.01  # of the values may be something else: their rows go to quarantine
_PLAIN = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_COMMA = r"^[+-]?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?$"
_THOUSANDS = r"^[+-]?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?$"
_CODE = r"^[+-]?0\d+$"
_DAYS = tuple(
    [
        "%d.%m.%Y",
        "%d/%m/%Y",
        "%m/%d/%Y",
        "%d-%m-%Y",
        "%m-%d-%Y",
        "%Y/%m/%d",
        "%Y.%m.%d",
        "%d.%m.%y",
        "%d/%m/%y",
        "%m/%d/%y",
        "%d %b %Y",
        "%d-%b-%Y",
        "%d %B %Y",
        "%b %d, %Y",
        "%B %d, %Y",
    ]
)
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
_SHAPES = {"d": r"\d{1,2}", "m": r"\d{1,2}", "Y": r"\d{4}", "y": r"\d{2}", "b": "[A-Za-z]{3}", "B": "[A-Za-z]{3,9}"}
_SHAPES |= {"H": r"\d{1,2}", "M": r"\d{2}", "S": r"\d{2}", "I": r"\d{1,2}", "p": "[AaPp][Mm]"}
_LOOKED_AT = 500  # texts in which a form must come at least once to be tried on all


@dataclass(frozen=True)
class Reading:
    """How a column is read.

    kind:     boolean, integer, number, date, moment or text.
    style:    of numbers "", "comma" (1.234,5) or "thousands" (1,234.5); of times "" (ISO 8601) or a strftime form.
    tokens:   texts that mean no value here.
    strays:   texts that are not of the kind, three at most.
    problem:  why it cannot be decided, and the remedy; empty when it could.
    """

    kind: str
    style: str = ""
    tokens: tuple[str, ...] = ()
    strays: tuple[str, ...] = ()
    problem: tuple[str, str] | None = None
    remarks: tuple[str, ...] = ()


def read(
    texts: pl.Series, counts: pl.Series, name: str, *, dates: str | None = None, semicolons: bool = False
) -> Reading:
    """The reading of distinct `texts` with their `counts`. `dates` is "dmy" or "mdy" if both would fit.

    `semicolons`: cells are separated by them, as where a comma is the decimal mark.
    """
    if texts.str.contains(_CODE).any() and _fits(texts, "integer", "").mean() == 1:
        return Reading("text", remarks=("numbers with leading zeros are codes and kept as text",))
    forms = [("boolean", ""), ("integer", ""), ("number", ""), *_with_commas(texts, semicolons)]
    forms += [("date", ""), ("moment", ""), *_dated(texts, dates)]
    total = int(counts.sum())
    fits = {form: _fits(texts, *form) for form in forms}
    whole = [form for form in forms if _whole(texts, fits[form])]
    if whole:
        return _decided(texts, fits, whole, name, dates)
    problem = _mixed(texts, fits)
    if problem is not None:
        return Reading("text", problem=problem)
    best = max(forms, key=lambda form: int(counts.filter(fits[form]).sum()))
    if not fits[best].any():
        return Reading("text")  # nothing but words for "none", such as n/a
    strays = texts.filter(~fits[best] & ~texts.is_in(TOKENS))
    outside = int(counts.filter(~fits[best] & ~texts.is_in(TOKENS)).sum())
    examples = ", ".join(repr(text[:30]) for text in strays.head(3))
    if outside <= STRAYS * total:
        tokens = tuple(texts.filter(~fits[best] & texts.is_in(TOKENS)).sort())
        remark = f"{outside} of {total:,} values are no {best[0]} ({examples}): their rows go to quarantine"
        return Reading(*best, tokens, tuple(strays.head(3)), remarks=(remark,))
    if outside < total / 2:
        remark = f"mixed: {1 - outside / total:.0%} are written as {best[0]}, the rest is text such as {examples}"
        return Reading("text", remarks=(remark,))
    return Reading("text")


def converted(texts: pl.Series, kind: str, style: str) -> pl.Series:
    """The values of a column of text; null where a text is not of the kind. Naive times count as UTC."""
    if kind == "boolean":
        return texts.str.to_lowercase().replace_strict(
            {"true": True, "false": False}, default=None, return_dtype=pl.Boolean
        )
    if kind in ("integer", "number"):
        plain = texts
        if style == "comma":
            plain = texts.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
        elif style == "thousands":
            plain = texts.str.replace_all(",", "", literal=True)
        return plain.cast(pl.Int64 if kind == "integer" else pl.Float64, strict=False)
    if kind == "date":
        return texts.str.to_date(style or "%Y-%m-%d", strict=False)
    if kind == "moment":
        if style:
            return texts.str.to_datetime(style, strict=False, time_unit="us").cast(NAIVE).dt.replace_time_zone("UTC")
        return to_utc(texts, "UTC").values
    return texts


def naive(texts: pl.Series, kind: str, style: str) -> bool:
    """Whether some of these times say no offset from UTC."""
    if kind not in ("date", "moment"):
        return False
    return bool(style) or not texts.str.contains(r"\d{2}:\d{2}.*(Z|[+-]\d{2}(:?\d{2})?)$").all()


def _fits(texts: pl.Series, kind: str, style: str) -> pl.Series:
    shape = {
        ("integer", ""): r"^[+-]?\d+$",
        ("number", ""): _PLAIN,
        ("number", "comma"): _COMMA,
        ("number", "thousands"): _THOUSANDS,
        ("integer", "thousands"): r"^[+-]?(\d{1,3}(,\d{3})+|\d+)$",
        ("date", ""): r"^\d{4}-\d{2}-\d{2}$",
    }.get((kind, style)) or (_shape(style) if style else "")
    shaped = texts.str.contains(shape) if shape else pl.repeat(True, len(texts), eager=True)
    if not shaped.any():
        return shaped
    values = converted(texts, kind, style)
    if kind == "number":
        shaped &= values.is_finite().fill_null(False)
    return shaped & values.is_not_null()


def _whole(texts: pl.Series, fit: pl.Series) -> bool:
    return bool(fit.any() and (fit | texts.is_in(TOKENS)).all())


def _decided(
    texts: pl.Series, fits: dict[tuple[str, str], pl.Series], whole: list[tuple[str, str]], name: str, dates: str | None
) -> Reading:
    kind, style = whole[0]
    tokens = tuple(texts.filter(~fits[kind, style]).sort())
    swapped = style.translate(str.maketrans("dm", "md"))
    if style and (kind, swapped) in whole[1:] and dates is None:
        problem = f"its dates, such as {texts[0]!r}, could be day first or month first"
        return Reading("text", problem=(problem, "Say which with --dates dmy or --dates mdy."))
    remarks: tuple[str, ...] = ()
    if style == "comma" and any(form[1] == "thousands" for form in whole):
        remarks = ("its commas are taken for decimal marks, as in 1,5; they could separate thousands",)
    elif style == "thousands" and any(form[1] == "comma" for form in whole):
        remarks = ("its commas are taken to separate thousands; they could be decimal marks",)
    elif style in ("comma", "thousands"):
        remarks = ("decimal commas, read by clean" if style == "comma" else "commas between thousands, read by clean",)
    dated = re.search(r"date|day|(^|_)dt(_|$)", name.lower())
    if (kind, style) == ("integer", "") and dated and texts.str.contains(r"^(19|20)\d{6}$").all():
        form = ("date", "%Y%m%d")
        if _fits(texts, *form).all():
            return Reading(*form)
    return Reading(kind, style, tokens, remarks=remarks)


def _mixed(texts: pl.Series, fits: dict[tuple[str, str], pl.Series]) -> tuple[str, str] | None:
    """Numbers or dates throughout, but written in more than one way."""
    for kinds, what, remedy in (
        (("date", "moment"), "dates", "Write all of them as 2024-01-31, or leave the column out with --drop."),
        (
            ("integer", "number"),
            "numbers",
            "Write all of them with a decimal point, or leave the column out with --drop.",
        ),
    ):
        own = {form: fit for form, fit in fits.items() if form[0] in kinds and fit.any()}
        if not own:
            continue
        together = pl.select(pl.any_horizontal(*own.values())).to_series()
        if (together | texts.is_in(TOKENS)).mean() < 1 - STRAYS or together.mean() < 0.5:  # type: ignore[operator]
            continue
        first = max(own, key=lambda form: int(own[form].sum()))
        other = texts.filter(together & ~own[first])
        if len(other):
            one = texts.filter(own[first])[0]
            return f"its {what} are written in more than one way: {one!r} and {other[0]!r}", remedy
    return None


def _with_commas(texts: pl.Series, semicolons: bool) -> list[tuple[str, str]]:
    if not texts.str.contains(",", literal=True).any():
        return []
    comma, thousands = [("number", "comma")], [("integer", "thousands"), ("number", "thousands")]
    return comma + thousands if semicolons else thousands + comma


def _dated(texts: pl.Series, dates: str | None) -> list[tuple[str, str]]:
    """The forms of dates that some of the texts are written in."""
    some = texts.gather_every(len(texts) // _LOOKED_AT + 1)
    some = some.filter(some.str.contains(r"\d"))
    excluded = {"dmy": r"%m[/-]%d", "mdy": r"%d[/.-]%m"}.get(dates or "", "^$")
    forms = [f"{day}{clock}" for day in _DAYS for clock in _CLOCKS if not re.match(excluded, day)]
    matching = [form for form in forms if some.str.contains(_shape(form)).any()]
    return [("moment" if ":" in form else "date", form) for form in matching]


def _shape(form: str) -> str:
    return "^" + re.sub(r"%(\w)", lambda sign: _SHAPES[sign[1]], form.replace(".", r"\.")) + "$"
