"""The flight_delay year as one would write it by hand: polars, duckdb, lightgbm, Parquet files. No platform.

    python -m bench.bare_flights LANDING OUT MONTH [MONTH …]

It does the same work as the platform's run: reads and cleans each month's files as they come, computes
the same features point in time, trains on everything known by the end of the month with the same parts,
measures the holdout, trains once more in a fresh process to see whether the model is the same, scores
the next month and measures it. What it lacks: contracts, quarantine, versions of rows, exact sums,
content keys, a registry, gates, intervals, lineage, resuming, and anyone who can read it.
"""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import lightgbm as lgb
import numpy as np
import polars as pl

from ml_platform.pipelines.flight_delay import clean_flights, clean_weather, local_departure

SPANS = {
    "carrier": ("3h", "1d", "7d", "28d"),
    "origin": ("3h", "1d", "7d"),
    "dest": ("3h", "1d", "7d", "28d"),
    "tailnum": ("3h", "1d", "7d", "28d"),
}
HOURS = {"3h": 3, "1d": 24, "7d": 168, "28d": 672}
WEATHER = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib"]
KEPT = [
    "flight_id",
    "sched_dep",
    "sched_arr",
    "carrier",
    "origin",
    "dest",
    "tailnum",
    "distance",
    "arr_delay",
    "landed_at",
]
PARAMETERS = {
    "objective": "binary",
    "num_leaves": 31,
    "learning_rate": 0.1,
    "min_data_in_leaf": 20,
    "seed": 0,
    "deterministic": True,
    "force_row_wise": True,
    "verbose": -1,
}


def text(file: Path) -> pl.DataFrame:
    return pl.read_csv(file, infer_schema=False, null_values=["", "NA"])


def read_month(landing: Path, month: str, airports: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    flights = clean_flights(text(landing / "flights" / f"flights_{month}.csv"), airports)
    flights = flights.with_columns(pl.col("distance", "arr_delay").cast(pl.Float64)).select(KEPT)
    weather = clean_weather(text(landing / "weather" / f"weather_{month}.csv"))
    weather = weather.with_columns(pl.col(WEATHER).cast(pl.Float64)).unique(["origin", "observed_at"])
    return flights, weather.select("origin", "observed_at", "published_at", *WEATHER)


def features(connection: duckdb.DuckDBPyConnection, start: datetime, end: datetime) -> pl.DataFrame:
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE made AS SELECT * FROM flights WHERE sched_dep >= ? AND sched_dep < ?",
        [start, end],
    )
    oldest = start - timedelta(days=29)
    for key, spans in SPANS.items():
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE running AS SELECT {key}, landed_at, sum(n) OVER w AS n, sum(s) OVER w AS s "
            f"FROM (SELECT {key}, landed_at, count(arr_delay) AS n, sum(arr_delay) AS s FROM flights "
            f"WHERE landed_at >= ? AND landed_at < ? AND {key} IS NOT NULL GROUP BY ALL) "
            f"WINDOW w AS (PARTITION BY {key} ORDER BY landed_at)",
            [oldest, end],
        )
        columns, joins = [], [f"ASOF LEFT JOIN running a ON x.{key} = a.{key} AND x.sched_dep > a.landed_at"]
        for span in spans:
            joins.append(
                f"ASOF LEFT JOIN running b{span} ON x.{key} = b{span}.{key} "
                f"AND x.sched_dep - INTERVAL {HOURS[span]} HOUR > b{span}.landed_at"
            )
            n, s = f"coalesce(a.n, 0) - coalesce(b{span}.n, 0)", f"coalesce(a.s, 0) - coalesce(b{span}.s, 0)"
            columns += [
                f"CASE WHEN {n} > 0 THEN ({s}) / ({n}) END AS {key}_mean_{span}",
                f"({n})::BIGINT AS {key}_count_{span}",
            ]
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE next AS SELECT x.*, {', '.join(columns)} FROM made x {' '.join(joins)}"
        )
        connection.execute("CREATE OR REPLACE TEMP TABLE made AS FROM next")
    listed = ", ".join(f"w.{name}" for name in WEATHER)
    frame = connection.execute(
        f"SELECT x.*, p.seats, p.year, {listed} FROM made x LEFT JOIN planes p ON x.tailnum = p.tailnum "
        "ASOF LEFT JOIN weather w ON x.origin = w.origin AND x.sched_dep > w.published_at ORDER BY sched_dep, flight_id"
    ).pl()
    return frame.with_columns(
        hour=local_departure.dt.hour() + local_departure.dt.minute() / 60,
        weekday=local_departure.dt.weekday(),
        day_of_year=local_departure.dt.ordinal_day(),
        planned_minutes=(pl.col("sched_arr") - pl.col("sched_dep")).dt.total_minutes(),
    )


def matrix(frame: pl.DataFrame, levels: dict[str, list[str]]) -> pl.DataFrame:
    coded = [
        pl.col(name).replace_strict({v: i for i, v in enumerate(known)}, default=None, return_dtype=pl.Int32)
        for name, known in levels.items()
    ]
    return frame.drop("flight_id", "sched_dep", "sched_arr", "tailnum", "arr_delay", "landed_at").with_columns(coded)


def train(file: Path) -> tuple[lgb.Booster, dict[str, list[str]]]:
    frame = pl.read_parquet(file).filter(pl.col("part") == "train").drop("part")
    levels = {name: sorted(frame[name].drop_nulls().unique()) for name in ("carrier", "origin", "dest")}
    label = (frame["arr_delay"] > 15).cast(pl.Int8).to_numpy()
    data = lgb.Dataset(matrix(frame, levels).to_arrow(), label, categorical_feature=list(levels))
    return lgb.train({**PARAMETERS, "num_threads": 2}, data, 80), levels


def auc(label: np.ndarray, score: np.ndarray) -> float:
    order = np.argsort(score, kind="stable")
    _, inverse, counts = np.unique(score[order], return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    hits = label[order]
    positive = hits.sum()
    return float((ranks[hits].sum() - positive * (positive + 1) / 2) / (positive * (len(label) - positive)))


def judge(booster: lgb.Booster, levels: dict[str, list[str]], frame: pl.DataFrame) -> tuple[np.ndarray, float]:
    known = frame["arr_delay"].is_not_null().to_numpy()
    score = booster.predict(matrix(frame, levels).to_arrow())
    return score, auc((frame["arr_delay"].to_numpy() > 15)[known], score[known])


def main(landing: Path, out: Path, months: list[str]) -> None:
    connection = duckdb.connect(config={"threads": 2})
    connection.execute("SET TimeZone = 'UTC'")
    airports = text(landing / "airports.csv")
    planes = text(landing / "planes.csv").select("tailnum", pl.col("year", "seats").cast(pl.Int32))
    connection.register("given", planes.to_arrow())
    connection.execute("CREATE TABLE planes AS FROM given")
    booster, levels, found = None, {}, {}
    for month in months:
        flights, weather = read_month(landing, month, airports)
        for name, frame in (("flights", flights), ("weather", weather)):
            frame.write_parquet(out / f"{name}_{month}.parquet")
            connection.register("given", frame.to_arrow())
            verb = f"CREATE TABLE {name} AS" if month == months[0] else f"INSERT INTO {name}"
            connection.execute(f"{verb} FROM given")
        start = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
        end = (start + timedelta(days=32)).replace(day=1)
        made = features(connection, start, end)
        made.write_parquet(out / f"features_{month}.parquet")
        if booster is not None:
            score, value = judge(booster, levels, made)
            made.select("flight_id", "sched_dep").with_columns(score=score).write_parquet(
                out / f"scores_{month}.parquet"
            )
            found[month] = value
        everything = pl.scan_parquet([out / f"features_{m}.parquet" for m in months if m <= month])
        part = pl.when(pl.col("sched_dep") >= end - timedelta(days=12)).then(pl.lit("holdout"))
        part = (
            part.when(pl.col("sched_dep") >= end - timedelta(days=14))
            .then(pl.lit("validation"))
            .otherwise(pl.lit("train"))
        )
        known = everything.filter(pl.col("landed_at") < end).with_columns(part=part).sort("sched_dep", "flight_id")
        file = out / f"training_{month}.parquet"
        known.collect().write_parquet(file)
        booster, levels = train(file)
        judge(booster, levels, pl.read_parquet(file).filter(pl.col("part") == "holdout").drop("part"))
        (out / f"model_{month}.txt").write_text(booster.model_to_string())
        again = subprocess.run(
            [sys.executable, "-m", "bench.bare_flights", "--again", file], check=True, capture_output=True, text=True
        )
        assert again.stdout == booster.model_to_string(), "training again gave another model"
    print(json.dumps(found))


if __name__ == "__main__":
    if sys.argv[1] == "--again":
        sys.stdout.write(train(Path(sys.argv[2]))[0].model_to_string())
    else:
        main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
