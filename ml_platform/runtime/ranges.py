"""Which planned work shares one run: consecutive partitions of the data job between which nothing is trained (S33).

The planner plans each piece of work after the one before it was executed. So a run of many partitions executes exactly
what as many runs would, in the same order: only where runs begin and end differs. It ends where the planner asks for a
training, because a decision wants one, or one waits; its candidate may become the champion of the next partition.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import dropwhile, groupby

from ml_platform.runtime.planner import Work
from ml_platform.spec.pipeline import ModelPipeline

LONGEST = 100  # partitions of one run; a run that is stopped or killed keeps what it finished, so this bounds its log


def may_begin(pipeline: ModelPipeline, work: Work) -> bool:
    """Whether `work` may be the first of several partitions in one run: more partitions follow, and they are short."""
    short = pipeline.partitions is not None and pipeline.partitions.short
    return short and _is_of_partition(pipeline, work) and work.index + 1 < work.total


def goes_on(pipeline: ModelPipeline, last: Work, work: Work) -> bool:
    """Whether `work` may follow `last` in one run."""
    return _is_of_partition(pipeline, work) and work.partition > last.partition


def divided(pipeline: ModelPipeline, works: Iterable[Work], longest: int = LONGEST) -> Iterator[Iterator[Work]]:
    """Divide planned work into runs of at most `longest` partitions each.

    Lazy: a piece of work is taken from `works` when it is asked for. Execute all of a run before asking for the next.
    """
    for _, run in groupby(works, _run_numbers(pipeline, longest)):
        yield run


def beginning_with(pipeline: ModelPipeline, works: Iterable[Work], partition: str | None) -> Iterator[Work]:
    """The work of the first run that begins with data of this partition, or with any; lazy. Empty where none does."""

    def comes_before(work: Work) -> bool:
        if partition is None:
            return not may_begin(pipeline, work)
        return not _is_of_partition(pipeline, work) or work.partition != partition

    return next(divided(pipeline, dropwhile(comes_before, works)), iter(()))


def _is_of_partition(pipeline: ModelPipeline, work: Work) -> bool:
    """Whether the work makes data of a partition, and does not only ingest files or validate tables."""
    return work.job == "data" and any(layer == pipeline.name for layer, _ in work.only or [])


def _run_numbers(pipeline: ModelPipeline, longest: int) -> Callable[[Work], int]:
    """A function that numbers the runs of work that is given to it in order."""
    number, partitions = 0, 0
    last: Work | None = None

    def number_of(work: Work) -> int:
        nonlocal number, partitions, last
        if last is not None and 0 < partitions < longest and goes_on(pipeline, last, work):
            partitions += 1
        else:
            number, partitions = number + 1, int(may_begin(pipeline, work))
        last = work
        return number

    return number_of
