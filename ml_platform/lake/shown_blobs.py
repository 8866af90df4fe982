"""Blobs that people look at: plots and texts that a record or a check shows. They are kept as long as it is the newest.

A record names these blobs in a column of their own, so that nothing reads display values to find out what is kept.
"""

from collections.abc import Iterable, Mapping
from typing import Any


class ShownBlob(dict[str, str]):
    """A display value that stands for a blob. As JSON it is `{"picture": digest}` or `{"markdown": digest}`.

    >>> ShownBlob.picture("0a1b")
    {'picture': '0a1b'}
    """

    @classmethod
    def picture(cls, digest: str) -> "ShownBlob":
        """An SVG plot."""
        return cls(picture=digest)

    @classmethod
    def markdown(cls, digest: str) -> "ShownBlob":
        """A Markdown text."""
        return cls(markdown=digest)


def shown_blobs(value: Any) -> set[str]:
    """The digests of all blobs that a display value or several hold, at any depth.

    Only a `ShownBlob` counts: a text that looks like a digest is a text.

    >>> shown_blobs({"plot": ShownBlob.picture("0a1b"), "rows": [{"picture": "0a1c"}]})
    {'0a1b'}
    """
    match value:
        case ShownBlob():
            return set(value.values())
        case Mapping():
            return shown_blobs(value.values())
        case str() | bytes():
            return set()
        case Iterable():
            return {digest for part in value for digest in shown_blobs(part)}
    return set()
