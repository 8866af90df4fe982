"""The rows of a table that takes events, and which versions of them there are.

A row version is decided on as validation does when a file arrives (S6, S35): the first content of a key is known as
declared, an equal row is a repetition, other content is a correction or a conflict.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from ml_platform.features.definition import FeatureDefinition
from ml_platform.features.online.answering import OnlineFeatures
from ml_platform.features.online.passes import OnlinePass
from ml_platform.features.online.rows import key_bytes
from ml_platform.serving.events.database import EventDatabase
from ml_platform.serving.events.encoding import as_text, decoded, digests, encoded
from ml_platform.serving.events.tables import EventTable
from ml_platform.validation.version_order import PATH, ROW

Status = Literal["first", "correction", "repeated", "conflict"]
TIMES = ("_arrival", "_known_at", "_usable_at", "_superseded_at")
_COLUMNS = (
    "partition",
    "key",
    "content",
    "arrival",
    "known",
    "usable",
    "superseded",
    "path",
    "row",
    "number",
    "values_of",
)


@dataclass(frozen=True)
class Arriving:
    """Valid rows on their way in, none equal in key to another. `partitions`: of each row.

    statuses: what each is against the rows there are. newest: the arrival of the newest version of each key, if any.
    """

    frame: pl.DataFrame
    partitions: Sequence[str]
    keys: Sequence[bytes]
    contents: Sequence[bytes]
    statuses: Sequence[Status]
    newest: Sequence[int | None]

    def of_status(self, *statuses: Status) -> list[int]:
        """The indexes of the rows that are one of these."""
        return [index for index, status in enumerate(self.statuses) if status in statuses]


class EventRows:
    """The rows in the file of an event table, and the layouts of the online store that hold them."""

    def __init__(self, table: EventTable, database: EventDatabase) -> None:
        self.table, self.database = table, database
        self._known_layouts: tuple[list[Any], list[OnlinePass]] = [], []

    @property
    def passes(self) -> list[OnlinePass]:
        """The passes whose values are made from these rows."""
        recorded = self.database.rows("SELECT fingerprint, definition FROM layouts ORDER BY fingerprint")
        if recorded != self._known_layouts[0]:
            fingerprints, definitions = dict(recorded), {text for _, text in recorded}
            every = {
                one.layout.fingerprint: one
                for text in sorted(definitions)
                for one in OnlineFeatures(FeatureDefinition.from_json(text)).passes
            }
            self._known_layouts = recorded, [every[fingerprint] for fingerprint in fingerprints]
        return self._known_layouts[1]

    @property
    def joins(self) -> list[list[str]]:
        """The columns by which passes join, each combination once."""
        return [list(by) for by in sorted({tuple(one.by) for one in self.passes})]

    def arriving(self, frame: pl.DataFrame, partitions: Sequence[str]) -> Arriving:
        """What rows would be against those there are."""
        keys = digests(frame.select(self.table.identity), partitions)
        contents = digests(frame, partitions) if self.table.table.key else keys
        current: dict[bytes, bytes | None] = {}
        newest: dict[bytes, int] = {}
        sql = "SELECT key, content, superseded, arrival FROM rows WHERE key IN ({listed})"
        for key, content, superseded, arrival in self.database.rows_in(sql, keys):
            current.setdefault(key, None)
            newest[key] = max(arrival, newest.get(key, arrival))
            if superseded is None:
                current[key] = content
        statuses = [self._status(current, key, content) for key, content in zip(keys, contents, strict=True)]
        return Arriving(frame, partitions, keys, contents, statuses, [newest.get(key) for key in keys])

    def _status(self, current: Mapping[bytes, bytes | None], key: bytes, content: bytes) -> Status:
        if key not in current:
            return "first"
        if current[key] is None:  # its row was withdrawn
            return "correction"
        if current[key] == content:
            return "repeated"
        return "correction" if self.table.takes_corrections else "conflict"

    def standing(self, keys: pl.DataFrame) -> list[list[dict[str, Any]]]:
        """The current rows of each key, by column; of every partition in which it stands."""
        indexes: dict[bytes, list[int]] = {}
        for (partition,) in self.database.rows("SELECT partition FROM row_partitions"):
            for index, key in enumerate(digests(keys, [partition] * keys.height)):
                indexes.setdefault(key, []).append(index)
        rows: list[list[dict[str, Any]]] = [[] for _ in range(keys.height)]
        sql = "SELECT key, values_of FROM rows WHERE superseded IS NULL AND key IN ({listed})"
        for key, text in self.database.rows_in(sql, list(indexes)):
            (row,) = decoded([json.loads(text)], self.table.columns).to_dicts()
            for index in indexes[key]:
                rows[index].append(row)
        return rows

    def add(
        self, arriving: Arriving, indexes: Sequence[int], arrival: int, path: str, places: Sequence[int], number: int
    ) -> list[str]:
        """Add some of the rows, within a transaction, as those of a file that arrives then; each as it is kept.

        places: their numbers in the file. number: of this change; later ones have greater numbers.
        """
        if not indexes:
            return []
        frame = arriving.frame[list(indexes)]
        known = self._known(frame, arrival)
        times, ends = [], []
        for index, declared in zip(indexes, known, strict=True):
            is_correction = arriving.statuses[index] == "correction"
            moment = max(declared, arrival) if is_correction and declared is not None else declared
            times.append((arrival, moment, moment, None))
            if is_correction:
                ends.append((moment if moment is not None else arrival, number, arriving.keys[index]))
        self.database.execute_many(
            "UPDATE rows SET superseded = ?1, number = ?2 WHERE key = ?3 AND (superseded IS NULL OR superseded > ?1)",
            ends,
        )
        texts = self._insert(
            frame,
            [(arriving.partitions[index], arriving.keys[index], arriving.contents[index]) for index in indexes],
            times,
            [(path, place) for place in places],
            number,
        )
        self._note_change([moment for _, moment, *_ in times if moment is not None], number)
        return texts

    def add_validated(self, frame: pl.DataFrame) -> None:
        """Add row versions of the validated layout with `_partition`; those that are there already are left out."""
        partitions = frame["_partition"].to_list()
        rows = frame.select(pl.col(name).cast(dtype) for name, dtype in self.table.columns.items())
        keys = digests(rows.select(self.table.identity), partitions)
        contents = digests(rows, partitions) if self.table.table.key else keys
        times = frame.select(pl.col(name).dt.epoch("us") for name in TIMES).rows()
        self._insert(rows, list(zip(partitions, keys, contents, strict=True)), times, frame.select(PATH, ROW).rows(), 0)

    def _known(self, frame: pl.DataFrame, arrival: int) -> list[int | None]:
        name = self.table.table.known_column
        return [arrival] * frame.height if name is None else frame[name].dt.epoch("us").to_list()

    def _insert(
        self, frame: pl.DataFrame, identities: Sequence[Any], times: Sequence[Any], places: Sequence[Any], number: int
    ) -> list[str]:
        joins = [_join_keys(frame, by) for by in self.joins]
        texts = [as_text(row) for row in encoded(frame)]
        partitions = {partition for partition, *_ in identities}
        self.database.execute_many("INSERT OR IGNORE INTO row_partitions VALUES (?)", [(one,) for one in partitions])
        names = [*_COLUMNS, *(f"join_{index}" for index in range(len(joins)))]
        self.database.execute_many(
            f"INSERT OR IGNORE INTO rows ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
            (
                (*identity, *moments, *place, number, text, *keys)
                for identity, moments, place, text, *keys in zip(identities, times, places, texts, *joins, strict=True)
            ),
        )
        return texts

    def _note_change(self, moments: Sequence[int], number: int) -> None:
        """From now on the table answers from rows that no snapshot of the lake has, and perhaps from earlier on."""
        meta = self.database.meta()
        since = meta.get("since")
        if self.table.table.event_time is not None:
            since = min((*moments, *(() if since is None else (since,))), default=None)
        if (since, 0) != (meta.get("since"), meta.get("snapshot")):
            self.database.note(since=since, snapshot=0, bounds_number=number)


def _join_keys(frame: pl.DataFrame, by: Sequence[str]) -> list[bytes | None]:
    if not by:
        return [key_bytes(())] * frame.height
    return [key_bytes(key) for key in frame.select(by).iter_rows()]
