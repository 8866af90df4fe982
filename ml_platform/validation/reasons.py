"""Why a row was refused, in words: the value and the bound."""

from typing import Any

import polars as pl

LONGEST = 200  # characters of a value that a reason quotes
UNLIKE = " (written unlike the others)"  # what the `clean` of a draft puts after a number that would be misread


def quoted_value(column: str) -> pl.Expr:
    """The cell as text, cut to what a person reads."""
    text = pl.col(column).cast(pl.String, strict=False).fill_null("null")
    return pl.when(text.str.len_chars() > LONGEST).then(text.str.slice(0, LONGEST) + "…").otherwise(text)


def quoted_cells(cells: pl.Series) -> pl.Series:
    """The texts in quotes, cut to what a person reads; what `clean` put after a value stands outside of its quotes.

    >>> quoted_cells(pl.Series(["k.A.", "1.5 (written unlike the others)"])).to_list()
    ["'k.A.'", "'1.5' (written unlike the others)"]
    """
    cell = pl.lit(cells).fill_null("?").str.replace_all("\0", r"\u0000", literal=True)
    value, mark = cell.str.strip_suffix(UNLIKE), pl.when(cell.str.ends_with(UNLIKE)).then(pl.lit(UNLIKE))
    return pl.select(pl.format("'{}'{}", value.str.slice(0, LONGEST), mark.fill_null(""))).to_series()


def reason(contract: Any, rule: str, types: dict[str, pl.DataType]) -> pl.Expr:
    """The sentence for a failed rule of a dataframely contract, as an expression over the cast row."""
    # A column's own name may have a bar in it, and the name of its rule has none.
    column, _, name = rule.rpartition("|")
    if column not in types:
        return _of_rule(contract, rule, types)
    sentence = _of_column(contract.columns()[column], name)
    if name == "nullability":
        return pl.lit(f"{column} is missing")
    if types[column].is_nested() or types[column] == pl.Binary:
        return pl.lit(f"{column} {sentence}")
    return pl.concat_str(pl.lit(f"{column} is "), quoted_value(column), pl.lit(f", which {sentence}"))


def _of_column(column: Any, name: str) -> str:
    settings = vars(column)
    bound = settings.get(name)
    sentences = {
        "min": f"is below the minimum {bound}",
        "max": f"is above the maximum {bound}",
        "min_exclusive": f"is not above {bound}",
        "max_exclusive": f"is not below {bound}",
        "min_length": f"is shorter than {bound}",
        "max_length": f"is longer than {bound}",
        "regex": f"does not match {bound}",
        "is_in": f"is not one of {bound}",
        "unique": "comes more than once in the file",
        "inf": "is infinite",
        "nan": "is not a number (NaN)",
        "resolution": f"is not a multiple of {bound}",
    }
    return sentences.get(name, f"breaks the rule {name!r} of its column")


def _of_rule(contract: Any, rule: str, types: dict[str, pl.DataType]) -> pl.Expr:
    """A rule over several columns: its name, and the values it looked at."""
    expression = contract._validation_rules(with_cast=False)[rule].expr
    read = [name for name in expression.meta.root_names() if name in types and not types[name].is_nested()]
    parts = [pl.concat_str(pl.lit(f"{name} is "), quoted_value(name)) for name in dict.fromkeys(read)]
    if not parts:
        return pl.lit(f"the rule {rule!r} does not hold")
    return pl.concat_str(pl.lit(f"the rule {rule!r} does not hold: "), pl.concat_str(parts, separator=", "))
