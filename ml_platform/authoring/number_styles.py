"""The ways to write a number: decimal points and commas, marks between thousands, percent and currency signs."""

from dataclasses import dataclass

import polars as pl

from ml_platform.authoring.styles import PLAIN, Marked, Style, converted

_SIGN = r"([%€$£¥₹₽]|\b(?:EUR|USD|GBP|CHF|JPY|CNY|INR|SEK|NOK|DKK|PLN)\b)"
_MARKS = ((".", ","), (",", "."), (".", " "), (",", " "), (".", "'"))  # decimal mark, mark between thousands
_OF_MARK = {"point": ".", "comma": ","}


@dataclass(frozen=True)
class Chosen:
    """A style, and how sure it is.

    mark:     "point" or "comma" where the texts show it; "" where they do not.
    doubtful: another style reads other numbers from the same texts.
    """

    style: Style
    mark: str = ""
    doubtful: bool = False
    remark: str = ""


def number_styles(texts: pl.Series) -> list[Style]:
    """The styles that some of the distinct texts may be written in, but for the plain one."""
    some = texts.filter(texts.str.contains(r"\d"))
    signs = some.str.extract(_SIGN).drop_nulls().unique().sort()
    marked = some.str.contains(r"[, '\u2019\u00a0\u202f]|\..*\.|\.\d{3}$").any()
    signless = [Marked(*marks) for marks in _MARKS] if marked else []
    return [*signless, *(Marked(*marks, sign) for sign in signs for marks in _MARKS)]


def chosen(texts: pl.Series, styles: list[Style], decimal: str, *, semicolons: bool) -> Chosen:
    """One of the `styles`, all of which read every text. `decimal`: "point", "comma" or "" where nothing says it."""
    by_mark = {mark: [style for style in styles if _decimal(style) == sign] for mark, sign in _OF_MARK.items()}
    points, commas = by_mark["point"], by_mark["comma"]
    marked = texts.filter(texts.str.contains("[.,]"))
    if not points or not commas:
        style = (points or commas)[0]
        return Chosen(style, ("point" if points else "comma") if len(marked) else "", remark=_about(style, texts))
    one, other = (converted(texts, "number", side[0]) for side in (points, commas))
    differ = (one != other).fill_null(value=False)
    if not differ.any():
        return Chosen(points[0], remark=_about(points[0], texts))
    mark = decimal or _usual(texts, texts.filter(differ)[0], semicolons=semicolons)
    unused = {"point": "comma", "comma": "point"}[mark]
    low, high = one.filter(differ)[0], other.filter(differ)[0]
    taken, rejected = (low, high) if mark == "point" else (high, low)
    why = "as elsewhere in the file" if decimal else f"--decimal {unused} reads it as {rejected:,.10g}"
    remark = f"{texts.filter(differ)[0]!r} is read as {taken:,.10g}: {why}"
    return Chosen(by_mark[mark][0], doubtful=True, remark=remark)


def _usual(texts: pl.Series, example: str, *, semicolons: bool) -> str:
    """The likely decimal mark where the only mark, as in the example, has three digits after it."""
    own = "comma" if "," in example else "point"
    if own == "point" or semicolons or texts.str.contains(r"^\D*\d{4}").any():  # thousands without a mark between
        return own
    return "point"


def _decimal(style: Style) -> str:
    return style.decimal if isinstance(style, Marked) else "."


def _about(style: Style, texts: pl.Series) -> str:
    if style == PLAIN:
        return ""
    plain = converted(texts, "number", style)
    return f"numbers as in {texts[0]!r} are read by clean, here as {plain[0]:,.10g}"
