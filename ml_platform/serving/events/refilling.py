"""Filling the layouts of a table that takes events: validated rows, and after them the events that they lack."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from ml_platform.features.definition import FeatureDefinition
from ml_platform.features.online.answering import OnlineFeatures
from ml_platform.features.online.filling import reachable_rows
from ml_platform.features.online.passes import OnlinePass
from ml_platform.naming import literal, quoted
from ml_platform.serving.events.database import CLOSED, LANDED, OPEN, EventDatabase
from ml_platform.serving.events.groups import close, groups
from ml_platform.serving.events.landing import group_rows
from ml_platform.serving.events.layout_values import LayoutValues
from ml_platform.serving.events.rows import EventRows
from ml_platform.serving.events.tables import EventTable
from ml_platform.serving.events.taking import judged
from ml_platform.serving.online_store import Filling, OnlineStore
from ml_platform.spec.durations import EPOCH, since_epoch
from ml_platform.state import ledger, withdrawals
from ml_platform.state.results import ValidatedResult
from ml_platform.state.stores import Stores
from ml_platform.validation.version_order import with_paths

_WAIT = 60.0  # seconds, for who takes events
_CHUNK = 200_000  # rows that are read at once


@dataclass(frozen=True)
class Reach:
    """How far back rows count.

    horizon:  the earliest `at` that is answered; None: any.
    packing:  rows that count for no `at` from then on are not stored; None: all are. It is earlier than `horizon`, so
              that a correction of a row finds the one that it outranked.
    earliest: the first partition of which events are taken; empty: of all.
    """

    horizon: datetime | None
    packing: datetime | None
    earliest: str

    @classmethod
    def of(
        cls, table: EventTable, last: datetime | None, answered_span: timedelta | None, event_span: timedelta
    ) -> "Reach":
        """The reach of a table whose newest row was usable at `last`."""
        now = datetime.now(UTC)
        newest = min(last, now) if last is not None else now
        horizon = newest - answered_span if last is not None and answered_span is not None else None
        partitions = table.partitions
        if partitions is None or answered_span is None:
            return cls(horizon, None, "")
        earliest = max(partitions.at(newest - max(event_span, answered_span)), partitions.since)
        return cls(horizon, partitions.window(earliest)[0], earliest)


def refill(
    stores: Stores,
    rows: EventRows,
    definition: FeatureDefinition,
    store: OnlineStore,
    reach: Reach,
    record_number: int,
    since: datetime | None,
    snapshot: int,
) -> dict[bytes, Filling]:
    """Fill the layouts of a definition over an event table, and those that are filled already; what is on record.

    Nothing is done where they are filled from these rows. Meanwhile events wait.

    record_number: the newest record of the validated table, read before its rows. since, snapshot: as in `Filling`.
    Where events were added to the rows, no snapshot has them all.
    """
    name, database = rows.table.name, rows.database
    wanted = {one.layout.fingerprint for one in OnlineFeatures(definition).passes if one.table_name == name}
    filled = store.fillings()
    meta = database.meta()
    layouts = dict(database.rows("SELECT fingerprint, definition FROM layouts"))
    if (
        meta.get("filled")
        and meta["record_number"] == record_number
        and wanted <= layouts.keys() & filled.keys()
        and all(filled[one].record_number == record_number for one in wanted)
        and _reaches(meta["horizon"], reach.horizon)
    ):
        return {one: filled[one] for one in wanted}
    text = definition.to_json()
    kept = {one: of_layout for one, of_layout in layouts.items() if one in filled} | dict.fromkeys(wanted, text)
    with database.locked(_WAIT):
        with database.writing():
            _begin(database, kept, rows, reach, record_number, since, snapshot)
            _add_validated(stores, rows, reach)
            _add_pending(stores, rows)
        values = LayoutValues(rows)
        bounds = values.bounds()
        moment = _moment(bounds.since)
        filling = Filling(name, record_number, reach.horizon, moment, datetime.now(UTC), snapshot=bounds.snapshot)
        fillings = {
            one.layout.fingerprint: store.fill(one.layout.fingerprint, values.all_values(one), filling)
            for one in rows.passes
        }
        store.change({}, name, database.meta()["number"])
        with database.writing():
            database.note(filled=1)
    return {one: fillings[one] for one in wanted}


def _reaches(horizon: int | None, wanted: datetime | None) -> bool:
    """Whether what is filled from a horizon on answers all that is wanted."""
    return horizon is None or (wanted is not None and horizon <= since_epoch(wanted))


def _begin(
    database: EventDatabase,
    layouts: Mapping[bytes, str],
    rows: EventRows,
    reach: Reach,
    record_number: int,
    since: datetime | None,
    snapshot: int,
) -> None:
    meta = database.meta()
    database.execute("DELETE FROM layouts")
    database.execute_many("INSERT INTO layouts VALUES (?, ?)", list(layouts.items()))
    database.begin_rows(len(rows.joins))
    database.note(
        filled=0,
        number=meta.get("number", 0),
        newest_arrival=meta.get("newest_arrival", 0),
        record_number=record_number,
        horizon=_microseconds(reach.horizon),
        packing_horizon=_microseconds(reach.packing),
        earliest_partition=reach.earliest,
        since=_microseconds(since),
        snapshot=snapshot,
        bounds_number=0,
    )


def _add_validated(stores: Stores, rows: EventRows, reach: Reach) -> None:
    """Rows that events may repeat or correct, and older ones that can count."""
    if not stores.lake.columns("validated", rows.table.name):
        return  # nothing landed yet
    source = f"({with_paths(stores.state, rows.table.name)}) e"
    recent = f"e._partition >= {literal(reach.earliest)}"
    for batch in stores.lake.connection.execute(f"SELECT e.* FROM {source} WHERE {recent}").to_arrow_reader(_CHUNK):
        rows.add_validated(_frame(batch))
    if reach.packing is not None:
        for online_pass in rows.passes:
            _add_reachable(stores, rows, online_pass, f"{source} WHERE NOT ({recent})", since_epoch(reach.packing))
    ((newest,),) = stores.lake.rows(f"SELECT max(e._arrival) FROM {source}")
    if newest is not None:
        arrival = max(since_epoch(newest), rows.database.meta()["newest_arrival"])
        rows.database.note(newest_arrival=arrival)


def _add_reachable(stores: Stores, rows: EventRows, online_pass: OnlinePass, source: str, horizon: int) -> None:
    connection = stores.lake.connection
    counted = connection.execute(f"SELECT count(*) FROM {source}").fetchone()
    parts = 1 + (int(counted[0]) if counted else 0) // _CHUNK if online_pass.by else 1
    by = ", ".join(f"e.{quoted(name)}" for name in online_pass.by)
    for part in range(parts):
        near = f" AND hash({by}) % {parts} = {part}" if parts > 1 else ""
        frame = _frame(connection.execute(f"SELECT e.* FROM {source}{near}").to_arrow_table())
        rows.add_validated(reachable_rows(online_pass, frame, horizon))


def _add_pending(stores: Stores, rows: EventRows) -> None:
    """The events that the validated rows lack, in the order in which they came. Groups that they have are forgotten.

    What the batch will decide otherwise than when the event was taken, because a file arrived meanwhile, is left to it.
    """
    database, name = rows.database, rows.table.name
    close(database)  # what comes after these rows arrives after them
    withdrawn = withdrawals.standing(stores.state, name)
    number = database.meta()["number"]
    for group in groups(database, OPEN, CLOSED, LANDED):
        judgement = judged(rows.table, _as_declared(rows.table, group_rows(stores.settings, database, group)))
        is_pending = [
            group.path not in withdrawn and group.path not in _files(stores, name, partition)
            for partition in judgement.partitions
        ]
        if not any(is_pending):
            if group.status == LANDED:
                database.execute("DELETE FROM groups WHERE number = ?", [group.number])
            continue
        arriving = rows.arriving(judgement.valid.select(list(rows.table.columns)), judgement.partitions)
        indexes = [
            index
            for index in arriving.of_status("first", "correction")
            if is_pending[index] and (arriving.newest[index] or 0) < group.arrival
        ]
        places = [judgement.valid["_row"][index] for index in indexes]
        rows.add(arriving, indexes, group.arrival, group.path, places, number)


def _as_declared(table: EventTable, frame: pl.DataFrame) -> pl.DataFrame:
    """Rows of a group with the columns that the table has now, which may have other types, or be missing."""
    missing = [pl.lit(None).alias(name) for name in table.columns if name not in frame.columns]
    return frame.with_columns(missing).select(list(table.columns))


def _files(stores: Stores, table: str, partition: str) -> frozenset[str]:
    """The files that the validated rows of a partition were made from."""

    def asked() -> frozenset[str]:
        record = ledger.latest_of(stores.state, f"validated/{table}", partition)
        return frozenset() if record is None else frozenset(record.result_as(ValidatedResult).files)

    files: frozenset[str] = stores.state.once(f"files of {table} in {partition}", asked)
    return files


def _frame(rows: object) -> pl.DataFrame:
    frame = pl.from_arrow(rows)
    assert isinstance(frame, pl.DataFrame)  # neither is a single column
    return frame


def _microseconds(moment: datetime | None) -> int | None:
    return None if moment is None else since_epoch(moment)


def _moment(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else EPOCH + timedelta(microseconds=microseconds)
