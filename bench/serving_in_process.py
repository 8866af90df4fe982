"""What one online prediction costs in this process: the store, the features, the model, the log."""

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
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


@dataclass
class Predictions:
    """The champion of a pipeline with a store and a log of its own, and examples to ask it.

    filling: what it cost to fill the store. model: its LightGBM model as text. columns: of the model. rows: the numbers
    that the model sees of each example; None is missing. features: how many are read of the store for an example.
    """

    examples: list[dict[str, Any]]
    filling: dict[str, Any]
    model: str
    columns: tuple[str, ...]
    rows: list[list[float | None]]
    features: int
    work: dict[str, tuple[Callable[[Any], object], Sequence[Any]]] = field(repr=False)

    def round(self) -> dict[str, Any]:
        """The figures of each part, and of a whole prediction."""
        return {name: medians(work, asked) for name, (work, asked) in self.work.items()}


@contextmanager
def predictions(data: Path, name: str, requests: int) -> Iterator[Predictions]:
    """The predictions of the champion of a pipeline in that data folder, which is only read."""
    from ml_platform.discovery import find
    from ml_platform.features.online.answering import OnlineFeatures
    from ml_platform.models import bundle as bundles
    from ml_platform.models.encoding import RowEncoder
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
    with ExitStack() as opened:
        ws = opened.enter_context(closing(Workspace.open_for_reading(Settings(data=data), pipeline.slices)))
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        store = opened.enter_context(closing(SQLiteStore(folder / "store.sqlite")))
        champion = champion_at(ws.state, name)
        assert champion is not None, f"{name} has no champion in {data}"
        bundle = bundles.load(ws.blobs, versions.version(ws.state, name, champion).bundle)
        definition = OnlinePredictor.definition_of(bundle)
        working = time.process_time()
        fillings = fill(ws, definition, store, KEEPS)
        filling = {
            "CPU s": round(time.process_time() - working, 2),
            "values": sum(filling.values for filling in fillings),
            "MB": round(sum(filling.value_bytes for filling in fillings) / 1e6, 1),
        }
        predictor, features = OnlinePredictor(bundle, champion, store), OnlineFeatures(definition)
        model = Predictor(bundle)
        columns = ", ".join(definition.row_schema)
        since = f"WHERE {definition.at} >= TIMESTAMPTZ '{predictor.horizon}'" if definition.at else ""
        examples = ws.lake.frame(f"SELECT {columns} FROM {name}.features {since} LIMIT {requests}").to_dicts()
        log = PredictionLog(folder / "log", budget=10**9)
        for example in examples[:50]:
            predictor.predict(example)
        line = {"id": "0" * 32, "features": json.dumps(dict.fromkeys(definition.outputs, 0.1)), "score": 0.5}

        def one_flight(example: dict[str, Any]) -> None:
            predictor.predict(example)
            log.append([line])

        full = [{**example, **predictor.predict(example).features} for example in examples]
        encoder = RowEncoder(model.columns, bundle.fitted.signature.levels)
        numbers = [[None if value != value else value for value in encoder.values(row)] for row in full]
        questions = [features.question(example) for example in examples]
        yield Predictions(
            examples,
            filling,
            bundle.fitted.to_bytes().decode(),
            model.columns,
            numbers,
            sum(len(form.outputs) for form in definition.joined),
            {
                "store": (lambda question: store.read(question.keys), questions),
                "features and model": (predictor.predict, examples),
                "model": (model.score_row, full),
                "log": (lambda _: log.append([line]), examples),
                "one prediction": (one_flight, examples),
            },
        )
        log.seal()
