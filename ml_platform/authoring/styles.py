"""How the texts of a column are written, and how the draft's `clean` reads them. Each style reads as the draft will."""

from dataclasses import dataclass
from typing import Protocol

import polars as pl

from ml_platform.authoring.clean_functions import calling, moment, number, since_1970
from ml_platform.validation.casting import cast

_ISO = {"date": "%Y-%m-%d", "moment": "%Y-%m-%dT%H:%M:%S"}
_OFFSET = r"\d{2}:\d{2}.*(Z|[+-]\d{2}(:?\d{2})?)$"
TYPES: dict[str, pl.DataType] = {
    "boolean": pl.Boolean(),
    "integer": pl.Int64(),
    "number": pl.Float64(),
    "date": pl.Date(),
    "moment": pl.Datetime("us", "UTC"),
    "text": pl.String(),
}


class Style(Protocol):
    """How values are written that validation does not read by itself.

    does: what `clean` does about it, as a phrase; empty where it does nothing.
    """

    @property
    def does(self) -> str: ...

    def cleaned(self, texts: pl.Expr) -> pl.Expr:
        """What `clean` makes of the texts."""
        ...

    def python(self, own: str) -> str:
        """The same as Python of the draft, given that of the column."""
        ...

    def naive(self, texts: pl.Series) -> bool:
        """Whether some of these times say no offset from UTC."""
        ...


@dataclass(frozen=True)
class Plain:
    """As validation reads it: a decimal point, ISO 8601."""

    does = ""

    def cleaned(self, texts: pl.Expr) -> pl.Expr:
        return texts

    def python(self, own: str) -> str:
        return own

    def naive(self, texts: pl.Series) -> bool:
        return not texts.str.contains(_OFFSET).all()


@dataclass(frozen=True)
class Marked:
    """Numbers with another decimal mark, marks between thousands, or a sign before or after."""

    decimal: str
    group: str
    sign: str = ""

    does = "converts numbers to a decimal point"

    def cleaned(self, texts: pl.Expr) -> pl.Expr:
        return number(texts, self.decimal, self.group, self.sign)

    def python(self, own: str) -> str:
        return calling(number, own, decimal=repr(self.decimal), group=repr(self.group), sign=repr(self.sign))

    def naive(self, texts: pl.Series) -> bool:
        return False


@dataclass(frozen=True)
class Dated:
    """Times in these strftime forms, or in ISO 8601. `kind`: date or moment."""

    kind: str
    forms: tuple[str, ...]

    does = "converts dates to ISO 8601"

    def cleaned(self, texts: pl.Expr) -> pl.Expr:
        return moment(texts, _ISO[self.kind], *self.forms)

    def python(self, own: str) -> str:
        return calling(moment, own, repr(_ISO[self.kind]), *map(repr, self.forms))

    def naive(self, texts: pl.Series) -> bool:
        return not all(form.endswith(("UTC", "GMT")) for form in self.forms)


@dataclass(frozen=True)
class Epoch:
    """Moments as numbers since 1970, so many `units` a second."""

    units: int

    does = "converts numbers since 1970 to ISO 8601"

    def cleaned(self, texts: pl.Expr) -> pl.Expr:
        return since_1970(texts, self.units)

    def python(self, own: str) -> str:
        return calling(since_1970, own, f"{self.units:_}")

    def naive(self, texts: pl.Series) -> bool:
        return False


PLAIN = Plain()


def converted(texts: pl.Series, kind: str, style: Style = PLAIN) -> pl.Series:
    """The values that validation reads from texts after `clean`; null where a text is not of the kind. Naive: UTC."""
    if kind == "text":
        return texts
    cleaned = pl.DataFrame({"text": texts}).select(style.cleaned(pl.col("text")).alias("text"))
    values, _ = cast(cleaned, {"text": TYPES[kind]}, "UTC")
    return values.to_series().alias(texts.name)
