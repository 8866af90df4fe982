"""Files and partitions that are taken in frames of four rows end as those that are held whole."""

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import dataframely as dy
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ml_platform.errors import LakeError
from ml_platform.lake import frames
from ml_platform.lake.connection import Lake
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.sources import chunks, raw
from ml_platform.sources.raw_columns import FILE, ROW
from ml_platform.spec.sources import Files
from ml_platform.spec.tables import Table
from ml_platform.state import spans
from ml_platform.validation import validated
from ml_platform_tests.ingestion_sandbox import IngestionSandbox, utc


class Sale(dy.Schema):
    """A key, a time, and values of several types."""

    id = dy.String(primary_key=True)
    at = dy.Datetime(time_zone="UTC")
    amount = dy.Float64(nullable=True, min=0)
    kind = dy.Enum(["x", "y"], nullable=True)
    day = dy.Date(nullable=True)


@pytest.fixture
def sandboxes(empty_lake: Path, tmp_path: Path) -> Iterator[Callable[[], IngestionSandbox]]:
    """Empty ones."""
    with ExitStack() as stack:

        def new() -> IngestionSandbox:
            settings = Settings(data=tmp_path / f"data{len(list(tmp_path.iterdir()))}", threads=2)
            shutil.copytree(empty_lake, settings.lake)
            return IngestionSandbox(stack.enter_context(closing(Workspace.open(settings, {}))))

        yield new


def _csv(seed: int, rows: int) -> str:
    """Rows of few keys, in no order, with faults of every kind."""
    draw = random.Random(seed)
    lines = ["id,at,amount,kind,day"]
    for _ in range(rows):
        at = draw.choice(["2013-01-0%d", "2013-03-2%dT04:05:06"]) % draw.randint(1, 3)
        lines.append(
            ",".join(
                [
                    draw.choice(["", *"abcdefghijklmnopqrs"]),
                    draw.choices([at, "", "soon", "1200-01-01"], [12, 1, 1, 1])[0],
                    draw.choices(["1", "2.50", "-1", "k.A.", "NA", "nan"], [6, 6, 1, 1, 1, 1])[0],
                    draw.choices(["x", "y", "z", ""], [6, 6, 1, 1])[0],
                    draw.choices(["2013-01-01", "", "1.1.13"], [8, 1, 1])[0],
                ]
            )
        )
        if draw.random() < 0.15:
            lines.append(lines[-1])
    return "\n".join(lines) + "\n"


def _history(sandbox: IngestionSandbox, table: Table) -> list[Any]:
    """Files arrive, small ones beside large ones, one is replaced, one is broken at its end.

    What every build reported, and the spans on record.
    """
    sandbox.land(table, "sales/a.csv", _csv(1, 14), utc("2013-01-05"))
    reports = sandbox.run(table)
    for name, seed, rows in [("b", 2, 14), ("c", 6, 3), ("e", 7, 3), ("a", 3, 14)]:
        sandbox.land(table, f"sales/{name}.csv", _csv(seed, rows), utc("2013-03-05"))
    reports += sandbox.run(table)
    sandbox.land(table, "sales/d.csv", _csv(5, 9) + "q,2013-01-01,1\n", utc("2013-04-05"))
    refused = [refused.error for refused in sandbox.ingest(table).refused]
    recorded = spans.of_table(sandbox.state, table.name)
    return [refused, recorded, *((r.partition, r.content_key, r.result) for r in reports)]


def _contents(sandbox: IngestionSandbox) -> dict[str, pl.DataFrame]:
    by = {"raw": f"{FILE}, {ROW}", "validated": f"{FILE}, {ROW}, _known_at", "quarantine": f"{FILE}, {ROW}, reason"}
    query = "SELECT * FROM {}.sales ORDER BY {}"
    frames = {schema: sandbox.lake.frame(query.format(schema, order)) for schema, order in by.items()}
    frames["quarantine"] = frames["quarantine"].drop("quarantined_at")
    frames["profiles"] = sandbox.lake.frame("SELECT * FROM platform.profiles ORDER BY partition, column_name")
    return frames


@pytest.mark.parametrize("on_conflict", ["quarantine", pytest.param("latest", marks=pytest.mark.slow)])
def test_frames_of_four_rows_end_as_whole_files_do(
    sandboxes: Callable[[], IngestionSandbox], monkeypatch: pytest.MonkeyPatch, on_conflict: Any
) -> None:
    table = Table(
        "sales", source=Files("sales/*.csv"), contract=Sale, event_time="at", time_zone="UTC", on_conflict=on_conflict
    )
    whole, split = sandboxes(), sandboxes()
    expected = _history(whole, table)
    monkeypatch.setattr(chunks, "ROWS", 4)
    assert _history(split, table) == expected
    split_tables = _contents(split)
    for name, frame in _contents(whole).items():
        assert frame.height > 7, name
        assert_frame_equal(split_tables[name], frame)


@pytest.mark.parametrize("module", [raw, validated])
def test_a_large_file_that_no_transaction_takes_leaves_nothing_in_the_staging_folder(
    sandbox: IngestionSandbox, monkeypatch: pytest.MonkeyPatch, module: Any
) -> None:
    table = Table("sales", source=Files("sales/*.csv"), contract=Sale, event_time="at", time_zone="UTC")
    monkeypatch.setattr(chunks, "ROWS", 4)
    monkeypatch.setattr(frames, "_SMALL", 1)  # as if four rows were a megabyte
    sandbox.put("sales/a.csv", "id,at,amount,kind,day\n" + "".join(f"{i},2024-01-01,1,x,\n" for i in range(11)))
    staged = []

    def busy(lake: Lake, *_: Any) -> None:
        staged.extend((lake.folder / "staging").iterdir())
        raise LakeError("Another process has held the write lock for 20 s.")

    with monkeypatch.context() as patched:
        patched.setattr(module, "write", busy)
        with pytest.raises(LakeError, match="write lock"):
            sandbox.run(table)
    assert staged and not list((sandbox.lake.folder / "staging").iterdir())
    sandbox.run(table)
    assert sandbox.lake.rows("SELECT count(*) FROM validated.sales") == [(11,)]
