"""`trip_delay`, which waits at a FIFO while drivers are screened, and trains nothing: for stopping a run in its middle.

Whoever imports this module screens so: RUN_GATE in the environment names the FIFO. Who reads it knows that the run is
here, and the run waits for a word.
"""

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from ml_platform import Retrain, Table
from ml_platform.validation import screenings
from ml_platform_tests import scenario


def _waiting(screen: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(screen)
    def screen_after_the_gate(table: Table, *arguments: Any) -> Any:
        if table.name == "drivers" and "RUN_GATE" in os.environ:
            Path(os.environ["RUN_GATE"]).write_text("here\n")
            Path(os.environ["RUN_GATE"]).read_text()
        return screen(table, *arguments)

    return screen_after_the_gate


screenings.screen = _waiting(screenings.screen)
trip_delay = scenario.trips(retrain=Retrain(min_examples=100_000))
