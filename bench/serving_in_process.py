"""What one online prediction costs: the store, the features, the model, the log, and HTTP around them.

    python -m bench.serving --data FOLDER [--pipeline flight_delay] [--requests 2000] [--json PATH]

FOLDER is the data folder of a lake with a champion, such as `ml-platform demo` makes; only its folder `online/` is
written. Examples are those of the newest day. Every figure is a median over single requests, one after the other,
in this process (`store`, `features`, `model`, `log`, `in process`) or through `ml-platform serve` on loopback with one
worker and one connection (`http`, `http busy`: 16 connections).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

os.environ.setdefault("POLARS_MAX_THREADS", "1")  # as the worker of the service
os.environ.setdefault("OMP_NUM_THREADS", "1")


KEEPS = timedelta(days=1)


def medians(work: Callable[[Any], object], rows: Sequence[Any]) -> dict[str, float]:
    """Median and 99th percentile of the microseconds that `work` takes for one row, and CPU."""
    seconds, busy = [], []
    for row in rows:
        began, working = time.perf_counter(), time.process_time()
        work(row)
        seconds.append(time.perf_counter() - began)
        busy.append(time.process_time() - working)
    centiles = statistics.quantiles(seconds, n=100)
    return {
        "p50 µs": round(centiles[49] * 1e6, 1),
        "p99 µs": round(centiles[98] * 1e6, 1),
        "CPU p50 µs": round(statistics.median(busy) * 1e6, 1),
    }


def in_process(data: Path, name: str, requests: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The figures of this process, and the examples that were asked."""
    from ml_platform.discovery import find
    from ml_platform.features.online.answering import OnlineFeatures
    from ml_platform.models import bundle as bundles
    from ml_platform.models.predictor import Predictor
    from ml_platform.runtime.workspace import Workspace
    from ml_platform.serving.filling import fill
    from ml_platform.serving.online import OnlinePredictor
    from ml_platform.serving.prediction_log import PredictionLog
    from ml_platform.serving.sqlite_store import SQLiteStore
    from ml_platform.settings import Settings
    from ml_platform.state import versions
    from ml_platform.state.promotions import champion_at

    pipeline = find(name)
    figures: dict[str, Any] = {}
    with (
        closing(Workspace.open_for_reading(Settings(data=data), pipeline.slices)) as ws,
        tempfile.TemporaryDirectory() as folder,
        closing(SQLiteStore(Path(folder) / "store.sqlite")) as store,
    ):
        champion = champion_at(ws.state, name)
        assert champion is not None, f"{name} has no champion in {data}"
        bundle = bundles.load(ws.blobs, versions.version(ws.state, name, champion).bundle)
        definition = OnlinePredictor.definition_of(bundle)
        working = time.process_time()
        fillings = fill(ws, definition, store, KEEPS)
        figures["filling"] = {
            "CPU s": round(time.process_time() - working, 2),
            "values": sum(filling.values for filling in fillings),
            "MB": round(sum(filling.value_bytes for filling in fillings) / 1e6, 1),
        }
        columns = ", ".join(definition.row_schema)
        predictor, features = OnlinePredictor(bundle, champion, store), OnlineFeatures(definition)
        model = Predictor(bundle)
        since = f"WHERE {definition.at} >= TIMESTAMPTZ '{predictor.horizon}'" if definition.at else ""
        examples = ws.lake.frame(f"SELECT {columns} FROM {name}.features {since} LIMIT {requests}").to_dicts()
        examples = (examples * (1 + requests // max(1, len(examples))))[:requests]
        log = PredictionLog(Path(folder) / "log", budget=10**9)
        for example in examples[:50]:
            predictor.predict(example)
        questions = [features.question(example) for example in examples]
        figures["store"] = medians(lambda question: store.read(question.keys), questions)
        figures["features and model"] = medians(predictor.predict, examples)
        full = [{**example, **predictor.predict(example).features} for example in examples[:500]]
        figures["model"] = medians(model.score_row, full)
        line = {"id": "0" * 32, "features": json.dumps({name: 0.1 for name in definition.outputs}), "score": 0.5}
        figures["log"] = medians(lambda _: log.append([line]), examples)
        log.seal()
    return figures, examples


def over_http(data: Path, name: str, examples: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures of the service."""
    import httpx

    environment = {**os.environ, "ML_PLATFORM_DATA": str(data), "ML_PLATFORM_ONLINE_DAYS": str(KEEPS.days)}
    command = [sys.executable, "-m", "ml_platform.cli.main", "serve", name, "--port", "0"]
    bodies = [
        json.dumps({"rows": [{k: v.isoformat() if hasattr(v, "isoformat") else v for k, v in example.items()}]})
        for example in examples
    ]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().removeprefix("Service: ").strip()
            started = time.perf_counter()
            with httpx.Client(base_url=url, timeout=60) as client:
                while True:
                    try:
                        if client.get("/readyz").status_code == 200:
                            break
                    except httpx.TransportError:
                        time.sleep(0.02)  # it does not listen yet
                ready = time.perf_counter() - started
                path = f"/v1/pipelines/{name}/predict"

                def ask(body: str) -> None:
                    response = client.post(path, content=body, headers={"content-type": "application/json"})
                    assert response.status_code == 200, response.text

                for body in bodies[:50]:
                    ask(body)
                figures = {"ready after s": round(ready, 2), "one connection": medians(ask, bodies)}
                with ThreadPoolExecutor(16) as pool:
                    began = time.perf_counter()
                    list(pool.map(ask, bodies))
                    figures["16 connections, requests/s"] = round(len(bodies) / (time.perf_counter() - began))
        finally:
            process.terminate()
            process.wait(60)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pipeline", default="flight_delay")
    parser.add_argument("--requests", type=int, default=2_000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    data = options.data.resolve()
    figures, examples = in_process(data, options.pipeline, options.requests)
    figures["http"] = over_http(data, options.pipeline, examples)
    print(json.dumps(figures, indent=1))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
