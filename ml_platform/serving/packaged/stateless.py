"""The online store of a package: nothing is stored, so whatever a request does not bring is missing."""

from collections.abc import Sequence

from ml_platform.features.online.rows import FINGERPRINT_BYTES
from ml_platform.serving.online_store import Bounds


class NoState:
    """Values as a store has them before the first row of any table is usable (S14): no key has one."""

    def __init__(self) -> None:
        self._bounds = Bounds(horizon=None, since=None).packed()

    def read(self, names: Sequence[bytes | None]) -> list[bytes | None]:
        """The bounds of each layout, which is named by its fingerprint alone, and nothing for any key."""
        return [self._bounds if name is not None and len(name) == FINGERPRINT_BYTES else None for name in names]
