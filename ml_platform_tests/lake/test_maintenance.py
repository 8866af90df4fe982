import uuid
from datetime import timedelta
from functools import partial

import polars as pl
import pytest

from ml_platform.errors import LakeError
from ml_platform.lake import catalog_files, data_files, snapshots
from ml_platform.lake.blobs import Blobs
from ml_platform.lake.connection import Lake
from ml_platform.lake.leftovers import new_file_name
from ml_platform.lake.maintenance import maintain
from ml_platform.lake.transaction import Author, stage, write
from ml_platform.settings import Settings
from ml_platform.state import ledger
from ml_platform.state.database import State
from ml_platform.state.results import Result
from ml_platform.state.stores import Stores, after
from ml_platform_tests.lake.deletes import maintenance_loses_no_delete

NOW = timedelta(0)
CONTENT = "SELECT _partition, count(*), sum(v), min(w), max(w) FROM s.t GROUP BY 1 ORDER BY 1"


@pytest.fixture
def used(stores: Stores) -> Lake:
    """A lake after many small writes: registered, inserted and inlined rows, a new column, replaced partitions."""
    lake, state = stores.lake, stores.state
    for number in range(6):
        author = Author("s/t", f"p{number % 2}", str(number), "run")
        with write(lake, author) as tx:
            rows = stage(lake, f"SELECT i AS v, {number} AS w FROM range(200) t(i)")
            tx.replace("s", "t", rows, partition=f"p{number % 2}")
            tx.append(
                "s",
                "t",
                pl.DataFrame({"v": range(50), "w": [9] * 50}, schema_overrides={"w": pl.Int32}),
                partition=f"p{number % 2}",
            )
            tx.append(
                "s",
                "t",
                stage(lake, "SELECT i AS v, 8 AS w, 'x' AS n FROM range(20) t(i)"),
                partition=f"p{number % 2}",
                evolve=True,
            )
            tx.append("s", "t", stage(lake, "SELECT i AS v, 8 AS w, 'x' AS n FROM range(20) t(i)"), partition="p0")
            after(tx, state, partial(ledger.record, state, author, rows=290, result=Result()))
    return lake


def test_maintenance_leaves_every_row_and_the_ledger_as_they_were(used: Lake, state: State, settings: Settings) -> None:
    before, records = used.rows(CONTENT), ledger.latest(state, "s/t")
    assert len(records) == 2
    report = maintain(used, keep_days=0, grace=NOW, referenced=[])
    assert (used.rows(CONTENT), ledger.latest(state, "s/t")) == (before, records)
    assert report.snapshots_expired > 0
    assert report.files_removed > 0
    assert report.files_merged > report.files_written > 0
    assert report.bytes_freed > 0
    assert data_files.unusable(used) == set()
    with Lake(settings, read_only=True) as reader:
        assert reader.rows(CONTENT) == before
    again = maintain(used, keep_days=0, grace=NOW, referenced=[])
    assert (again.files_merged, again.files_removed, again.orphans_removed) == (0, 0, 0)


def test_a_partition_is_replaced_as_well_after_maintenance(used: Lake) -> None:
    maintain(used, keep_days=0, grace=NOW)
    with write(used, Author("s/t")) as tx:
        tx.replace("s", "t", stage(used, "SELECT 1::BIGINT AS v, 1 AS w FROM range(3)"), partition="p0")
    assert used.rows(CONTENT)[0] == ("p0", 3, 3, 1, 1)


def test_young_snapshots_stay_readable_and_old_ones_expire_but_for_the_newest(used: Lake) -> None:
    earlier = snapshots.history(used, limit=3)[-1].number
    question = f"SELECT count(*) FROM s.t AT (VERSION => {earlier})"
    before = used.rows(question)
    assert maintain(used).snapshots_expired == 0
    assert used.rows(question) == before
    maintain(used, keep_days=0, grace=NOW)
    assert [snapshot.number for snapshot in snapshots.history(used)] == [snapshots.current(used)]


def test_what_killed_runs_left_is_removed_once_it_is_old(used: Lake) -> None:
    left = [
        used.tables / "s" / "t" / "_partition=p0" / new_file_name(),
        used.folder / "staging" / f"{uuid.uuid4().hex}.parquet",
        used.folder / "staging" / f"spill-{uuid.uuid4().hex}" / "x.tmp",
        used.settings.artifacts / "incoming" / uuid.uuid4().hex,
    ]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"PAR1")
    before = used.rows(CONTENT)
    report = maintain(used)
    assert (report.orphans_removed, report.leftovers_removed) == (0, 0)
    report = maintain(used, grace=NOW)
    assert (report.orphans_removed, report.leftovers_removed) == (1, 3)
    assert not any(path.exists() for path in left)
    assert used.rows(CONTENT) == before


def test_files_that_a_killed_maintenance_had_removed_already_keep_the_next_from_nothing(used: Lake) -> None:
    before = used.rows(CONTENT)
    maintain(used, keep_days=0)  # what expires now is removed in a day
    waiting = [used.tables / path for path in catalog_files.scheduled(used)]
    assert len(waiting) > 2
    for path in waiting[::2]:  # removed, and killed before the catalog took note
        path.unlink()
    assert maintain(used, keep_days=0, grace=NOW).files_removed >= len(waiting)
    assert catalog_files.scheduled(used) == []
    assert not any(path.exists() for path in waiting)
    assert used.rows(CONTENT) == before


def test_blobs_that_nothing_refers_to_go_when_the_caller_names_the_others(lake: Lake) -> None:
    blobs = Blobs(lake.settings)
    kept, other = blobs.put_bytes(b"kept"), blobs.put_bytes(b"other")
    assert maintain(lake, grace=NOW).blobs_removed == 0
    assert maintain(lake, referenced=[kept]).blobs_removed == 0
    assert maintain(lake, referenced=[kept], grace=NOW).blobs_removed == 1
    assert (blobs.whole(kept), blobs.whole(other)) == (True, False)


def test_maintenance_waits_for_no_write_of_its_own_thread(lake: Lake) -> None:
    with write(lake, Author("s/t")), pytest.raises(LakeError, match="would deadlock"):
        maintain(lake)


def test_maintenance_waits_for_a_write_and_loses_none_of_its_deletes(lake: Lake, settings: Settings) -> None:
    maintenance_loses_no_delete(lake, settings)
