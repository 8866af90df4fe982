"""What an experiment that changes only the trainer costs beside the bare training of the same model.

    python -m bench.experiment_tax --data FOLDER --through 2013-06 [--rounds 3]

FOLDER holds a lake that `ml-platform run flight_delay` filled through that month. The bare training reads the training
set of the pipeline with polars, fits LightGBM with the parameters of the declaration, on the same threads, and scores
the holdout. Both run in turn in processes of their own, each with another number of leaves, so that nothing is reused.
CPU and wall seconds count from before the first import of a library to the end.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

BARE = """
import sys, time
began, cpu = time.perf_counter(), time.process_time()
import lightgbm, numpy, polars
path, leaves, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
columns, text = ([name for name in names.split(",") if name] for names in sys.argv[4:6])
frame = polars.read_parquet(path)
levels = {name: sorted(frame.filter(polars.col("_part") == "train")[name].drop_nulls().unique()) for name in text}
def code(name):
    return polars.col(name).cast(polars.Enum(levels[name]), strict=False).to_physical().cast(polars.Int32)
encoded = frame.with_columns([code(name) for name in text])
def part(name):
    rows = encoded.filter(polars.col("_part") == name)
    matrix = rows.select(polars.col(columns).cast(polars.Float64).fill_null(float("nan"))).to_numpy(order="c")
    return matrix, rows["_label"].to_numpy().astype(float)
train = lightgbm.Dataset(*part("train"), categorical_feature=[columns.index(name) for name in text])
parameters = dict(objective="binary", num_leaves=leaves, learning_rate=0.1, min_data_in_leaf=20, seed=0, verbose=-1)
parameters |= dict(deterministic=True, force_row_wise=True, num_threads=threads)
booster = lightgbm.train(parameters, train, num_boost_round=100)
scores = booster.predict(part("holdout")[0], num_threads=threads)
print(time.perf_counter() - began, time.process_time() - cpu)
"""
OURS = """
import sys, time
began, cpu = time.perf_counter(), time.process_time()
from contextlib import closing
from pathlib import Path
from ml_platform.discovery import find, pipelines, slices_of
from ml_platform.experiments.changing import variants
from ml_platform.experiments.trying import Request, attempt
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
settings = Settings(data=Path(sys.argv[1]), threads=int(sys.argv[3]))
base = find("flight_delay", settings)
with closing(Workspace.open_for_reading(settings, slices_of(pipelines(settings).values()), records=True)) as ws:
    (variant,) = variants(base, [f"trainer.num_leaves={sys.argv[2]}"])
    tried = attempt(ws, base, variant, Request(sys.argv[4]), lambda _: None)
    from ml_platform.state import experiments
    durations = experiments.details(ws.state, tried.experiment.id).durations
print(time.perf_counter() - began, time.process_time() - cpu, durations)
"""


def measured(data: Path, through: str, rounds: int, threads: int) -> dict[str, list[tuple[float, float]]]:
    """Wall and CPU seconds of each round, for the bare training and the experiment."""
    path, columns, text = _training_set(data, through)
    times: dict[str, list[tuple[float, float]]] = {"bare": [], "experiment": []}
    for leaves in range(40, 40 + rounds):
        arguments = [str(path), str(leaves), str(threads), ",".join(columns), ",".join(text)]
        times["bare"].append(_run(BARE, arguments))
        times["experiment"].append(_run(OURS, [str(data), str(leaves), str(threads), through]))
    return times


def _training_set(data: Path, through: str) -> tuple[Path, list[str], list[str]]:
    from contextlib import closing

    from ml_platform.lake.blobs import Blobs
    from ml_platform.models.bundle import load
    from ml_platform.settings import Settings
    from ml_platform.state import versions
    from ml_platform.state.database import State

    settings = Settings(data=data)
    with closing(State(settings)) as state:  # which migrates the copy of an older lake
        newest = [one for one in versions.versions(state, "flight_delay") if one.partition <= through][-1]
    blobs = Blobs(settings)
    columns = load(blobs, newest.bundle).columns
    text = [name for name, dtype in columns.items() if dtype == "String"]
    return blobs.get(newest.training_set), list(columns), text


def _run(program: str, arguments: list[str]) -> tuple[float, float]:
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    wall, cpu, *more = done.stdout.split(maxsplit=2)
    if more:
        print(f"  durations: {more[0].strip()}", file=sys.stderr)
    return float(wall), float(cpu)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--through", default="2013-06")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        shutil.copytree(options.data, data)
        times = measured(data, options.through, options.rounds, options.threads)
    figures = {
        name: {"wall": round(median(one[0] for one in rounds), 2), "cpu": round(median(one[1] for one in rounds), 2)}
        for name, rounds in times.items()
    }
    ratios = {kind: round(figures["experiment"][kind] / figures["bare"][kind], 2) for kind in ("wall", "cpu")}
    print(json.dumps({**figures, "ratio": ratios}, indent=1))


if __name__ == "__main__":
    main()
