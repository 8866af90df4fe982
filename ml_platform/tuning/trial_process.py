"""The process that fits trials, each fold in a fork of its own: what crashes or runs out of memory is that fork.

What is fitted waits in a folder that the question names: the bundle and the scores of the validation rows.
"""

import json
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from ml_platform.child_process import answer_questions
from ml_platform.errors import PlatformError
from ml_platform.training.fresh_process import answered_by_a_fork

BUNDLE, SCORES = "fold.bundle", "scores.npy"
_RANK = Path("/proc/self/oom_score_adj")  # by which Linux chooses what to end when memory is short
_FIRST_TO_GO = "1000"  # the highest rank


def fitted(question: dict[str, Any]) -> dict[str, Any]:
    """Fit one fold; `refused` with the reason where the trainer gives no model."""
    import numpy as np

    from ml_platform.models.bundle import Bundle
    from ml_platform.models.registry import trainer_named
    from ml_platform.models.training_data import TrainingData

    with suppress(OSError):  # no Linux, or not allowed: the system chooses by itself
        _RANK.write_text(_FIRST_TO_GO)
    columns, folder = dict(question["columns"]), Path(question["folder"])
    data = TrainingData(Path(question["data"]), question["task"], columns, part_column=question["fold"])
    try:
        model = trainer_named(question["trainer"]).fit(data, question["config"], threads=question["threads"])
        scores = model.predict(data.part("validation"), threads=question["threads"])
    except PlatformError as error:
        return {"refused": error.what}
    except MemoryError:
        return {"refused": "It ran out of memory."}
    bundle = Bundle(
        pipeline=question["pipeline"],
        signature=model.signature,
        model_format=model.format,
        model=model.to_bytes(),
        definition=question["definition"],
        training={**question["config"], "training_set": ""},
        versions={},
    )
    (folder / BUNDLE).write_bytes(bundle.packed)
    np.save(folder / SCORES, scores, allow_pickle=False)
    return {"report": json.loads(json.dumps(dict(model.report.parameters), default=str))}


def main() -> None:
    """Fit each fold that is asked for, until there are no more."""
    import ml_platform.models.bundle
    import ml_platform.models.registry
    import ml_platform.models.training_data  # noqa: F401  # imported before the forks, which need them
    from ml_platform.models.lightgbm_library import lightgbm_library

    lightgbm_library()
    answer_questions(partial(answered_by_a_fork, work=fitted))


if __name__ == "__main__":
    main()
