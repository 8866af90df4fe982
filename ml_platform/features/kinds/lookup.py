"""Lookup: columns of a table without time (S12)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl

from ml_platform.features.feeds import Key, Keys, VersionFeed
from ml_platform.features.forms import On, TableForm
from ml_platform.features.places import ALWAYS, NEVER, Integers
from ml_platform.features.ranked import RankedForm
from ml_platform.spec.durations import since_epoch
from ml_platform.spec.features import Lookup
from ml_platform.validation.version_order import PATH, ROW


@dataclass(frozen=True)
class LookupForm(RankedForm[Lookup]):
    """Columns of a table without time."""

    word: ClassVar[type] = Lookup
    kind: ClassVar[str] = "lookup"

    table: str
    on: On
    take: tuple[str, ...]
    outputs: tuple[str, ...]
    status: str

    @classmethod
    def from_word(cls, feature: Lookup) -> Self:
        return cls(feature.table, tuple(feature.keys.items()), tuple(feature.take), feature.outputs, feature.status)

    @property
    def columns(self) -> frozenset[str]:
        return frozenset(self.take)

    @property
    def statuses(self) -> tuple[str, ...]:
        return (self.status,)

    def covered(self, clock: Integers, usable: Integers, end: Integers) -> tuple[Integers, Integers]:
        """As RankedForm says: by arrival, inclusive; the first rows of a key also stand for the time before them."""
        last = np.where(end == NEVER, NEVER, end - 1)
        return np.where((usable == clock) & (last >= usable), ALWAYS, usable - 1), last

    def picked(self, rows: pl.DataFrame, at: pl.Series) -> dict[str, pl.Series]:
        missing, assumed = rows["_clock"].is_null(), at < rows["_clock"]
        words = pl.when(missing).then(pl.lit("unknown")).when(assumed).then(pl.lit("assumed")).otherwise(pl.lit("ok"))
        outputs = {output: rows[column] for output, column in zip(self.outputs, self.take, strict=True)}
        return {**outputs, self.status: rows.select(words.alias("status"))["status"]}

    @classmethod
    def feed(cls, forms: Sequence[Self], table: TableForm, keys: Keys) -> VersionFeed:
        return LookupFeed(forms)


@dataclass(eq=False)
class _Version:
    mark: Any
    usable: int
    until: int
    order: tuple[Any, ...]
    values: dict[str, Any]


class LookupFeed(VersionFeed):
    """Versions of rows without time (S12). They may be learnt ahead: the first stands for the time before it."""

    def __init__(self, forms: Sequence[LookupForm]) -> None:
        self._forms, self._on = forms, [theirs for _, theirs in forms[0].on]
        self._take = sorted({column for form in forms for column in form.take})
        self._versions: dict[Key, list[_Version]] = {}
        self._current: dict[Any, _Version] = {}

    def learn(self, table: TableForm, row: Mapping[str, Any], identity: Any, mark: Any) -> None:
        version_before = self._current.get(identity)
        if row["_superseded_at"] is not None:
            if version_before is not None and version_before.mark == mark:
                version_before.until = since_epoch(row["_superseded_at"])
                del self._current[identity]
            return
        usable = since_epoch(row["_usable_at"])
        if version_before is not None:
            version_before.until = usable
        order = (since_epoch(row["_arrival"]), *(row[name] for name in table.key or (PATH, ROW)))
        version = _Version(mark, usable, NEVER, order, {name: row[name] for name in self._take})
        self._current[identity] = version
        key = tuple([row[theirs] for theirs in self._on])
        if None not in key:
            self._versions.setdefault(key, []).append(version)

    def answer(self, key: Key | None, at: int) -> dict[str, Any]:
        versions = self._versions.get(key, []) if key is not None else []
        first = min((version.usable for version in versions), default=at)
        moment = max(at, first)
        seen = [version for version in versions if version.usable <= moment < version.until]
        chosen = max(seen, key=lambda version: version.order, default=None)
        status = "unknown" if chosen is None else "assumed" if at < first else "ok"
        values = chosen.values if chosen is not None else {}
        answers: dict[str, Any] = {}
        for form in self._forms:
            answers.update(zip(form.outputs, (values.get(name) for name in form.take), strict=True))
            answers[form.status] = status
        return answers
