"""Which texts of a column mean that there is no value."""

import polars as pl

from ml_platform.naming import counted
from ml_platform.spec.sources import Files

DEFAULT = tuple(Files("x.csv").nulls)  # of a CSV, where a column says nothing else
_NA = "NA"
# Texts that mean no value where all others are numbers, dates or truth values.
TOKENS = (_NA, "N/A", "n/a", "na", "NULL", "Null", "null", "None", "none", "NaN", "nan", "#N/A", "?", "-", "--", ".")
_CODES = r"^\p{Lu}{2,8}$"  # country, currency, region, ticker
_FEWEST_CODES = 2


def is_code(texts: pl.Series) -> bool:
    """Whether NA is as likely a code among these distinct texts as no value: all others are capitals, two or more."""
    others = texts.filter(~texts.is_in(TOKENS))
    return len(others) >= _FEWEST_CODES and bool(others.str.contains(_CODES).all())


def meaning_none(texts: pl.Series, kind: str, tokens: tuple[str, ...], *, csv: bool) -> tuple[str, ...]:
    """The distinct stripped `texts` that mean no value in a column of that kind, besides the empty one.

    Of a text column of a CSV it is NA, unless it may be a code. A typed file has nulls of its own.
    """
    if kind != "text":
        return tokens
    return (_NA,) if csv and (texts == _NA).any() and not is_code(texts) else ()


def remark(texts: pl.Series, counts: pl.Series, kind: str, none: tuple[str, ...]) -> str:
    """What is said about texts that could mean no value; empty where there is nothing to say."""
    parts = []
    for text, rows in zip(texts, counts, strict=True):
        if text in none:
            parts.append(f"{text!r} in {counted(rows, 'row')} is read as no value")
        elif kind == "text" and text in TOKENS:
            why = ", as all others are codes of capital letters" if text == _NA else ""
            parts.append(f"{text!r} in {counted(rows, 'row')} is kept as a value{why}")
    if kind == "text" and parts:
        parts[-1] += " (column_nulls= decides)"
    return "; ".join(parts)


def to_declare(
    spelled: list[str], texts: pl.Series, kind: str, none: tuple[str, ...], *, csv: bool
) -> tuple[str, ...] | None:
    """What a column must declare so that just the texts `spelled` mean no value; None where the source's own do.

    A text column of a CSV with NA always declares it, so that the reader of the draft sees the choice.

    texts: the distinct texts of the column, stripped. none: those that mean no value.
    """
    usual = set(DEFAULT if csv else ())
    if csv and kind == "text" and (texts == _NA).any():
        return tuple(sorted({"", *spelled}))
    if set(spelled) <= usual:
        return None
    return tuple(sorted({*spelled, *usual}))
