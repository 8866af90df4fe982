"""Which keys are a canary's: a stable hash decides, in every worker and process alike (S58)."""

from collections.abc import Sequence
from hashlib import blake2b
from math import ceil

import numpy as np
import numpy.typing as npt

_BYTES = 8


class CanaryShare:
    """The keys of a share of one version. A larger share of the same version has all keys of a smaller one.

    Args:
        pipeline: Its name.
        version: Of the canary. The next one has other keys, so that not always the same ones try what is new.
        share: Above 0 and below 1.

    >>> tenth, half = (CanaryShare("flight_delay", 7, share) for share in (0.1, 0.5))
    >>> keys = [str(number) for number in range(1000)]
    >>> sum(tenth.has(key) for key in keys), all(half.has(key) for key in keys if tenth.has(key))
    (106, True)
    """

    def __init__(self, pipeline: str, version: int, share: float) -> None:
        self._hash = blake2b(f"{pipeline}@{version}\0".encode(), digest_size=_BYTES)
        self._limit: bytes = ceil(share * 2 ** (8 * _BYTES)).to_bytes(_BYTES)

    def has(self, key: str) -> bool:
        """Whether the canary answers for a key, as text (`serving.batch.key_of`)."""
        digest = self._hash.copy()
        digest.update(key.encode())
        return digest.digest() < self._limit

    def of(self, keys: Sequence[str]) -> npt.NDArray[np.bool_]:
        """The same of many keys."""
        return np.fromiter(map(self.has, keys), np.bool_, len(keys))
