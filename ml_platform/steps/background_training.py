"""Evidence for gates: training again in the background."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from threading import Thread

from ml_platform.child_process import Cancellation
from ml_platform.lake.blobs import Blobs
from ml_platform.training.reproduction import Reproduction, reproduce


class BackgroundTraining:
    """A training that `start` begins, or `result` if it was not started. It ends with this process."""

    def __init__(self, work: Callable[[Cancellation], Reproduction]) -> None:
        self._work, self._cancellation = work, Cancellation()
        self._begun: Future[Reproduction] | None = None

    def start(self) -> None:
        """Begin, once, in a thread that the end of this process does not wait for."""
        if self._begun is None:
            self._begun = Future()
            Thread(target=self._finish, args=[self._begun], name="training again", daemon=True).start()

    def result(self) -> Reproduction:
        """What came of it; waits for it. Raises what `reproduce` raises."""
        self.start()
        assert self._begun is not None  # started above
        return self._begun.result()

    def cancel(self) -> None:
        """End what was started, and wait for its end. `result` then raises TrainingError."""
        self._cancellation.cancel()
        if self._begun is not None:
            wait([self._begun])

    def _finish(self, begun: Future[Reproduction]) -> None:
        try:
            begun.set_result(self._work(self._cancellation))
        except BaseException as error:  # whatever it is, who asks for the result is told
            begun.set_exception(error)


_begun: dict[tuple[str, str, str], BackgroundTraining] = {}


def begin_to_train_again(blobs: Blobs, training_set: str, bundle: str) -> None:
    """Begin to train a version again in another process, for the `training_again` of the gates to take over."""
    begun = _begun[str(blobs.folder), training_set, bundle] = training_again(blobs, training_set, bundle)
    begun.start()


def training_again(blobs: Blobs, training_set: str, bundle: str) -> BackgroundTraining:
    """Training a version again: that which was begun, once, or a new one that is not started."""
    begun = _begun.pop((str(blobs.folder), training_set, bundle), None)
    return begun or BackgroundTraining(lambda cancellation: reproduce(blobs, training_set, bundle, cancellation))


@contextmanager
def cancelled_on_error(blobs: Blobs, training_set: str) -> Iterator[None]:
    """When the body raises, end what it began to train again on the set: no gate will ask. An interrupt counts, too."""
    try:
        yield
    except BaseException:  # an interrupt too: nobody else ends the training
        for key in [key for key in _begun if key[:2] == (str(blobs.folder), training_set)]:
            _begun.pop(key).cancel()
        raise
