"""Detects the dialect of a CSV: its separator, and whether its first line is a header.

DuckDB's `sniff_csv` detects more (quotes, comments, titles above the header, types) and is wrong more often about
these two. It reads a file with one bad line as a single column, so the line could not be reported. It prefers decimal
commas to the semicolons around them, and reads headers of years or ascending numbers as data. It misreads 78 of 400
generated tables with its best options, this module none.
`ml_platform_tests/authoring/test_upstream_sniff_csv.py` holds the cases.
"""

import csv
import re
from collections import Counter
from itertools import islice, pairwise
from pathlib import Path

from ml_platform.errors import FileRefused

# Of two that fit equally well the first: commas are part of a text or a number more often than the others.
SEPARATORS = ("\t", ";", ",", "|")
_LINES = 50
_VALUE = re.compile(r"[+-]?(\d[\d.,]*|[.,]\d+)(e[+-]?\d+)?|\d{1,4}[-./]\d{1,2}[-./]\d{1,4}([ T].*)?", re.IGNORECASE)


def separator(plain: Path) -> str:
    """The separator with which most of the first 50 lines have as many cells as the header.

    Among equals, the one with the most cells. A single column has a comma.
    """
    best_score, best = (0.0, 1), ","
    for candidate in SEPARATORS:
        widths = [len(row) for row in _first_rows(plain, candidate)]
        if not widths or widths[0] < 2:
            continue
        width, count = Counter(widths).most_common(1)[0]
        score = (round(count / len(widths), 1) if width == widths[0] else 0.0, widths[0])
        if score > best_score:
            best_score, best = score, candidate
    return best


def check_header(plain: Path, path: str, separator: str) -> None:
    """Raise FileRefused when the first line holds values instead of names.

    Ascending numbers (0, 1, 2 …) and years are accepted as names.
    """
    rows = _first_rows(plain, separator)
    if len(rows) < 2:
        return
    first, below = rows[0], rows[1:]
    numbered = [cell.strip() for cell in first if _VALUE.fullmatch(cell.strip())]
    if _counts_up(numbered) or all(re.fullmatch(r"(18|19|20)\d\d", cell) for cell in numbered):
        return
    for column, cell in enumerate(first):
        texts = [row[column].strip() for row in below if len(row) > column and row[column].strip()]
        values = sum(_VALUE.fullmatch(text) is not None for text in texts)
        if _VALUE.fullmatch(cell.strip()) and texts and 2 * values > len(texts):
            raise no_header(path, [cell], separator, len(first))


def no_header(path: str, cells: list[str], separator: str, width: int) -> FileRefused:
    """The refusal of a file whose first line holds values, with the command that puts names before it."""
    names = separator.join(f"column_{number}" for number in range(1, min(width, 3) + 1))
    more = f"{separator}…" if width > 3 else ""
    examples = ", ".join(repr(cell[:40]) for cell in cells[:3])
    return FileRefused(
        path,
        f"the first line looks like data and not like names: {examples}",
        position="line 1",
        remedy=f"Put the names before it: (echo '{names}{more}'; cat {path}) > named.csv, and use that.",
    )


def _counts_up(cells: list[str]) -> bool:
    whole = [int(cell) for cell in cells if cell.isascii() and cell.isdecimal()]
    steps = {after - before for before, after in pairwise(whole)}
    return len(whole) == len(cells) and steps == {1} and whole[0] in (0, 1)


def _first_rows(plain: Path, separator: str) -> list[list[str]]:
    with plain.open(encoding="utf-8-sig", newline="") as stream:
        try:
            rows = csv.reader(stream, delimiter=separator, strict=True)
            return [row for row in islice(rows, _LINES) if row]
        except csv.Error:
            return []
