"""Which partitions are complete, by the rules that tables declare, and what the next one waits for (S20)."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

import polars as pl

from ml_platform.settings import Settings
from ml_platform.spec.completeness import Marker, Watermark
from ml_platform.spec.partitions import Partitions
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.tables import Table
from ml_platform.state.stores import Stores
from ml_platform.validation import file_plans
from ml_platform.validation.judging import PARTITION, RULE_HOLDS

Slices = Mapping[str, Partitions | None]


def rules(pipeline: ModelPipeline) -> list[tuple[Table, Watermark | Marker]]:
    """The tables whose word counts: the examples' one always, others where they declare a rule."""
    own = pipeline.examples.table
    rules = [(table, table.complete or (Watermark() if table.name == own else None)) for table in pipeline.tables]
    return [(table, rule) for table, rule in rules if rule is not None]


def complete(stores: Stores, pipeline: ModelPipeline, slices: Slices) -> list[str]:
    """The partitions, from the first on, that every rule says are complete. For a pipeline with partitions."""
    name = f"complete partitions of {pipeline.name}"
    return list(stores.state.once(name, lambda: _complete(stores, pipeline, slices)))


def _complete(stores: Stores, pipeline: ModelPipeline, slices: Slices) -> list[str]:
    """Rows of a later time come for every earlier partition, so the last one is sought; of markers each is its own."""
    state, keys = _Rules(stores, pipeline, slices), pipeline.partition_keys()
    upto = bisect_left(keys, True, key=lambda partition: any(state.awaited_rows(partition)))
    return list(takewhile(lambda partition: not any(state.awaited_files(partition)), keys[:upto]))


@dataclass(frozen=True)
class Awaited:
    """A partition that is over and not complete, and what it waits for, a sentence each."""

    partition: str
    needs: tuple[str, ...]


def awaited(stores: Stores, pipeline: ModelPipeline, slices: Slices) -> Awaited | None:
    """The first partition that is over and not complete; None when there is none."""
    keys, number = pipeline.partition_keys(), len(complete(stores, pipeline, slices))
    if number == len(keys):
        return None
    return Awaited(keys[number], tuple(_Rules(stores, pipeline, slices).awaited(keys[number])))


def markers(settings: Settings, pipeline: ModelPipeline) -> list[str]:
    """The marker files that have landed."""
    folder, paths = settings.landing, list[str]()
    for _, rule in rules(pipeline):
        if isinstance(rule, Marker):
            paths += sorted(file.relative_to(folder).as_posix() for file in folder.glob(rule.pattern))
    return paths


class _Rules:
    """What the rules look at, read once for all partitions."""

    def __init__(self, stores: Stores, pipeline: ModelPipeline, slices: Slices) -> None:
        assert pipeline.partitions is not None  # without, nothing is awaited
        self._window = pipeline.partitions.window
        self._rules = rules(pipeline)
        self._landed = set(markers(stores.settings, pipeline))
        self._newest = {
            table.name: _newest(stores, table, slices.get(table.name), exact=rule.microseconds > 0)
            for table, rule in self._rules
            if isinstance(rule, Watermark)
        }

    def awaited(self, partition: str) -> Iterator[str]:
        """What each rule still waits for before the partition is complete."""
        for table, rule in self._rules:
            yield from self._file(rule, partition) if isinstance(rule, Marker) else self._row(table, rule, partition)

    def awaited_files(self, partition: str) -> Iterator[str]:
        """Which marker files the partition still waits for."""
        for _, rule in self._rules:
            if isinstance(rule, Marker):
                yield from self._file(rule, partition)

    def awaited_rows(self, partition: str) -> Iterator[str]:
        """Which rows the partition still waits for: whoever waits for some, waits in each later partition, too."""
        for table, rule in self._rules:
            if isinstance(rule, Watermark):
                yield from self._row(table, rule, partition)

    def _file(self, rule: Marker, partition: str) -> Iterator[str]:
        if rule.of(partition) not in self._landed:
            yield f"{partition} waits for the file {rule.of(partition)} in the landing folder."

    def _row(self, table: Table, rule: Watermark, partition: str) -> Iterator[str]:
        end = self._window(partition)[1] + timedelta(microseconds=rule.microseconds)
        seen = self._newest[table.name]
        if seen is None or seen.moment < end:
            newest = "there is none yet" if seen is None else f"the newest {seen.words}"
            yield f"{partition} waits for a row of {table.name} at or after {end:%Y-%m-%d %H:%M} UTC; {newest}."


@dataclass(frozen=True)
class _Newest:
    """The newest event time that is certain, and in words what is known of it."""

    moment: datetime
    words: str


def _newest(stores: Stores, table: Table, slices: Partitions | None, *, exact: bool) -> _Newest | None:
    """The newest event time of the valid rows of standing files; None without, or while a file is not screened.

    Unless it shall be `exact`, and where a screened file is damaged, the start of the slice that it lies in.
    """
    holding = file_plans.filled_by(stores.state, table, slices) if slices else {}
    if slices is None or not holding:
        return None
    last, times, blobs = max(holding), [slices.window(max(holding))[0]], stores.blobs
    for digest in holding[last] if exact else ():
        if blobs.whole(digest):
            rows = pl.scan_parquet(blobs.path(digest)).filter(RULE_HOLDS & (pl.col(PARTITION) == last))
            times.append(rows.select(pl.col(table.event_time or "").max()).collect().item())
    moment = max(times)
    return _Newest(moment, f"is of {moment:%Y-%m-%d %H:%M}" if len(times) > 1 else f"are of {last}")
