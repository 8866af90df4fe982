"""Small files are converted together: each comes out as it does by itself."""

from datetime import UTC, datetime

import dataframely as dy
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform import Daily, Files, Table
from ml_platform.sources.raw_columns import ROW
from ml_platform.state.files import FileVersion
from ml_platform.validation.file_batches import converted_rows
from ml_platform.validation.screening import screen


class Readings(dy.Schema):
    number = dy.Int64(primary_key=True)
    at = dy.Datetime(time_zone="UTC")
    amount = dy.Float64(min=0)
    day = dy.Date(nullable=True)
    open = dy.Bool(nullable=True)
    kind = dy.Enum(["a", "b"], nullable=True)


readings = Table("readings", Files("readings/*.csv", nulls=["", "NA"]), Readings, event_time="at")
MARCH = Daily("2024-03-01", "2024-04-01")
CELLS = {
    "number": ["1", "2", "2.0", "1.5", "NA", "x", "99999999999999999999"],
    "at": ["2024-03-01T10:00:00Z", "2024-03-02 11:30+02:00", "2024-03-02", "never", "", "0001-01-01T00:00Z"],
    "amount": ["1", "1.50", "-3", "1e400", "NaN", "NA", "{SNAPSHOT_ID}"],
    "day": ["2024-03-01", "2024-03-01T00:00:00", "2024-13-01", "NA"],
    "open": ["true", "false", "yes", "1", ""],
    "kind": ["a", "b", "c", "NA"],
}
ROWS = st.fixed_dictionaries({name: st.sampled_from(cells) for name, cells in CELLS.items()})
FILES = st.lists(st.lists(ROWS, max_size=4), min_size=2, max_size=5)


def frame(rows: list[dict[str, str]]) -> pl.DataFrame:
    cells = pl.DataFrame(rows, schema=dict.fromkeys(CELLS, pl.String()))
    return cells.with_row_index(ROW, 1).with_columns(pl.col(ROW).cast(pl.Int64))


def version(number: int, rows: int) -> FileVersion:
    arrival = datetime(2024, 4, 1, tzinfo=UTC)
    return FileVersion(
        str(number), f"{number}.csv", 1, "sha", 0, 0, rows, "{}", arrival, False, "ingested", None, None, ""
    )


@settings(max_examples=30, deadline=None)
@given(FILES)
def test_files_that_are_converted_together_are_screened_as_each_by_itself(files: list[list[dict[str, str]]]) -> None:
    raw = {str(number): frame(rows) for number, rows in enumerate(files)}
    batch = [version(number, len(rows)) for number, rows in enumerate(files)]
    converted = converted_rows(readings, batch, raw)
    assert converted.keys() == ({name for name, rows in raw.items() if rows.height} if _several(raw) else set())
    for name, rows in raw.items():
        alone = screen(readings, rows, f"{name}.csv", {}, MARCH)
        together = screen(readings, rows, f"{name}.csv", {}, MARCH, converted=converted.get(name))
        assert together.frame.equals(alone.frame)
        assert together.frame.schema == alone.frame.schema
        assert (together.duplicates, together.dropped) == (alone.duplicates, alone.dropped)


def test_a_file_with_other_columns_is_converted_by_itself() -> None:
    good = frame([{name: cells[0] for name, cells in CELLS.items()}])
    raw = {"0": good, "1": good, "2": good.drop("amount")}
    assert converted_rows(readings, [version(number, 1) for number in range(3)], raw).keys() == {"0", "1"}


def test_a_table_with_clean_sees_each_file_by_itself() -> None:
    cleaned = Table("readings", readings.source, Readings, event_time="at", clean=_as_it_is)
    good = frame([{name: cells[0] for name, cells in CELLS.items()}])
    assert converted_rows(cleaned, [version(number, 1) for number in range(2)], {"0": good, "1": good}) == {}


def _as_it_is(rows: pl.DataFrame) -> pl.DataFrame:
    return rows


def _several(raw: dict[str, pl.DataFrame]) -> bool:
    return sum(rows.height > 0 for rows in raw.values()) > 1
