"""Drift statistics of two frames of 1M rows x 30 columns: CPU seconds, peak memory, and what a plain script takes.

    python bench/drift.py [--rows 1000000] [--rounds 3] [--json PATH]

20 numbers of which two are counts and a fifth have nulls, 6 texts of 5 to 5,000 levels, 4 Booleans; the two
frames have not the same number of rows. Both read the same Parquet files, in fresh processes that alternate;
CPU seconds exclude imports, memory is the peak of the process. The plain script reads both files with pandas
and asks scipy, column by column.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

NUMBERS, COUNTS, TEXTS, BOOLEANS = 18, 2, 6, 4
LEVELS = (5, 20, 100, 500, 2_000, 5_000)
SIDES = ("reference", "current")


def generate(folder: Path, rows: int) -> None:
    """Two frames; the columns of the second have moved, each a little further than the one before."""
    import numpy as np
    import polars as pl

    for side, name in enumerate(SIDES):
        random, count = np.random.default_rng(side), rows - side * rows // 100
        columns: dict[str, Any] = {}
        for place in range(NUMBERS):
            values = random.normal(side * place / 40, 1 + side * place / 100, count)
            if place % 5 == 0:
                values[random.random(count) < 0.02 * (1 + side)] = np.nan
            columns[f"n{place}"] = values
        for place in range(COUNTS):
            columns[f"c{place}"] = random.poisson(3 + side * place, count)
        for place, levels in enumerate(LEVELS[:TEXTS]):
            columns[f"t{place}"] = np.char.add("level ", (random.zipf(1.3, count) % (levels + side)).astype(str))
        for place in range(BOOLEANS):
            columns[f"b{place}"] = random.random(count) < 0.2 + 0.1 * side * place
        frame = pl.DataFrame(columns).with_columns(pl.col(f"n{p}").fill_nan(None) for p in range(NUMBERS))
        frame.write_parquet(folder / f"{name}.parquet", row_group_size=100_000)


def ours(folder: Path) -> dict[str, float]:
    """As the drift step does it: DuckDB reads a few columns at a time."""
    from collections.abc import Callable, Sequence

    import duckdb
    import polars as pl

    from ml_platform.monitoring.drift import compared
    from ml_platform.monitoring.population import Ordered, Population, columns_of, kind_of

    begun = time.process_time()
    connection = duckdb.connect(config={"threads": 2})

    def population(name: str) -> Population:
        path = folder / f"{name}.parquet"
        (rows,) = connection.execute(f"SELECT count(*) FROM '{path}'").fetchone() or (0,)
        schema = connection.execute(f"FROM '{path}' LIMIT 0").pl().schema

        def numbers(names: Sequence[str]) -> Callable[[str], Ordered]:
            listed = ", ".join(names)
            return columns_of(connection.execute(f"SELECT {listed} FROM '{path}'").pl() if names else pl.DataFrame())

        def levels(name: str) -> dict[str | None, int]:
            counted = f"SELECT {name} AS level, count(*) AS n FROM '{path}' GROUP BY level"
            return dict(connection.execute(f"SELECT level::VARCHAR, n FROM ({counted})").fetchall())

        return Population(rows, {name: kind_of(dtype) for name, dtype in schema.items()}, numbers, levels)

    reference, current = map(population, SIDES)
    found = list(compared(reference, current, list(reference.kinds)))
    seconds = time.process_time() - begun
    return {"seconds": seconds, **{one.name: one.distance or 0.0 for one in found}}


def plain(folder: Path) -> dict[str, float]:
    """What somebody writes who needs the distances once."""
    import numpy as np
    import pandas as pd
    from scipy.spatial.distance import jensenshannon
    from scipy.stats import wasserstein_distance

    begun = time.process_time()
    then, now = (pd.read_parquet(folder / f"{name}.parquet") for name in SIDES)
    found: dict[str, float] = {}
    for name in then.columns:
        a, b = then[name].dropna(), now[name].dropna()
        if name[0] in "nc":
            found[name] = wasserstein_distance(a, b) / np.std(a)
        else:
            counts = pd.concat([a.value_counts(normalize=True), b.value_counts(normalize=True)], axis=1).fillna(0)
            found[name] = float(jensenshannon(counts.iloc[:, 0], counts.iloc[:, 1], base=2))
    return {"seconds": time.process_time() - begun, **found}


CONTENDERS: dict[str, Callable[[Path], dict[str, float]]] = {"ours": ours, "plain": plain}


def measure(name: str, folder: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--child", name, "--folder", str(folder)]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--child", choices=[*CONTENDERS, "generate"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child == "generate":
        generate(options.folder, options.rows)
        return
    if options.child:
        found = CONTENDERS[options.child](options.folder)
        print(json.dumps({**found, "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # In a process of its own too: a child's peak counts from what its parent held.
        made = [sys.executable, __file__, "--child", "generate", "--folder", str(folder), "--rows", str(options.rows)]
        subprocess.run(made, check=True)
        rounds: dict[str, list[dict[str, float]]] = {contender: [] for contender in CONTENDERS}
        for _ in range(options.rounds):
            for contender in CONTENDERS:
                rounds[contender].append(measure(contender, folder))
    for column, theirs in rounds["plain"][0].items():
        # Numbers, and texts of which every level is named here; the others' rare levels are one bin there.
        if column[0] in "ncb" or column in ("t0", "t1"):
            assert abs(rounds["ours"][0][column] - theirs) <= 1e-9 * max(1.0, theirs), (column, theirs)
    middle = {
        contender: {what: statistics.median(r[what] for r in found) for what in ("seconds", "mb")}
        for contender, found in rounds.items()
    }
    print(f"two frames of {options.rows:,} rows x {NUMBERS + COUNTS + TEXTS + BOOLEANS} columns")
    for contender, found in middle.items():
        print(f"  {contender:<6} {found['seconds']:6.2f} CPU s {found['mb']:6.0f} MB")
    if options.json:
        options.json.write_text(json.dumps({"rows": options.rows, "median": middle}, indent=1) + "\n")


if __name__ == "__main__":
    main()
