"""Windows of ours against a hand-written DuckDB script: cumulative double sums and ASOF joins.

    python bench/windows.py [--rows 6000000] [--rounds 3] [--json PATH]

One example for six events; 3 keys x 3 spans. Both read the same Parquet files and end with one table.
They alternate in fresh processes; seconds exclude imports, memory is the peak of the process.
std, min, max and n_unique, which the script does not have, are measured beside.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb

KEYS = {"shop": 20, "route": 1_000, "customer": 100_000}
SPANS = {"3h": 3, "1d": 24, "7d": 168}  # hours
SIMPLE = ("count", "sum", "mean")
ALONE = ("std", "min", "max", "n_unique")
THREADS = 2


def generate(folder: Path, rows: int) -> None:
    """A year of events, known one to six hours after they happen, and examples over the same year."""
    connection = duckdb.connect(config={"threads": THREADS})
    connection.execute("SET TimeZone = 'UTC'")
    keys = ", ".join(f"'{key}' || (hash(i + {n}) % {n}) AS {key}" for key, n in KEYS.items())
    begin, step = "TIMESTAMPTZ '2023-01-01'", "to_microseconds((i * {step} + hash(i) % 1000000)::BIGINT)"
    year = 365 * 86_400_000_000
    connection.execute(
        f"COPY (SELECT i AS event, {keys}, {begin} + {step.format(step=year // rows)} AS happened_at, "
        "happened_at + to_microseconds((3600000000 + hash(i + 5) % 18000000000)::BIGINT) AS told_at, "
        "CASE WHEN i % 50 > 0 THEN (hash(i + 3) % 100000) / 100.0 - 300 END::DOUBLE AS value, "
        "'file' AS _file, i AS _row, told_at AS _arrival, told_at AS _known_at, told_at AS _usable_at, "
        f"NULL::TIMESTAMPTZ AS _superseded_at FROM range({rows}) r(i)) TO '{folder / 'events.parquet'}'"
    )
    count = rows // 6
    connection.execute(
        f"COPY (SELECT i AS id, {keys}, {begin} + {step.format(step=year // count)} AS at FROM range({count}) r(i)) "
        f"TO '{folder / 'examples.parquet'}'"
    )


def by_hand(folder: Path, aggregates: tuple[str, ...]) -> dict[str, Any]:
    """What somebody writes who needs these windows once."""
    begun = time.perf_counter()
    connection = duckdb.connect(config={"threads": THREADS})
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"CREATE TABLE made AS SELECT * FROM '{folder / 'examples.parquet'}'")
    for key in KEYS:
        connection.execute(
            f"CREATE TABLE running AS SELECT {key}, told_at, sum(n) OVER w AS n, sum(s) OVER w AS s FROM "
            f"(SELECT {key}, told_at, count(value) AS n, sum(value) AS s FROM '{folder / 'events.parquet'}' "
            f"GROUP BY ALL) WINDOW w AS (PARTITION BY {key} ORDER BY told_at)"
        )
        columns, joins = [], [f"ASOF LEFT JOIN running a ON x.{key} = a.{key} AND x.at > a.told_at"]
        for span, hours in SPANS.items():
            alias = f"b{hours}"
            joins.append(
                f"ASOF LEFT JOIN running {alias} ON x.{key} = {alias}.{key} "
                f"AND x.at - INTERVAL {hours} HOUR > {alias}.told_at"
            )
            n = f"coalesce(a.n, 0) - coalesce({alias}.n, 0)"
            s = f"coalesce(a.s, 0) - coalesce({alias}.s, 0)"
            columns += [
                f"({n})::BIGINT AS count_{span}_{key}",
                f"{s} AS sum_{span}_{key}",
                f"CASE WHEN {n} > 0 THEN ({s}) / ({n}) END AS mean_{span}_{key}",
            ]
        connection.execute(f"CREATE TABLE next AS SELECT x.*, {', '.join(columns)} FROM made x {' '.join(joins)}")
        connection.execute("DROP TABLE running; DROP TABLE made; ALTER TABLE next RENAME TO made")
    seconds = time.perf_counter() - begun
    return {"seconds": seconds, "check": _check(connection, "made", "count_{span}_{key}", "sum_{span}_{key}")}


def ours(folder: Path, aggregates: tuple[str, ...]) -> dict[str, Any]:
    """The declaration, computed by the platform."""
    import dataframely as dy
    import polars as pl

    from ml_platform import Examples, Files, LightGBM, ModelPipeline, Table, Window
    from ml_platform.features.definition import FeatureDefinition
    from ml_platform.features.offline import compute

    class Requests(dy.Schema):
        id = dy.Int64(primary_key=True)
        at = dy.Datetime(time_zone="UTC")
        shop = dy.String()
        route = dy.String()
        customer = dy.String()
        answer = dy.Bool(nullable=True)

    class Events(dy.Schema):
        event = dy.Int64(primary_key=True)
        happened_at = dy.Datetime(time_zone="UTC")
        told_at = dy.Datetime(time_zone="UTC")
        shop = dy.String()
        route = dy.String()
        customer = dy.String()
        value = dy.Float64(nullable=True)

    windows = [Window("events", by=key, of="value", agg=aggregates, over=tuple(SPANS)) for key in KEYS]
    pipeline = ModelPipeline(
        "bench",
        features=tuple(windows),
        trainer=LightGBM(),
        tables=(
            Table("requests", Files("r/*.parquet"), Requests, event_time="at"),
            Table("events", Files("e/*.parquet"), Events, event_time="happened_at", known_at="told_at"),
        ),
        examples=Examples("requests", key="id", at="at", inputs=tuple(KEYS), label=pl.col("answer")),
    )
    definition = FeatureDefinition.of(pipeline)
    begun = time.perf_counter()
    connection = duckdb.connect(config={"threads": THREADS})
    connection.execute("SET TimeZone = 'UTC'")
    made = compute(
        connection,
        definition,
        f"SELECT * FROM '{folder / 'examples.parquet'}'",
        {"events": f"SELECT * FROM '{folder / 'events.parquet'}'"},
    )
    seconds = time.perf_counter() - begun
    if "sum" not in aggregates:
        return {"seconds": seconds}
    return {
        "seconds": seconds,
        "check": _check(connection, made, "events__value_count_{span}_by_{key}", "events__value_sum_{span}_by_{key}"),
    }


def _check(connection: duckdb.DuckDBPyConnection, table: str, *patterns: str) -> list[float]:
    """Totals that both must agree on, but for the rounding of double sums."""
    columns = [f"sum({p.format(span=span, key=key)})::DOUBLE" for p in patterns for span in SPANS for key in KEYS]
    # S14 nulls what lies before the first event was known; the script has zeros there.
    row = connection.execute(f"SELECT {', '.join(columns)} FROM {table}").fetchone()
    return list(row or ())


CONTENDERS = {"ours": ours, "by_hand": by_hand}


def measure(name: str, folder: Path, aggregates: tuple[str, ...]) -> dict[str, Any]:
    command = [sys.executable, __file__, "--child", name, "--folder", str(folder), "--aggregates", *aggregates]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=6_000_000, help="events; one example for six")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--child", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--aggregates", nargs="+", default=SIMPLE, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        found = CONTENDERS[options.child](options.folder, tuple(options.aggregates))
        print(json.dumps({**found, "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        generate(folder, options.rows)
        rounds: dict[str, list[dict[str, Any]]] = {contender: [] for contender in CONTENDERS}
        for _ in range(options.rounds):
            for contender in CONTENDERS:
                rounds[contender].append(measure(contender, folder, SIMPLE))
        beside = {aggregate: measure("ours", folder, (aggregate,)) for aggregate in ALONE}
    for mine, theirs in zip(rounds["ours"][0]["check"], rounds["by_hand"][0]["check"], strict=True):
        assert abs(mine - theirs) <= 1e-6 * max(1.0, abs(theirs)), (mine, theirs)
    middle = {
        contender: {what: statistics.median(r[what] for r in found) for what in ("seconds", "mb")}
        for contender, found in rounds.items()
    }
    ratios = {what: middle["ours"][what] / middle["by_hand"][what] for what in ("seconds", "mb")}
    alone = {aggregate: {what: found[what] for what in ("seconds", "mb")} for aggregate, found in beside.items()}
    report = {
        "events": options.rows,
        "examples": options.rows // 6,
        "keys": len(KEYS),
        "spans": len(SPANS),
        "rounds": options.rounds,
        "median": middle,
        "ratio": ratios,
        "alone": alone,
    }
    print(f"{options.rows:,} events, {options.rows // 6:,} examples, {len(KEYS)} keys x {len(SPANS)} spans")
    for contender, found in [*middle.items(), *((f"ours: {name} alone", found) for name, found in alone.items())]:
        print(f"  {contender:<20} {found['seconds']:7.1f} s {found['mb']:8.0f} MB")
    print(f"  count, sum, mean: {ratios['seconds']:.2f}x the time, {ratios['mb']:.2f}x the memory (at most 1.5x each)")
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
