"""Taking events: each row is judged as validation judges it and journalled, and the next prediction sees it."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import polars as pl

from ml_platform.errors import PlatformError, ServingError
from ml_platform.serving.events.database import EventDatabase
from ml_platform.serving.events.groups import group_of_its_own, open_group
from ml_platform.serving.events.layout_values import LayoutValues
from ml_platform.serving.events.rows import Arriving, EventRows
from ml_platform.serving.events.tables import EventTable
from ml_platform.serving.online_store import OnlineStore
from ml_platform.spec.durations import since_epoch

WAIT = 10.0  # seconds from the arrival of a request, for whoever else changes events of the table, or fills it
_POLL = 0.02  # seconds
_AHEAD = timedelta(days=366)  # of the clock, as for files: forecasts lie ahead, and a time beyond it is a slip


class EventsRefused(PlatformError):
    """Rows that cannot be events. `reasons`: by the row's number in the request."""

    def __init__(self, table: str, reasons: Mapping[int, str]) -> None:
        self.reasons = dict(sorted(reasons.items()))
        first, why = next(iter(self.reasons.items()))
        super().__init__(f"rows.{first} of {table}: {why}.", remedy="Mend these rows. None of the request was taken.")


@dataclass(frozen=True)
class Taken:
    """What became of the rows of a request: `taken` are new or corrections, `repeated` were there already."""

    taken: int
    repeated: int


@dataclass(frozen=True)
class Judged:
    """Rows against the contract: the valid ones with `_row`, and their partitions.

    refused: reasons by `_row`. identical: how many more were equal to a valid one.
    """

    valid: pl.DataFrame
    partitions: list[str]
    refused: Mapping[int, str]
    identical: int


class EventTaker:
    """Takes events of one table. One thread uses it.

    Args:
        table: Takes events (`EventTable.refusal` is None).
        folder: Where the files of events are.
        store: The online store.
        budget: Bytes that events may take that are not landed.
    """

    def __init__(self, table: EventTable, folder: Path, store: OnlineStore, budget: int) -> None:
        self.table, self._store, self._budget = table, store, budget
        # Once the file is there, the supervisor fills it: who posts no events of a table pays nothing for them.
        self._database = EventDatabase(database_path(folder, table.name))
        self._rows = EventRows(table, self._database)
        self._values = LayoutValues(self._rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    @property
    def backlog(self) -> int:
        """Bytes of the events that are not landed."""
        return self._database.backlog

    def take(self, rows: Sequence[Mapping[str, Any]], deadline: float | None = None) -> Taken:
        """Take all rows of a request or none. Once this returns no kill loses them, and predictions see them.

        deadline: until when to wait for others, by `time.monotonic`; None: `WAIT` seconds from now on.

        Raises:
            EventsRefused: For rows that the batch would refuse.
            ServingError: When the budget is used up, the disk is full, or the store is being filled.
        """
        judgement = judged(self.table, pl.DataFrame(list(rows), schema=self.table.columns, orient="row"))
        with self._changing(deadline):
            return self._take(judgement)

    def take_together(
        self, requests: Sequence[Sequence[Mapping[str, Any]]], deadline: float | None = None
    ) -> list[Taken] | None:
        """Take several requests in one go, which costs hardly more than one of them.

        None where a row would be refused, or two have one key: nothing was taken then. Raises ServingError as `take`.
        """
        rows = [row for request in requests for row in request]
        judgement = judged(self.table, pl.DataFrame(rows, schema=self.table.columns, orient="row"))
        if judgement.identical:
            return None
        with self._changing(deadline):
            try:
                arriving = self._arriving(judgement)
            except EventsRefused:
                return None
            self._accept(arriving)
        statuses = iter(arriving.statuses)  # in the order of the rows, of which none is missing
        repeated = [sum(next(statuses) == "repeated" for _ in request) for request in requests]
        return [Taken(len(request) - count, count) for request, count in zip(requests, repeated, strict=True)]

    def take_outcomes(self, rows: Sequence[Mapping[str, Any]], deadline: float | None = None) -> Taken:
        """Take new values of some columns of rows that are there, each with the key of its row, as corrections.

        Raises as `take`, and EventsRefused for a key of which no row, or more than one, is on record.
        """
        with self._changing(deadline):
            return self._take(judged(self.table, self._merged(rows)))

    @contextmanager
    def _changing(self, deadline: float | None) -> Iterator[None]:
        """Be the only one that takes events of the table, over rows that the online store has."""
        deadline = time.monotonic() + WAIT if deadline is None else deadline
        while not self._database.meta().get("filled") and time.monotonic() < deadline:
            time.sleep(_POLL)
        self._require_filled()
        with self._database.locked(max(0.0, deadline - time.monotonic())):
            self._require_filled()
            self._values.catch_up(self._store)
            yield

    def _take(self, judgement: Judged) -> Taken:
        arriving = self._arriving(judgement)
        self._accept(arriving)
        repeated = len(arriving.of_status("repeated"))
        return Taken(len(arriving.statuses) - repeated, judgement.identical + repeated)

    def _arriving(self, judgement: Judged) -> Arriving:
        """What valid rows are. Raises EventsRefused for others, and for those that conflict with rows that stand."""
        if judgement.refused:
            raise EventsRefused(self.table.name, judgement.refused)
        valid = judgement.valid
        _check_times(self.table, valid)
        self._check_partitions(judgement)
        arriving = self._rows.arriving(valid.select(list(self.table.columns)), judgement.partitions)
        conflicts = arriving.of_status("conflict")
        if conflicts:
            reason = "its key stands with other content, and the table declares on_conflict='quarantine'"
            raise EventsRefused(self.table.name, {int(valid["_row"][index]): reason for index in conflicts})
        return arriving

    def _accept(self, arriving: Arriving) -> None:
        first, corrections = arriving.of_status("first"), arriving.of_status("correction")
        if first or corrections:
            self._write(arriving, first, corrections)
            self._values.catch_up(self._store)

    def _merged(self, rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
        key = self.table.table.key
        keys = pl.DataFrame(
            [{name: row[name] for name in key} for row in rows], schema={name: self.table.columns[name] for name in key}
        )
        merged, reasons = [], {}
        for index, (row, standing) in enumerate(zip(rows, self._rows.standing(keys), strict=True)):
            if len(standing) == 1:
                merged.append({**standing[0], **row})
            else:
                reasons[index] = (
                    "no row has its key: post the row as an event, or land it"
                    if not standing
                    else ("its key stands in several partitions: post the whole row as an event")
                )
        if reasons:
            raise EventsRefused(self.table.name, reasons)
        return pl.DataFrame(merged, schema=self.table.columns, orient="row")

    def _write(self, arriving: Arriving, first: list[int], corrections: list[int]) -> None:
        own = first + corrections if self.table.table.event_time is None else corrections
        shared = [] if self.table.table.event_time is None else first
        backlog = self._database.backlog
        with self._database.writing():
            meta = self._database.meta()
            number = meta["number"] + 1
            arrival = max(since_epoch(datetime.now(UTC)), meta["newest_arrival"] + 1)
            parts = [
                (group_for, partition, [index for index in indexes if arriving.partitions[index] == partition])
                for group_for, indexes in ((open_group, shared), (group_of_its_own, own))
                for partition in sorted({arriving.partitions[index] for index in indexes})
            ]
            for group_for, partition, indexes in parts:
                group = group_for(self._database, self.table, partition, arrival, time.time())
                places = range(group.rows, group.rows + len(indexes))
                texts = self._rows.add(arriving, indexes, group.arrival, group.path, places, number)
                text = f"[{','.join(texts)}]"
                size = len(text.encode())
                if backlog + size > self._budget:
                    raise ServingError(
                        f"Events of {self.table.name} that are not landed take {backlog:,} bytes, and their budget is "
                        f"{self._budget:,}.",
                        remedy="See why they are not landed, or raise ML_PLATFORM_LOG_BUDGET_BYTES.",
                    )
                group.append(self._database, text, len(indexes))
                backlog += size
                arrival += 1
            self._database.note(number=number, newest_arrival=arrival)

    def _require_filled(self) -> None:
        if not self._database.meta().get("filled"):
            raise ServingError(
                f"The online store has nothing of {self.table.name} to which events could be added.",
                remedy="Send them again once `ml-platform serve` has filled it.",
            )

    def _check_partitions(self, judgement: Judged) -> None:
        declared, earliest = self.table.partitions, self._database.meta()["earliest_partition"]
        if declared is None:
            return
        reasons = {}
        for index, partition in zip(judgement.valid["_row"].to_list(), judgement.partitions, strict=True):
            if partition < declared.since or (declared.until is not None and partition >= declared.until):
                reasons[index] = f"it is of {partition}, which is none of the partitions of {self.table.name}"
            elif partition < earliest:
                reasons[index] = f"it is of {partition}, and events are taken from {earliest} on: land it in a file"
        if reasons:
            raise EventsRefused(self.table.name, reasons)


def _check_times(table: EventTable, valid: pl.DataFrame) -> None:
    """Raise EventsRefused for times more than a year ahead: a slip there would pass every watermark before it (S20)."""
    from ml_platform.validation.times import INSTANT

    limit = datetime.now(UTC) + _AHEAD
    reasons: dict[int, str] = {}
    for name in dict.fromkeys(one for one in (table.table.event_time, table.table.known_at) if one):
        latest: Any = valid[name].cast(INSTANT).max()
        if latest is None or latest <= limit:
            continue
        far = valid.filter(pl.col(name).cast(INSTANT) > limit)
        for row, moment in far.select("_row", pl.col(name).cast(pl.String)).iter_rows():
            reasons[row] = f"{name} is {moment}, which lies more than a year ahead"
    if reasons:
        raise EventsRefused(table.name, reasons)


def judged(table: EventTable, frame: pl.DataFrame) -> Judged:
    """Rows as validation judges those of one file."""
    from ml_platform.sources.raw_columns import ROW
    from ml_platform.validation.judging import PARTITION, REASON, RULE_HOLDS, judge

    raw = table.table.source.with_nulls(frame).with_row_index(ROW).with_columns(pl.col(ROW).cast(pl.Int64))
    outcome = judge(table.table, raw, raw, table.partitions)
    valid, refused = outcome.kept.filter(RULE_HOLDS), outcome.kept.filter(~RULE_HOLDS)
    columns = [pl.col(name).cast(dtype) for name, dtype in table.columns.items()]
    reasons = dict(refused.select(ROW, REASON).iter_rows())
    return Judged(valid.select(*columns, ROW), valid[PARTITION].to_list(), reasons, outcome.lost.height)


def database_path(folder: Path, table: str) -> Path:
    """The file of the events of a table."""
    return folder / f"{table}.sqlite"
