"""Texts for people in which values of an entity may stand: previews, findings, alerts, messages of errors."""

import html
import json
import re
from collections.abc import Collection, Iterable, Sequence
from functools import cached_property, reduce
from typing import Any

import polars as pl

from ml_platform.escaping import html_text, markdown_text

FORGOTTEN = "(forgotten)"
_SHORTEST_KEY = 3  # characters; a shorter key stands in too many texts by chance
_SHORTEST_KEY_NUMBER = 5
_SHORTEST_VALUE = 4
_SHORTEST_NUMBER = 7
_BEGINNING = 64  # characters of a value that texts are searched for first: the search takes the square of repetitions
_NUMBER = re.compile(r"[-+\d.,eE:]+")
_DATE = re.compile(r"\d{4}-\d\d(-\d\d)?([T ][\d:.,+Z -]*)?")


def is_telling(value: str, *, key: bool = False) -> bool:
    """Whether a text that holds the value can be told from one that holds it by chance.

    >>> is_telling("c07", key=True), is_telling("12.5"), is_telling("ann@example.org")
    (True, False, True)
    """
    if _NUMBER.fullmatch(value):
        return len(value) >= (_SHORTEST_KEY_NUMBER if key else _SHORTEST_NUMBER)
    return len(value.strip()) >= (_SHORTEST_KEY if key else _SHORTEST_VALUE)


class Markers:
    """Values by which the texts about an entity are known, in every spelling that a text of the platform has."""

    def __init__(self, values: Collection[str]) -> None:
        self._values = values
        self._spellings = sorted({one for value in values for one in _spellings(value)}, key=len, reverse=True)
        self._beginnings = sorted({spelling[:_BEGINNING] for spelling in self._spellings})

    def __bool__(self) -> bool:
        return bool(self._spellings)

    def but_dates(self) -> "Markers":
        """Those that are no date or month alone, for texts in which partitions are named, too.

        >>> Markers(["ann@example.org", "2024-05-01"]).but_dates().are_in("2024-05-01")
        False
        """
        return Markers([value for value in self._values if not _DATE.fullmatch(value)])

    def among(self, texts: Sequence[str | None]) -> list[int]:
        """The positions of the texts that hold one of the values."""
        if not self._spellings or not texts:
            return []
        holds = pl.Series(texts, dtype=pl.String).str.contains_any(self._beginnings)
        return [position for position in holds.fill_null(False).arg_true() if self.are_in(texts[position] or "")]

    def are_in(self, text: str) -> bool:
        """Whether one of the values stands in the text, as a word of its own."""
        return any(pattern.search(text) for pattern in self._patterns_in(text))

    def are_in_bytes(self, content: bytes) -> bool:
        """Whether one of the values stands in these bytes, in UTF-8."""
        return any(spelling in content for spelling in self._encoded)

    def without(self, text: str) -> str:
        """The text without the values: JSON is changed text by text; a row of a Markdown table goes as a whole."""
        if text.startswith(("{", "[")):
            try:
                return json.dumps(self._without(json.loads(text)))
            except ValueError:
                pass
        return self._plain(text)

    def _without(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.without(value)
        if isinstance(value, list):
            return [self._without(item) for item in value]
        if isinstance(value, dict):
            return {name: self._without(item) for name, item in value.items()}
        return value

    def _plain(self, text: str) -> str:
        patterns = self._patterns_in(text)
        if not patterns:
            return text
        lines = []
        for line in text.split("\n"):
            if any(pattern.search(line) for pattern in patterns):
                if line.lstrip().startswith("|"):
                    continue
                lines.append(reduce(lambda left, pattern: pattern.sub(FORGOTTEN, left), patterns, line))
            else:
                lines.append(line)
        return "\n".join(lines)

    def _patterns_in(self, text: str) -> list[re.Pattern[str]]:
        return [_pattern(one) for one in self._spellings if one in text]

    @cached_property
    def _encoded(self) -> list[bytes]:
        return [spelling.encode() for spelling in self._spellings]


def _spellings(value: str) -> Iterable[str]:
    """The value as it stands in plain texts, in HTML, in Markdown, and in JSON of each of these."""
    for shown in (value, html_text(value), html.escape(value), markdown_text(value)):
        yield from (shown, json.dumps(shown)[1:-1], json.dumps(shown, ensure_ascii=False)[1:-1])


def _pattern(spelling: str) -> re.Pattern[str]:
    begin = r"(?<![\w])" if spelling[:1].isalnum() else ""
    end = r"(?![\w])" if spelling[-1:].isalnum() else ""
    return re.compile(begin + re.escape(spelling) + end)
