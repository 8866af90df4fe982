"""AutoML of the platform against FLAML alone: the same rows, the same holdout, the same time.

    python -m bench.automl --data FOLDER [--budget 10m] [--pipelines churn bike_rentals] [--environments FOLDER]

FOLDER is a data folder in which the pipelines have a champion. Use a copy: experiments are added to it. FLAML is
installed into an environment of its own. Both search on the rows that are no holdout; the platform fits its choice on
the train part, and meets the gates.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.peers import Peer
from ml_platform.lake.blobs import Blobs
from ml_platform.settings import Settings
from ml_platform.spec.durations import SECOND, microseconds
from ml_platform.spec.pipeline import ModelPipeline

FLAML_METRICS = {"roc_auc": "roc_auc", "r2": "r2", "rmse": "rmse", "mae": "mae", "log_loss": "log_loss"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--budget", default="10m")
    parser.add_argument("--pipelines", nargs="+", default=["churn", "bike_rentals"])
    parser.add_argument("--environments", type=Path, default=Path(tempfile.gettempdir()) / "ml_platform_peers")
    asked = parser.parse_args()
    os.environ["ML_PLATFORM_DATA"] = str(asked.data.resolve())
    peer = Peer("flaml", asked.environments)
    for name in asked.pipelines:
        print(json.dumps(_compared(name, asked.budget, peer)))


def _compared(name: str, budget: str, peer: Peer) -> dict[str, Any]:
    from ml_platform.cli import opening

    pipeline: ModelPipeline = opening.declarations().find(name)
    command = [sys.executable, "-m", "ml_platform.cli.main", "try", name]
    command += ["--set", f'trainer=AutoML(budget="{budget}")', "--json"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    (ours,) = json.loads(done.stdout)
    rows = Blobs(Settings()).get(ours["training_set"])
    seconds = microseconds(budget) / SECOND
    metric, columns = FLAML_METRICS[ours["metric"]], json.dumps(list(pipeline.model_columns))
    answer = json.loads(peer.answer("flaml_search.py", str(rows), columns, pipeline.task, metric, str(seconds)))
    return {
        "pipeline": name,
        "metric": ours["metric"],
        "budget": budget,
        "platform": ours["metrics"],
        "platform_choice": ours["parameters"],
        "flaml": answer,
        "flaml_version": peer.version,
    }


if __name__ == "__main__":
    main()
