"""Evidence for gates: training again in the background, and the online replay."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from ml_platform.features.parity import ParityReport
from ml_platform.lake.blobs import Blobs
from ml_platform.training.reproduction import Reproduction, reproduce


class Background:
    """Work that `start` begins, or `result` if it was not started."""

    def __init__(self, work: Callable[[], Reproduction]) -> None:
        self._work = work
        self._begun: Future[Reproduction] | None = None

    def start(self) -> None:
        if self._begun is None:
            pool = ThreadPoolExecutor(1)
            self._begun = pool.submit(self._work)
            pool.shutdown(wait=False)

    def result(self) -> Reproduction:
        self.start()
        assert self._begun is not None  # started above
        return self._begun.result()


_begun: dict[tuple[str, str, str], Background] = {}


def begin_to_train_again(blobs: Blobs, training_set: str, bundle: str) -> None:
    """Begin to train a version again in another process, for the `training_again` of the gates to take over."""
    begun = _begun[str(blobs.folder), training_set, bundle] = training_again(blobs, training_set, bundle)
    begun.start()


def training_again(blobs: Blobs, training_set: str, bundle: str) -> Background:
    """Training a version again: that which was begun, once, or a new one that is not started."""
    begun = _begun.pop((str(blobs.folder), training_set, bundle), None)
    return begun or Background(lambda: reproduce(blobs, training_set, bundle))


@dataclass(frozen=True)
class Replayed:
    """A parity report in the form that the gate reads."""

    report: ParityReport

    @property
    def compared(self) -> int:
        return self.report.examples

    @property
    def differing(self) -> int:
        return len({str(difference.example) for difference in self.report.differences})

    @property
    def detail(self) -> str:
        compared = f"{self.report.cells:,} values compared, answered from {self.report.rows_read:,} stored rows."
        first = [
            f"{d.column} of {d.example} is {d.batch!r} in batch and {d.online!r} online"
            for d in self.report.differences[:3]
        ]
        return f"{compared} {'; '.join(first)}".strip()
