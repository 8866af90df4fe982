"""Keys of a partition that have several current rows, there or in another partition."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ml_platform.lake.connection import Lake
from ml_platform.lake.key_bounds import key_bounds
from ml_platform.naming import literal, quoted
from ml_platform.spec.tables import Table


def repeated_keys(lake: Lake, table: Table, partition: str) -> tuple[int, str]:
    """How many keys of the partition have several current rows, and in which partitions, as a text.

    Rows of other partitions are only compared with the hashes of this one's keys. Only hashes of keys that may be
    repeated are held.
    """
    names = table.key or tuple(table.columns)
    here = f"_partition = {literal(partition)}"
    current = f"SELECT * FROM validated.{quoted(table.name)} WHERE _superseded_at IS NULL"
    bounds = key_bounds(lake, f"{current} AND {here}", names)
    hashed = f"hash({', '.join(quoted(name) for name in names)})"
    mine = f"SELECT {hashed} AS h FROM ({current} AND {here})"
    others = f"SELECT {hashed} AS h FROM ({current} AND NOT {here} AND {bounds})"
    hashes = _suspects(lake, mine, others)
    if not hashes:
        return 0, ""
    key = ", ".join(quoted(name) for name in names)
    count, parts = lake.rows(
        f"SELECT count(*), list(DISTINCT _parts) FROM (SELECT {key}, list_sort(list(DISTINCT _partition)) AS _parts "
        f"FROM ({current} AND {bounds}) WHERE {hashed} IN (SELECT unnest(?::UBIGINT[])) GROUP BY {key} "
        "HAVING count(*) > 1 AND list_contains(list(_partition), ?))",
        [hashes, partition],
    )[0]
    return count, ", ".join(sorted({name for part in parts or [] for name in part}))


def _suspects(lake: Lake, mine: str, others: str) -> list[int]:
    """The hashes that come twice in the result of `mine`, or also in that of `others`; 8 bytes are held for each."""
    ordered = np.concatenate([np.empty(0, dtype=np.uint64), *_numbers(lake, mine)])
    ordered.sort()
    suspects = [ordered[1:][ordered[1:] == ordered[:-1]]]
    if len(ordered):
        for hashes in _numbers(lake, others):
            nearest = ordered[np.minimum(np.searchsorted(ordered, hashes), len(ordered) - 1)]
            suspects.append(hashes[nearest == hashes])
    distinct: list[int] = np.unique(np.concatenate(suspects)).tolist()
    return distinct


def _numbers(lake: Lake, sql: str) -> Iterator[npt.NDArray[np.uint64]]:
    """The only column of a query's result, in parts."""
    for batch in lake.stream(sql):
        yield batch.column(0).to_numpy(zero_copy_only=False)
