"""The command `ml-platform` on a machine that is as busy, or as faulty, as the environment says."""

import os
from typing import Any

from ml_platform.cli.main import main
from ml_platform.errors import TrainingError


def _fails(*_: Any) -> None:
    raise TrainingError("The trainer fails.", remedy="This is a test.")


if __name__ == "__main__":
    if "MACHINE_BUSY" in os.environ:
        from ml_platform.evaluation.gates import latency

        busy = [latency.Round(0.2, wall=0.9, cpu=0.1), latency.Round(0.25, wall=0.9, cpu=0.1)]
        latency._rounds = lambda score, rows: busy
    if "TRAINER_FAILS" in os.environ:
        from ml_platform.steps.candidate import CandidateStep

        CandidateStep.make = _fails  # type: ignore[method-assign]
    main()
