"""Text as counts of hashed n-grams (Weinberger et al. 2009, without signs): the same code for a frame and for a row."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self
from zlib import crc32

import numpy as np
import numpy.typing as npt
import polars as pl

from ml_platform.errors import ScoringError
from ml_platform.models.transforms.protocol import Origins, Target
from ml_platform.spec.normalised_text import normalised

_WORD = re.compile(r"\w+")
_MOST = 255  # of one n-gram that are told apart
_ROWS = 10_000  # counted at a time


class Hashed:
    """Columns `<name>#0`, `<name>#1`, … with the counts of the n-grams of each bucket."""

    kind: ClassVar[str] = "Hashed"

    def __init__(self, columns: Mapping[str, str], least: int, greatest: int, buckets: int, of: str) -> None:
        self.columns: Mapping[str, str] = dict(columns)
        self.least, self.greatest, self.buckets, self.of = least, greatest, buckets, of
        self._outputs = {name: [f"{name}#{bucket}" for bucket in range(buckets)] for name in columns}
        self.outputs: Mapping[str, str] = {out: "UInt8" for outputs in self._outputs.values() for out in outputs}
        self.origins: Origins = {out: {name: 1.0} for name, outputs in self._outputs.items() for out in outputs}

    @classmethod
    def fit(
        cls, declared: Mapping[str, Any], frame: pl.DataFrame, columns: Mapping[str, str], target: Target
    ) -> tuple[Self, pl.DataFrame]:
        least, greatest = declared["ngrams"]
        fitted = cls(columns, least, greatest, declared["buckets"], declared["of"])
        return fitted, fitted.apply(frame)

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        counted: dict[str, npt.NDArray[np.uint8]] = {}
        for name, outputs in self._outputs.items():
            if name not in frame.columns:
                raise ScoringError(f"The rows lack {name}.", remedy="Compute the model's own features.")
            texts = frame[name]
            if texts.dtype not in (pl.String, pl.Null):
                raise _misfit(f"The column {name!r} is {texts.dtype}")
            counted |= dict(zip(outputs, self._counts(texts).T, strict=True))
        return pl.DataFrame(counted)

    def apply_row(self, row: dict[str, Any]) -> None:
        for name, outputs in self._outputs.items():
            try:
                text = row[name]
            except KeyError:
                raise ScoringError(f"The row lacks {name}.", remedy="Compute the model's own features.") from None
            if text is not None and not isinstance(text, str):
                raise _misfit(f"The value {text!r} of {name!r} does not fit")
            counts = [0.0] * self.buckets
            for bucket in self.buckets_of(text):
                counts[bucket] += counts[bucket] < _MOST
            row.update(zip(outputs, counts, strict=True))

    def buckets_of(self, text: str | None) -> Iterator[int]:
        """The bucket of each n-gram of a text, as often as it comes."""
        if not text:
            return iter(())
        buckets = self.buckets
        return (crc32(ngram.encode("utf-8", "replace")) % buckets for ngram in self._ngrams(text))

    def _ngrams(self, text: str) -> Iterator[str]:
        words = _WORD.findall(normalised(text))
        if self.of == "words":
            for size in range(self.least, self.greatest + 1):
                yield from words if size == 1 else map(" ".join, zip(*(words[at:] for at in range(size)), strict=False))
            return
        for word in words:
            spaced = f" {word} "
            for size in range(self.least, self.greatest + 1):
                for at in range(len(spaced) - size + 1):
                    yield spaced[at : at + size]

    def _counts(self, texts: pl.Series) -> npt.NDArray[np.uint8]:
        """Shape (n, buckets), each bucket's column contiguous."""
        counts = np.empty((len(texts), self.buckets), dtype=np.uint8, order="F")
        for start in range(0, len(texts), _ROWS):
            some = [list(self.buckets_of(text)) for text in texts.slice(start, _ROWS)]
            rows = np.repeat(np.arange(len(some)), [len(buckets) for buckets in some])
            flat = rows * self.buckets + np.array([bucket for own in some for bucket in own], dtype=np.intp)
            table = np.bincount(flat, minlength=len(some) * self.buckets).reshape(len(some), self.buckets)
            counts[start : start + len(some)] = np.minimum(table, _MOST)
        return counts

    def to_json(self) -> dict[str, Any]:
        return {"ngrams": [self.least, self.greatest], "buckets": self.buckets, "of": self.of}

    @classmethod
    def from_json(cls, document: Mapping[str, Any], columns: Mapping[str, str]) -> Self:
        least, greatest = document["ngrams"]
        return cls(columns, least, greatest, document["buckets"], document["of"])


def _misfit(what: str) -> ScoringError:
    return ScoringError(f"{what}; the model learnt text.", remedy="Give it the type the feature declares.")
