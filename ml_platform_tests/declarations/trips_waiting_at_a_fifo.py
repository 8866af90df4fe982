"""`trip_delay`, which waits at a FIFO while drivers are screened, and trains nothing: for stopping a run in its middle.

Whoever imports this module screens so: RUN_GATE in the environment names the FIFO. Who reads it knows that the run is
here. The run then waits for a word, or does what RUN_AFTER names: a long `query` of DuckDB, or waits `stubborn`ly: it
passes over every interrupt.
"""

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import duckdb

from ml_platform import Retrain, Table
from ml_platform.validation import file_screening
from ml_platform_tests import scenario


def _waiting(screen: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(screen)
    def screen_after_the_gate(table: Table, *arguments: Any) -> Any:
        if table.name == "drivers" and "RUN_GATE" in os.environ:
            _wait(Path(os.environ["RUN_GATE"]), os.environ.get("RUN_AFTER", ""))
        return screen(table, *arguments)

    return screen_after_the_gate


def _wait(gate: Path, what: str) -> None:
    word = "here\n"
    while True:
        try:
            gate.write_text(word)
            if what == "query":
                duckdb.sql("SELECT count(*) FROM range(10_000_000_000) a WHERE a.range % 7 = 1").fetchall()
            gate.read_text()
            return
        except BaseException:
            if what != "stubborn":
                raise
            word = "passed over\n"


file_screening.screen = _waiting(file_screening.screen)
trip_delay = scenario.trips(retrain=Retrain(min_examples=100_000))
