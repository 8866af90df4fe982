"""A column of JSON objects that is read as a whole when one of them is first looked into."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any


class JsonColumn:
    """The texts of a column. Reading all at once takes half the time of reading each."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts

    @cached_property
    def values(self) -> list[dict[str, Any]]:
        """The objects, in order."""
        return list(json.loads(f"[{','.join(self._texts)}]"))

    def cells(self) -> "list[JsonCell]":
        """One object for each text, none of which is read yet."""
        return [JsonCell(self, index) for index in range(len(self._texts))]


class JsonCell(Mapping[str, Any]):
    """One object of a column.

    >>> first, second = JsonColumn(['{"a": 1}', '{}']).cells()
    >>> first["a"], dict(second)
    (1, {})
    """

    __slots__ = ("_column", "_index")

    def __init__(self, column: JsonColumn, index: int) -> None:
        self._column, self._index = column, index

    def __getitem__(self, name: str) -> Any:
        return self._column.values[self._index][name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._column.values[self._index])

    def __len__(self) -> int:
        return len(self._column.values[self._index])

    def get(self, name: str, default: Any = None) -> Any:
        """As of any mapping; asked once a row of a long list."""
        return self._column.values[self._index].get(name, default)
