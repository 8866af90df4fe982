"""Which rows share a hash with another row, of more rows than fit into memory with their content."""

import numpy as np
import numpy.typing as npt

_AT_ONCE = 5_000_000  # hashes that are ordered together


def shared(hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """The positions of hashes that come more than once, in order.

    >>> shared(np.array([7, 8, 7], np.uint64)).tolist()
    [0, 2]
    """
    buckets = max(1, -(-len(hashes) // _AT_ONCE))
    several = [np.empty(0, dtype=np.int64)]
    for bucket in range(buckets):
        mine = _of_bucket(hashes, bucket, buckets)
        ordered = np.sort(hashes[mine])
        twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
        if len(twice):
            several.append(mine[np.isin(hashes[mine], twice)])
    return np.sort(np.concatenate(several))


def _of_bucket(hashes: npt.NDArray[np.uint64], bucket: int, buckets: int) -> npt.NDArray[np.int64]:
    starts = range(0, len(hashes), _AT_ONCE)
    parts = [np.flatnonzero(hashes[i : i + _AT_ONCE] % np.uint64(buckets) == np.uint64(bucket)) + i for i in starts]
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)
