"""The screened rows that files offer to one partition: all at once, or in bounded frames."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from ml_platform.lake.blobs import Blobs
from ml_platform.sources import chunks
from ml_platform.sources.raw_columns import ROW
from ml_platform.spec.partitions import WHOLE, Partitions
from ml_platform.spec.tables import Table
from ml_platform.validation.file_plans import Plan
from ml_platform.validation.judging import PARTITION, RAW, REASON, RULE, RULE_HOLDS
from ml_platform.validation.screenings import Screening

STEP = "_step"


@dataclass(frozen=True)
class Offered:
    """A lazy frame for each file of a plan, with `_step`, the file's number. Of a path with one version only the
    partition's rows. `rows`: how many valid ones there are at most."""

    files: list[pl.LazyFrame]
    rows: int

    @classmethod
    def of(
        cls, blobs: Blobs, table: Table, partitions: Partitions | None, plan: Plan, screenings: Mapping[str, Screening]
    ) -> "Offered":
        """What a plan's files offer. Their blobs were verified."""
        several = {step.path for step in plan.steps if step.position > 0}
        first = WHOLE if partitions is None else next(iter(partitions.keys()), WHOLE)
        texts = dict.fromkeys((RULE, REASON, PARTITION, RAW), pl.String())
        files = [pl.LazyFrame(schema={**table.columns, ROW: pl.Int64(), **texts, STEP: pl.Int64()})]
        rows = 0
        for i, (version, step) in enumerate(zip(plan.files, plan.steps, strict=True)):
            screening = screenings[version.file_id]
            wanted = pl.scan_parquet(blobs.path(screening.digest))
            homeless = pl.col(PARTITION) == ""
            if step.path not in several:
                mine = pl.col(PARTITION) == plan.partition
                wanted = wanted.filter(mine | homeless if plan.partition == first else mine)
                counts = screening.partitions.get(plan.partition)
                rows += 0 if counts is None else counts.rows
            else:
                rows += sum(counts.rows for counts in screening.partitions.values())
            home = pl.when(homeless).then(pl.lit(first)).otherwise(PARTITION).alias(PARTITION)
            files.append(wanted.with_columns(home, pl.lit(i, pl.Int64).alias(STEP)))
        return cls(files, rows)

    def all(self) -> pl.DataFrame:
        """Every row, in the order of the files."""
        return pl.concat([file.collect() for file in self.files], rechunk=True)

    def refused(self) -> pl.DataFrame:
        """The rows that were refused."""
        return pl.concat([file.filter(~RULE_HOLDS).collect() for file in self.files])

    def valid(self) -> Iterator[pl.DataFrame]:
        """The valid rows in bounded frames, in the order of the files; none of two files."""
        for file in self.files:
            kept = file.filter(RULE_HOLDS).drop(RULE, REASON, RAW)
            yield from chunks.bounded(kept.collect_batches(maintain_order=True, chunk_size=min(chunks.ROWS, 100_000)))
