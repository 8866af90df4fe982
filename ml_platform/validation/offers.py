"""The screened rows that files offer to one partition: all at once, or in bounded frames."""

from collections.abc import Iterator, Mapping, Sequence
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
class OfferedFile:
    """The screened rows of a file, of which those count that are `wanted`, with the columns of `added`."""

    screened: pl.LazyFrame
    wanted: pl.Expr
    added: Sequence[pl.Expr] = ()

    def rows(self) -> pl.LazyFrame:
        """Those that count."""
        return self.screened.filter(self.wanted).with_columns(self.added)

    def valid(self) -> Iterator[pl.DataFrame]:
        """The valid ones of them, in frames; at least one. Nothing is read ahead of the frame that is asked for."""
        wanted, place = self.wanted & RULE_HOLDS, pl.col("_place")
        places = self.screened.with_row_index("_place").filter(wanted).select(first=place.min(), last=place.max())
        first, last = places.collect(engine="streaming").row(0)
        for start in [0] if first is None else range(first, last + 1, chunks.ROWS):
            rows = self.screened.slice(start, chunks.ROWS).filter(wanted).with_columns(self.added)
            yield rows.drop(RULE, REASON, RAW).collect()


@dataclass(frozen=True)
class Offered:
    """The files of a plan, with `_step`, the file's number, in each row. Of a path with one version only the
    partition's rows. `rows`: how many valid ones there are at most."""

    files: list[OfferedFile]
    rows: int

    @classmethod
    def of(
        cls, blobs: Blobs, table: Table, partitions: Partitions | None, plan: Plan, screenings: Mapping[str, Screening]
    ) -> "Offered":
        """What a plan's files offer. Their blobs were verified."""
        several = {step.path for step in plan.steps if step.position > 0}
        first = WHOLE if partitions is None else next(iter(partitions.keys()), WHOLE)
        texts = dict.fromkeys((RULE, REASON, PARTITION, RAW), pl.String())
        nothing = pl.LazyFrame(schema={**table.columns, ROW: pl.Int64(), **texts, STEP: pl.Int64()})
        files = [OfferedFile(nothing, pl.lit(True))]  # for its schema
        rows = 0
        for i, (version, step) in enumerate(zip(plan.files, plan.steps, strict=True)):
            screening = screenings[version.file_id]
            homeless, wanted = pl.col(PARTITION) == "", pl.lit(True)
            if step.path not in several:
                mine = pl.col(PARTITION) == plan.partition
                wanted = mine | homeless if plan.partition == first else mine
                counts = screening.partitions.get(plan.partition)
                rows += 0 if counts is None else counts.rows
            else:
                rows += sum(counts.rows for counts in screening.partitions.values())
            home = pl.when(homeless).then(pl.lit(first)).otherwise(PARTITION).alias(PARTITION)
            added = [home, pl.lit(i, pl.Int64).alias(STEP)]
            files.append(OfferedFile(pl.scan_parquet(blobs.path(screening.digest)), wanted, added))
        return cls(files, rows)

    def all(self) -> pl.DataFrame:
        """Every row, in the order of the files."""
        return pl.concat([file.rows().collect() for file in self.files], rechunk=True)

    def refused(self) -> pl.DataFrame:
        """The rows that were refused."""
        return pl.concat([file.rows().filter(~RULE_HOLDS).collect() for file in self.files])

    def valid(self) -> Iterator[pl.DataFrame]:
        """The valid rows in bounded frames, in the order of the files; none of two files."""
        for file in self.files:
            yield from chunks.bounded(file.valid())
