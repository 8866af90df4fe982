"""Ten million rows of a PostgreSQL table into the raw table, against bare copies: wall, CPU seconds and peak memory.

    python -m bench.postgres_ingestion [--rows 10000000] [--rounds 1] [--json PATH]

A server of its own, of the PostgreSQL that is installed, holds the rows: a key, a time, four numbers and two texts.
Ours reads ranges of the key with `Sql` and puts them into the lake, each on record with its fingerprint. The bare
copies write the same rows to one Parquet file: DuckDB with its PostgreSQL extension, and ADBC where its driver
`adbc-driver-postgresql` is installed. Each runs in a process of its own; memory is the peak of that process, and CPU
seconds leave out the server's.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

from ml_platform_tests.postgres_server import postgres_server

_TABLE = """CREATE TABLE sales AS SELECT i AS id, timestamptz '2026-01-01Z' + i * interval '0.25 second' AS at,
    round((i * 7919 % 100000)::numeric / 7, 3)::float8 AS amount, (i * 104729 % 1000) / 13.0::float8 AS ratio,
    (i * 31 % 500)::int AS count, (i * 17 % 2000)::int AS shop,
    (ARRAY['north', 'east', 'south', 'west', 'centre'])[1 + i % 5] AS region, 'k' || lpad(i::text, 10, '0') AS code
    FROM generate_series(1, {rows}::bigint) i"""


def ours(port: int, folder: Path, batch_rows: int) -> int:
    """The source's rows in the raw table, on record."""
    import dataframely as dy

    from ml_platform.runtime.workspace import Workspace
    from ml_platform.settings import Settings
    from ml_platform.sources import raw
    from ml_platform.spec.sources import Sql
    from ml_platform.spec.tables import Table

    class Sale(dy.Schema):
        id = dy.Int64(primary_key=True)

    os.environ["BENCH_DB"] = f"postgresql://ml:none@127.0.0.1:{port}/postgres"
    source = Sql("sales", connection="BENCH_DB", cursor="id", batch_rows=batch_rows)
    with closing(Workspace.open(Settings(data=folder), {})) as stores:
        report = raw.ingest(stores, Table("sales", source, contract=Sale), "bench")
    assert not report.refused and not report.waiting and report.unavailable is None, report
    return report.rows


def duckdb_copy(port: int, folder: Path, batch_rows: int) -> int:
    """One Parquet file, by DuckDB's PostgreSQL extension."""
    import duckdb

    from ml_platform.lake.extensions import load_extensions

    with duckdb.connect(config={"allow_unsigned_extensions": True}) as connection:
        load_extensions(connection, ["postgres_scanner"])
        connection.execute(
            f"ATTACH 'host=127.0.0.1 port={port} user=ml dbname=postgres' AS pg (TYPE postgres, READ_ONLY)"
        )
        connection.execute(f"COPY (SELECT * FROM pg.sales) TO '{folder / 'sales.parquet'}' (FORMAT parquet)")
        return int(connection.execute(f"SELECT count(*) FROM '{folder / 'sales.parquet'}'").fetchall()[0][0])


def adbc_copy(port: int, folder: Path, batch_rows: int) -> int:
    """One Parquet file, by ADBC's driver and pyarrow."""
    import adbc_driver_postgresql.dbapi as adbc
    import pyarrow.parquet as pq

    rows = 0
    with adbc.connect(f"postgresql://ml@127.0.0.1:{port}/postgres") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM sales")
        batches = cursor.fetch_record_batch()
        with pq.ParquetWriter(folder / "sales.parquet", batches.schema) as writer:
            for batch in batches:
                writer.write_batch(batch)
                rows += batch.num_rows
    return rows


CONTENDERS: dict[str, Callable[[int, Path, int], int]] = {"ours": ours, "duckdb": duckdb_copy, "adbc": adbc_copy}


def _measured(contender: str, port: int, batch_rows: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        options = ["--child", contender, "--port", str(port), "--folder", folder, "--batch-rows", str(batch_rows)]
        command = [sys.executable, "-m", "bench.postgres_ingestion", *options]
        figures: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return figures


def _child(contender: str, port: int, folder: Path, batch_rows: int) -> dict[str, float]:
    began = time.perf_counter()
    rows = CONTENDERS[contender](port, folder, batch_rows)
    wall, used = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    return {"rows": rows, "wall s": wall, "CPU s": used.ru_utime + used.ru_stime, "peak MB": used.ru_maxrss / 1024}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--batch-rows", type=int, default=100_000, help="`batch_rows` of the source")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--child", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(_child(options.child, options.port, options.folder, options.batch_rows)))
        return
    contenders = [name for name in CONTENDERS if name != "adbc" or find_spec("adbc_driver_postgresql")]
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in contenders}
    with postgres_server() as port:
        import psycopg

        with psycopg.connect(f"host=127.0.0.1 port={port} user=ml dbname=postgres", autocommit=True) as connection:
            connection.execute(_TABLE.format(rows=options.rows))
            connection.execute("ALTER TABLE sales ADD PRIMARY KEY (id)")
            connection.execute("VACUUM ANALYZE sales")
        for _ in range(options.rounds):
            for name in contenders:
                rounds[name].append(_measured(name, port, options.batch_rows))
    middle = {n: {what: statistics.median(r[what] for r in all_) for what in all_[0]} for n, all_ in rounds.items()}
    assert all(figures["rows"] == options.rows for figures in middle.values()), middle
    print(f"{options.rows:,} rows of PostgreSQL")
    for name, figures in middle.items():
        ratio = middle["duckdb"]["wall s"] / figures["wall s"]
        print(
            f"  {name:<7} {figures['wall s']:7.1f} s, {figures['CPU s']:7.1f} CPU s {figures['peak MB']:7.0f} MB"
            f"  {ratio:.2f}x as fast as duckdb"
        )
    if options.json:
        options.json.write_text(json.dumps({"rows": options.rows, "median": middle}, indent=1) + "\n")


if __name__ == "__main__":
    main()
