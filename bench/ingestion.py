"""A large CSV from the landing folder to its validated table and checks: CPU seconds and peak memory.

    python -m bench.ingestion [--rows 1000000] [--slices month] [--rounds 1] [--json PATH]

Narrow rows: a key, a time, four numbers and a category, 68 bytes each. Ours lands the file, reads it into the raw
table, screens it, makes every partition of the validated table with its quarantine and profile, and checks them. The
bare script reads the same file with DuckDB, casts it, drops rows that break the same rules, looks for keys that come
twice, and writes one Parquet file with a polars summary: no versions, no quarantine, no checks. Each runs in a process
of its own; memory is the peak of that process.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

SLICES = ("month", "day", "none")


def generate(folder: Path, rows: int) -> None:
    """Write `sales.csv`: the time grows over 27 days, every key comes once."""
    import duckdb

    duckdb.sql(
        f"""COPY (SELECT 'k' || lpad(i::VARCHAR, 10, '0') AS id,
        strftime(TIMESTAMP '2026-01-01' + INTERVAL (i * 86400 * 27 / {rows}) SECOND
                 + INTERVAL (i % 1000) MILLISECOND, '%Y-%m-%dT%H:%M:%S.%gZ') AS at,
        round((hash(i) % 100000) / 7.0, 3) AS amount, round((hash(i + 1) % 1000) / 13.0, 4) AS ratio,
        (hash(i + 2) % 500)::INT AS count,
        ['north', 'east', 'south', 'west', 'centre'][1 + (hash(i + 3) % 5)::INT] AS region,
        (hash(i + 4) % 2000)::INT AS shop FROM range({rows}) t(i)) TO '{folder / "sales.csv"}' (FORMAT csv, HEADER)"""
    )


def ours(folder: Path, slices: str) -> dict[str, float]:
    """Every step of the platform, without Dagster."""
    import dataframely as dy

    from ml_platform.lake.transaction import Author
    from ml_platform.quality.checks import run_checks
    from ml_platform.runtime.workspace import Workspace
    from ml_platform.settings import Settings
    from ml_platform.sources import raw
    from ml_platform.sources.landing import land
    from ml_platform.spec.partitions import Daily, Monthly, Partitions
    from ml_platform.spec.sources import Files
    from ml_platform.spec.tables import Table
    from ml_platform.validation.validated import build_validated, touched

    class Sale(dy.Schema):
        id = dy.String(primary_key=True)
        at = dy.Datetime(time_zone="UTC")
        amount = dy.Float64(min=0)
        ratio = dy.Float64(nullable=True)
        count = dy.Int64(min=0, max=1000)
        region = dy.String()
        shop = dy.Int32()

    table = Table("sales", source=Files("sales/*.csv"), contract=Sale, event_time="at")
    partitions: dict[str, Partitions | None] = {
        "month": Monthly("2026-01", "2026-02"),
        "day": Daily("2026-01-01", "2026-01-28"),
        "none": None,
    }
    settings = Settings(data=folder / "data", max_file_bytes=10**12, max_file_seconds=10**5)
    figures: dict[str, float] = {}
    with closing(Workspace.open(settings, {})) as stores:
        with _timed(figures, "land"):
            land(settings, table, [folder / "sales.csv"])
        with _timed(figures, "raw"):
            report = raw.ingest(stores, table, "bench")
        assert not report.refused and not report.waiting, report
        sliced, rows = partitions[slices], 0
        with _timed(figures, "screen"):
            names = sorted(touched(stores, table, sliced))
        with _timed(figures, "validated"):
            for name in names:
                author = Author("validated/sales", name, run_id="bench")
                rows += build_validated(stores, table, sliced, name, author).result.rows
        with _timed(figures, "checks"):
            for name in names:
                assert all(check.passed for check in run_checks(stores, table, name, (), sliced))
    assert rows == report.rows
    return {**figures, "rows": rows}


@contextmanager
def _timed(figures: dict[str, float], step: str) -> Iterator[None]:
    before = _cpu()
    yield
    figures[step] = _cpu() - before


def bare(folder: Path, slices: str) -> dict[str, float]:
    """What somebody writes who needs the file once."""
    import duckdb
    import polars as pl

    target = folder / "sales.parquet"
    connection = duckdb.connect(config={"memory_limit": "2GB", "temp_directory": str(folder)})
    columns = "{'id': 'VARCHAR', 'at': 'TIMESTAMPTZ', 'amount': 'DOUBLE', 'ratio': 'DOUBLE', 'count': 'BIGINT'"
    columns += ", 'region': 'VARCHAR', 'shop': 'INTEGER'}"
    source = f"read_csv('{folder / 'sales.csv'}', header = true, columns = {columns})"
    connection.execute(
        f'COPY (SELECT * FROM {source} WHERE amount >= 0 AND "count" BETWEEN 0 AND 1000 ORDER BY "at", id) '
        f"TO '{target}' (FORMAT parquet)"
    )
    twice = f"SELECT count(*) FROM (SELECT id FROM '{target}' GROUP BY id HAVING count(*) > 1)"
    assert connection.execute(twice).fetchall() == [(0,)]
    facts = pl.scan_parquet(target).select(
        pl.len().alias("rows"),
        pl.all().null_count().name.prefix("nulls of "),
        pl.col("amount", "ratio", "count", "shop").mean().name.prefix("mean of "),
    )
    return {"rows": facts.collect(engine="streaming")["rows"].item()}


CONTENDERS: dict[str, Callable[[Path, str], dict[str, float]]] = {"ours": ours, "bare": bare}


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _measured(name: str, rows: int, slices: str, csv: Path) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "sales.csv").symlink_to(csv)
        options = ["--child", name, "--folder", folder, "--rows", str(rows), "--slices", slices]
        command = [sys.executable, "-m", "bench.ingestion", *options]
        figures: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--slices", choices=SLICES, default="month", help="partitions of the validated table")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--child", choices=[*CONTENDERS, "generate"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child == "generate":
        generate(options.folder, options.rows)
        return
    if options.child:
        figures = CONTENDERS[options.child](options.folder, options.slices)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({**figures, "CPU s": _cpu(), "peak MB": memory}))
        return
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in CONTENDERS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        arguments = ["--child", "generate", "--folder", name, "--rows", str(options.rows)]
        subprocess.run([sys.executable, "-m", "bench.ingestion", *arguments], check=True)
        size = (folder / "sales.csv").stat().st_size
        for _ in range(options.rounds):
            for contender in CONTENDERS:
                rounds[contender].append(_measured(contender, options.rows, options.slices, folder / "sales.csv"))
    middle: dict[str, dict[str, Any]] = {
        contender: {what: statistics.median(one[what] for one in figures) for what in figures[0]}
        for contender, figures in rounds.items()
    }
    assert middle["ours"]["rows"] == middle["bare"]["rows"] == options.rows
    print(f"a CSV of {options.rows:,} rows, {size / 1e6:,.0f} MB, in partitions: {options.slices}")
    for contender, figures in middle.items():
        steps = ", ".join(f"{step} {figures[step]:.1f}" for step in figures if step not in ("rows", "CPU s", "peak MB"))
        print(f"  {contender:<5} {figures['CPU s']:7.1f} CPU s {figures['peak MB']:7.0f} MB  {steps}")
    if options.json:
        options.json.write_text(json.dumps({"rows": options.rows, "median": middle}, indent=1) + "\n")


if __name__ == "__main__":
    main()
