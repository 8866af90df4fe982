"""Filling the online store with what the batch predicted."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from ml_platform.naming import quoted
from ml_platform.serving.online_store import Filling, OnlineStore
from ml_platform.serving.stored_predictions import prediction_name, predictions_fingerprint
from ml_platform.spec.durations import EPOCH, since_epoch
from ml_platform.state import ledger
from ml_platform.state.stores import Stores

_ROWS = 10_000  # read at once


def newest_record(stores: Stores, pipeline: str) -> int:
    """A number that is another one whenever predictions of the pipeline were made."""
    return ledger.newest_number(stores.state, f"{pipeline}/predictions")


def fill_predictions(
    stores: Stores, pipeline: str, store: OnlineStore, span: timedelta | None, *, anew: bool = False
) -> Filling:
    """Store the newest prediction of each key; what is on record of it.

    span: how long before the newest prediction time one may lie; None: any. Without prediction times all are stored.
    Nothing is written where the store has the newest ones, unless they are to be filled `anew`.
    """
    record, name = newest_record(stores, pipeline), predictions_fingerprint(pipeline)
    with stores.reading():
        table = f"{quoted(pipeline)}.predictions"
        ((newest,),) = stores.lake.rows(f'SELECT max("at") FROM {table}') if record else ((None,),)
        horizon = newest - span if newest is not None and span is not None else None
        filling = Filling(f"{pipeline}.predictions", record, horizon, None, datetime.now(UTC))
        earlier = store.fillings().get(name)
        if not anew and earlier is not None and (earlier.record_number, earlier.horizon) == (record, horizon):
            return earlier
        return store.fill(name, _values(stores, pipeline, name, horizon) if record else (), filling)


def _values(stores: Stores, pipeline: str, prefix: bytes, horizon: datetime | None) -> Iterator[tuple[bytes, bytes]]:
    # A pipeline without partitions keeps the rows of earlier runs beside those of its newest record.
    records = ledger.history(stores.state, f"{pipeline}/predictions")
    by_run = {(one.partition, one.run_id): one.recorded_at.isoformat() for one in records}
    newest_of = {one.partition: one.recorded_at.isoformat() for one in records}
    newest = stores.lake.connection.execute(
        f'SELECT key, epoch_us("at"), score, scores, class, version, _partition, run_id '
        f"FROM {quoted(pipeline)}.predictions WHERE role = 'champion' AND (? IS NULL OR epoch_us(\"at\") >= ?) "
        f"QUALIFY row_number() OVER "
        f'(PARTITION BY key ORDER BY "at" DESC NULLS LAST, version DESC, _partition DESC) = 1',
        [None if horizon is None else since_epoch(horizon)] * 2,
    )
    while rows := newest.fetchmany(_ROWS):
        for key, at, score, scores, class_name, version, partition, run_id in rows:
            scored_at = by_run.get((partition, run_id)) or newest_of.get(partition)
            if scored_at is None:
                continue  # its record comes a moment later, and the filling after that
            value = {
                "at": None if at is None else (EPOCH + timedelta(microseconds=at)).isoformat(timespec="microseconds"),
                "score": score,
                "scores": scores,
                "class": class_name,
                "version": version,
                "scored_at": scored_at,
            }
            yield prediction_name(prefix, key), json.dumps(value).encode()
