"""The inputs of an output: its content key and its reads, which lineage stores."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ml_platform.spec.canonical import content_key


@dataclass(frozen=True)
class Read:
    """One partition of one asset, as it stood when it was read.

    Of a landed file: `raw/<table>`, the path relative to the landing folder and the SHA-256 of the bytes.
    """

    asset: str
    partition: str
    content_key: str


@dataclass(frozen=True)
class Recipe:
    """The content key of an output, and everything that was read for it."""

    content_key: str
    reads: tuple[Read, ...] = ()


def recipe(*parts: Any, by_content: Iterable[Read] = ()) -> Recipe:
    """The recipe whose content key is the hash of `parts`. The reads among the parts are its reads.

    `by_content`: reads whose content is among the parts already, as a digest or a number. They become
    lineage and are not hashed: a training set that was decided anew with the same bytes is the same.
    """
    return Recipe(content_key(*parts), tuple(dict.fromkeys([*_reads(parts), *by_content])))


def _reads(value: Any) -> Iterator[Read]:
    if isinstance(value, Read):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _reads(item)
