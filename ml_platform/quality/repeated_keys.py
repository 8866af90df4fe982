"""Keys of a partition that have several current rows, there or in another partition."""

from ml_platform.lake.connection import Lake
from ml_platform.lake.key_bounds import key_bounds
from ml_platform.lake.pruning import rows_of, rows_within
from ml_platform.naming import literal, quoted
from ml_platform.spec.tables import Table


def repeated_keys(lake: Lake, table: Table, partition: str) -> tuple[int, str]:
    """How many keys of the partition have several current rows, and in which partitions, as a text.

    Rows of other partitions are only compared with the hashes of this one's keys. Only hashes of keys that may be
    repeated are held.
    """
    names = table.key or tuple(table.columns)
    here = f"_partition = {literal(partition)}"
    own = f"SELECT * FROM {rows_of(lake, 'validated', table.name, partition)} WHERE _superseded_at IS NULL"
    bounds = key_bounds(lake, own, names)
    near = rows_within(lake, "validated", table.name, bounds)
    current = f"SELECT * FROM {near} WHERE _superseded_at IS NULL AND {bounds.condition}"
    hashed = f"hash({', '.join(quoted(name) for name in names)})"
    mine = f"SELECT {hashed} AS h FROM ({own})"
    others = f"SELECT {hashed} AS h FROM ({current} AND NOT {here})"
    suspects = lake.rows(
        f"SELECT h FROM ({mine}) GROUP BY h HAVING count(*) > 1 "
        f"UNION SELECT o.h FROM ({others}) o SEMI JOIN ({mine}) m ON o.h = m.h"
    )
    hashes = [h for (h,) in suspects]
    if not hashes:
        return 0, ""
    key = ", ".join(quoted(name) for name in names)
    count, parts = lake.rows(
        f"SELECT count(*), list(DISTINCT _parts) FROM (SELECT {key}, list_sort(list(DISTINCT _partition)) AS _parts "
        f"FROM ({current}) WHERE {hashed} IN (SELECT unnest(?::UBIGINT[])) GROUP BY {key} "
        "HAVING count(*) > 1 AND list_contains(list(_partition), ?))",
        [hashes, partition],
    )[0]
    return count, ", ".join(sorted({name for part in parts or [] for name in part}))
