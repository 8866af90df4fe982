"""Reproduction: train again in a fresh process, from the stored training set and plan, to the same bytes (S16).

As a program: `python -m ml_platform.training.reproduction ARTIFACTS TRAINING_SET BUNDLE`, one JSON line out.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from ml_platform.errors import BlobError, PlatformError, ProcessKilled, TrainingError
from ml_platform.lake.blobs import Blobs
from ml_platform.settings import Settings

if TYPE_CHECKING:
    from ml_platform.models.bundle import Bundle
    from ml_platform.models.protocol import Model


@dataclass(frozen=True)
class Reproduction:
    """Whether training again gave the stored model. `expected` and `actual` are SHA-256 of the model texts.

    `detail` names the first difference, and what differs in the environment if anything does.
    """

    identical: bool
    expected: str
    actual: str
    detail: str


def reproduce(blobs: Blobs, training_set: str, bundle: str) -> Reproduction:
    """Train again in a fresh process and compare model, categories and classes.

    Raises BlobError when a blob is missing or damaged, TrainingError when training itself fails, and ProcessKilled when
    the process was ended from outside.
    """
    package = str(Path(__file__).parents[2])
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(  # noqa: S603 - our own interpreter and arguments
        [sys.executable, "-m", __name__, str(blobs.folder.absolute()), training_set, bundle],
        # Threads that spin while they wait take the cores from whatever else runs.
        env={"OMP_WAIT_POLICY": "passive", **os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        answer = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        last = (done.stderr.strip().splitlines() or ["nothing was printed"])[-1]
        if -done.returncode in (signal.SIGKILL, signal.SIGTERM):
            name = signal.Signals(-done.returncode).name
            raise ProcessKilled(
                f"The fresh process was ended by {name}.", remedy="Free memory, and run again."
            ) from None
        raise TrainingError(
            f"The fresh process ended with code {done.returncode}: {last}.", remedy="See `ml-platform doctor`."
        ) from None
    if "refused" in answer:
        raise (BlobError if answer["kind"] == "BlobError" else TrainingError)(answer["refused"])
    return Reproduction(**answer)


def reproduce_here(blobs: Blobs, training_set: str, bundle: str, *, threads: int = 0) -> Reproduction:
    """The same in this process. `threads` 0 means all cores; the bytes do not depend on it."""
    from ml_platform.models.bundle import load
    from ml_platform.models.registry import trainer_of_format
    from ml_platform.models.training_data import TrainingData
    from ml_platform.training.environment import differences, environment
    from ml_platform.training.training_plan import Plan

    stored = load(blobs, bundle)
    if stored.training_set != training_set:
        raise TrainingError(
            f"The bundle {bundle[:12]} was fitted on {stored.training_set[:12]}, not on {training_set[:12]}.",
            remedy="Give its own training set.",
        )
    plan = Plan.from_json(stored.training)
    data = TrainingData(blobs.get(training_set), plan.task, plan.columns)
    model = trainer_of_format(stored.model_format).fit(data, plan.config, threads=threads)
    first = _first_difference(stored, model)
    moved = differences(stored.versions, environment(model.libraries))
    detail = first or "The same bytes."
    if first and not model.reproducible:
        detail += f" Models of the format {model.format} do not promise equal bytes."
    if moved:
        detail += f" Since then: {'; '.join(moved)}."
    return Reproduction(not first, _hash(stored.model), _hash(model.to_bytes()), detail)


def _first_difference(stored: "Bundle", model: "Model") -> str:
    then, now = stored.signature, model.signature
    if dict(then.levels) != dict(now.levels):
        names = [n for n in sorted({*then.levels, *now.levels}) if then.levels.get(n) != now.levels.get(n)]
        return f"The categories of {', '.join(names)} differ."
    if then.classes != now.classes:
        return f"The classes were {list(then.classes)} and are {list(now.classes)}."
    if stored.model == model.to_bytes():
        return ""
    pairs = zip_longest(stored.model.splitlines(), model.to_bytes().splitlines(), fillvalue=b"(end)")
    number, old, new = next((n, a, b) for n, (a, b) in enumerate(pairs, 1) if a != b)
    return f"Line {number} of the model was {_short(old)!r} and is {_short(new)!r}."


def _short(line: bytes) -> str:
    text = line.decode(errors="replace")
    return text if len(text) <= 80 else f"{text[:80]}…"


def _hash(model: bytes) -> str:
    return hashlib.sha256(model).hexdigest()


def main(arguments: list[str]) -> int:
    """The fresh process: prints the outcome, or what was refused, as one JSON line."""
    from ml_platform.models.bundle import load
    from ml_platform.models.registry import trainer_of_format

    folder, training_set, bundle = arguments
    settings = Settings(data=Path(folder).parent)
    blobs = Blobs(settings)
    blobs.folder = Path(folder)
    try:
        for name in trainer_of_format(load(blobs, bundle).model_format).avoidable:
            sys.modules[name] = None  # type: ignore[assignment]  # the documented way to make an import fail
        answer = asdict(reproduce_here(blobs, training_set, bundle, threads=settings.threads))
    except PlatformError as error:
        answer = {"refused": str(error), "kind": type(error).__name__}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
