"""Filling the online store from the validated tables of one snapshot of the lake."""

from datetime import UTC, datetime, timedelta

from ml_platform.features.definition import FeatureDefinition
from ml_platform.features.kept.answering import KeptFeatures
from ml_platform.features.kept.filling import kept_values
from ml_platform.features.relations import relation
from ml_platform.serving.online_store import Filling, OnlineStore
from ml_platform.spec.durations import since_epoch
from ml_platform.state import ledger
from ml_platform.state.database import State
from ml_platform.state.stores import Stores
from ml_platform.validation.version_order import validated


def fill(
    stores: Stores, definition: FeatureDefinition, store: OnlineStore, keeps: timedelta | None = None
) -> list[Filling]:
    """Fill every layout of a definition from the validated tables as they are now; what is on record of each.

    A layout that was filled from these rows already is left as it is.
    keeps: how long before the newest usable row of a table an `at` may be asked for; None: any `at`. Rows that no such
    example can use are left out.
    """
    features = KeptFeatures(definition)
    fillings = []
    with stores.reading():
        relations = {
            name: validated(stores.state, name, keyed=bool(table.key)) for name, table in definition.tables.items()
        }
        before = store.fillings()
        for kept in features.passes:
            name = kept.table_name
            first, last = _usable(stores, relations[name]) if definition.tables[name].timed else (None, None)
            now = datetime.now(UTC)
            # A row from the future, such as a forecast or a wrong date, says nothing about what may be asked.
            horizon = min(last, now) - keeps if last is not None and keeps is not None else None
            filling = Filling(name, rows_of(stores.state, name), horizon, first, now)
            earlier = before.get(kept.layout.fingerprint)
            if earlier is not None and (earlier.record, earlier.horizon) == (filling.record, horizon):
                fillings.append(earlier)
                continue
            since = since_epoch(horizon) if horizon is not None else None
            values = kept_values(stores.lake.connection, kept, relations[name], since)
            fillings.append(store.fill(kept.layout.fingerprint, values, filling))
    return fillings


def rows_of(state: State, table: str) -> int:
    """A number that is another one whenever rows of a validated table were made."""
    return ledger.newest_number(state, f"validated/{table}")


def _usable(stores: Stores, sql: str) -> tuple[datetime | None, datetime | None]:
    """The first and the last moment at which a row of a table became usable."""
    ((first, last),) = stores.lake.rows(f"SELECT min(_usable_at), max(_usable_at) FROM {relation(sql)}")
    return first, last
