"""Filling the online store from the validated tables of one snapshot of the lake."""

from collections.abc import Set
from datetime import UTC, datetime, timedelta

from ml_platform.features.definition import FeatureDefinition
from ml_platform.features.online.answering import OnlineFeatures
from ml_platform.features.online.filling import online_values
from ml_platform.features.relations import relation
from ml_platform.lake import snapshots
from ml_platform.serving.events.keeping import EventKeeper
from ml_platform.serving.events.refilling import Reach, refill
from ml_platform.serving.online_store import Filling, OnlineStore
from ml_platform.spec.durations import since_epoch
from ml_platform.state import ledger
from ml_platform.state.database import State
from ml_platform.state.stores import Stores
from ml_platform.validation.version_order import validated


def fill(
    stores: Stores,
    definition: FeatureDefinition,
    store: OnlineStore,
    answered_span: timedelta | None = None,
    keeper: EventKeeper | None = None,
    event_tables: Set[str] = frozenset(),
    *,
    anew: bool = False,
) -> list[Filling]:
    """Fill every layout of a definition from the validated tables as they are now; what is on record of each.

    A layout that was filled from these rows already is left as it is. A store of another lake is emptied first.
    answered_span: how long before the newest usable row of a table an `at` may be asked for; None: any `at`. Rows
    that no such example can use are left out.
    keeper: of the tables that take events: theirs are filled with the events that the validated tables lack (S36).
    event_tables: those of them that the pipeline has, with rows that no feature of the definition reads among them.
    anew: fill what was filled from the rows on record, too: some of them were forgotten (S47).
    """
    store.belong_to(stores.lake.identity)
    # Before the rows: a number that is too old only fills once more, and one that is too new would hide rows.
    records = {name: newest_validated_record(stores.state, name) for name in definition.tables}
    fillings_before = store.fillings()
    fillings = []
    with stores.reading():
        snapshot = snapshots.current(stores.lake)
        for online_pass in OnlineFeatures(definition).passes:
            name, fingerprint = online_pass.table_name, online_pass.layout.fingerprint
            table = definition.tables[name]
            rows = validated(stores.state, name, keyed=bool(table.key))
            first, last = _usable(stores, rows) if table.timed else (None, None)
            now = datetime.now(UTC)
            # A row from the future, such as a forecast or a wrong date, says nothing about what may be asked.
            horizon = min(last, now) - answered_span if last is not None and answered_span is not None else None
            filling = Filling(name, records[name], horizon, first, now, snapshot=snapshot)
            earlier_filling = fillings_before.get(fingerprint)
            if keeper is not None and (event_rows := keeper.event_rows(name)) is not None:
                reach = Reach.of(event_rows.table, last, answered_span, keeper.event_span)
                of_table = refill(stores, event_rows, definition, store, reach, records[name], first, snapshot)
                fillings.append(of_table[fingerprint])
                continue
            if not anew and earlier_filling is not None and _still_answers(earlier_filling, filling):
                fillings.append(earlier_filling)
                continue
            horizon_us = since_epoch(horizon) if horizon is not None else None
            values = online_values(stores.lake.connection, online_pass, rows, horizon_us)
            fillings.append(store.fill(fingerprint, values, filling))
        if keeper is not None:
            unread = event_tables - definition.tables.keys()
            _fill_unread(stores, unread, definition, store, answered_span, keeper, snapshot)
    return fillings


def _fill_unread(
    stores: Stores,
    tables: Set[str],
    definition: FeatureDefinition,
    store: OnlineStore,
    answered_span: timedelta | None,
    keeper: EventKeeper,
    snapshot: int,
) -> None:
    """Read the rows of tables that take events and that no feature of the definition reads: labels are corrections."""
    for name in sorted(tables):
        rows = keeper.event_rows(name)
        assert rows is not None  # some were posted
        record = newest_validated_record(stores.state, name)
        first = last = None
        if rows.table.table.event_time is not None and stores.lake.columns("validated", name):
            first, last = _usable(stores, validated(stores.state, name, keyed=True))
        reach = Reach.of(rows.table, last, answered_span, keeper.event_span)
        refill(stores, rows, definition, store, reach, record, first, snapshot)


def newest_validated_record(state: State, table: str) -> int:
    """A number that is another one whenever rows of a validated table were made."""
    return ledger.newest_number(state, f"validated/{table}")


def _still_answers(earlier: Filling, wanted: Filling) -> bool:
    """Whether a filling is of the same rows and answers all that is wanted."""
    if earlier.record_number != wanted.record_number:
        return False
    return earlier.horizon is None or (wanted.horizon is not None and earlier.horizon <= wanted.horizon)


def _usable(stores: Stores, sql: str) -> tuple[datetime | None, datetime | None]:
    """The first and the last moment at which a row of a table became usable."""
    ((first, last),) = stores.lake.rows(f"SELECT min(_usable_at), max(_usable_at) FROM {relation(sql)}")
    return first, last
