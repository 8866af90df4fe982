"""A candidate for the tests: scores that rank a noisy label, in three slices, by a scorer of one column."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from ml_platform.evaluation.candidate import Candidate, Champion, Part
from ml_platform.evaluation.gates.measuring import judge
from ml_platform.spec.gates import Gate
from ml_platform.state.verdicts import Verdict

HOLDOUT_START = datetime(2013, 3, 18, tzinfo=UTC)
CUT_OFF = datetime(2013, 3, 17, 23, 55, tzinfo=UTC)


@dataclass(frozen=True)
class Column:
    """A model that answers with one column of its row."""

    name: str = "signal"
    classes: tuple[str, ...] = ()

    def scores(self, frame: pl.DataFrame) -> Any:
        return frame[self.name].to_numpy()

    def score_row(self, row: Mapping[str, Any]) -> Any:
        return row[self.name]


@dataclass(frozen=True)
class Outcome:
    """What a parity run or a reproduction reports."""

    compared: int = 0
    differing: int = 0
    identical: bool = True
    detail: str = "As reported."


def part(rows: int = 3000, seed: int = 0, **columns: Any) -> Part:
    """Rows with `signal` (ROC AUC about .8), `worse`, `noise` and `origin`, and the columns given."""
    generator = np.random.default_rng(seed)
    signal = generator.random(rows)
    label = generator.random(rows) < signal**2
    frame = pl.DataFrame(
        {
            "signal": signal,
            "worse": (signal + generator.random(rows)) / 2,
            "noise": generator.random(rows),
            "origin": generator.choice(["EWR", "JFK", "LGA"], rows),
            **{name: make(label) if callable(make) else make for name, make in columns.items()},
        }
    )
    return Part(frame, pl.Series(label), (), signal)


def candidate(**changes: Any) -> Candidate:
    train, holdout = part(seed=1), part(seed=2)
    plain: dict[str, Any] = {
        "pipeline": "delays",
        "version": 4,
        "task": "binary",
        "columns": ("signal", "worse", "noise", "origin"),
        "predictor": Column(),
        "train": train,
        "holdout": holdout,
        "snapshot": "5e7",
        "bundle_bytes": 1_500_000,
        "cut_off": CUT_OFF,
        "holdout_start": HOLDOUT_START,
        "split": "by time",
    }
    return Candidate(**{**plain, **changes})


def champion(**changes: Any) -> Champion:
    plain: dict[str, Any] = {"version": 3, "predictor": Column("worse"), "cut_off": CUT_OFF, "split": "by time"}
    return Champion(**{**plain, **changes})


def outcome(gate: Gate, **changes: Any) -> Verdict:
    """The outcome of one gate about the candidate with these changes."""
    return judge(gate, candidate(**changes))[0]
