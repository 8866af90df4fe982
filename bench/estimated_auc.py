"""How near the AUC estimated before labels is to the one realised later, by week, and under injected shifts (S48).

    python -m bench.estimated_auc [--pipeline flight_delay]

Reads the lake of ML_PLATFORM_DATA, in which the pipeline ran, and changes nothing. Baselines: average confidence
(scores taken as calibrated), and the AUC realised in the window before, whatever its labels' delay; so the first
window does not count. An injected shift draws half of the labelled rows of a week again, with weights by their score:
covariates change, and how often a score is right does not. A week that a change of champion cuts is two windows; the
lines "whole weeks" leave these out.
"""

import argparse
from typing import Any

import numpy as np
import polars as pl

from ml_platform.discovery import pipelines, slices_of
from ml_platform.evaluation.metrics import metric
from ml_platform.experiments.estimating import Window, windows_of
from ml_platform.monitoring.estimation.answer import Estimate
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings

SHIFTS = {  # weights by z, the standardised logit of the score
    "none": None,
    "to low scores": lambda z: np.exp(-0.7 * z),
    "to high scores": lambda z: np.exp(0.7 * z),
    "less spread": lambda z: np.exp(-0.25 * z**2),
    "more spread": lambda z: np.exp(0.25 * z**2),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pipeline", default="flight_delay")
    settings = Settings()
    declared = pipelines(settings)
    ws = Workspace.open_for_reading(settings, slices_of(declared.values()), records=True)
    windows = list(windows_of(ws, declared[parser.parse_args().pipeline], "week"))
    for shift in SHIFTS:
        rows = measured(windows, shift)
        if shift == "none":
            for row in rows:
                print(
                    f"{row['start']:%Y-%m-%d} @{row['version']} {row['rows']:5d} rows, {row['days']} days: "
                    f"estimated {row['estimated']:.4f} ({row['low']:.4f} to {row['high']:.4f}), "
                    f"realised {row['realised']:.4f}, average confidence {row['confidence']:.4f}, "
                    f"last {row['last']:.4f}"
                )
        for name, some in (("all windows", rows), ("whole weeks", [row for row in rows if row["days"] == 7])):
            print(f"{shift}, {name}: {_summary(some)}")


def measured(windows: list[Window], shift: str) -> list[dict[str, Any]]:
    """Each window of which the AUC is estimable, with the baselines and what was realised."""
    weigh, generator, rows = SHIFTS[shift], np.random.default_rng(0), []
    last: float | None = None
    for window in windows:
        scores, times, labels = window.scores, window.times, window.labels
        if weigh is not None:
            mature = labels.is_not_null().to_numpy()
            chance = weigh(_standardised(scores[mature]))
            drawn = generator.choice(np.flatnonzero(mature), mature.sum() // 2, p=chance / chance.sum())
            scores, times, labels = scores[drawn], times.gather(drawn), labels.gather(drawn)
        mature = labels.is_not_null()
        realised = metric("roc_auc", labels.filter(mature).to_numpy(), scores[mature.to_numpy()])
        answer = window.reference.estimated(scores, times)["roc_auc"]
        if isinstance(answer, Estimate) and last is not None:
            rows.append(
                {
                    "start": window.start,
                    "version": window.version,
                    "rows": answer.rows,
                    "days": window.times.dt.date().n_unique(),
                    "estimated": answer.value,
                    "low": answer.low,
                    "high": answer.high,
                    "realised": realised,
                    "confidence": average_confidence(scores),
                    "last": last,
                }
            )
        last = window.realised("roc_auc")
    return rows


def average_confidence(scores: Any) -> float:
    """The expected AUC of scores that are taken as calibrated."""
    p = np.sort(scores)
    below = np.cumsum(1 - p) - (1 - p) / 2
    return float(np.sum(p * below) / (p.sum() * (1 - p).sum()))


def _standardised(scores: Any) -> Any:
    logit = np.log(scores / (1 - scores))
    return (logit - logit.mean()) / logit.std()


def _summary(rows: list[dict[str, Any]]) -> str:
    frame = pl.DataFrame(rows)
    errors = {name: (frame[name] - frame["realised"]).abs().mean() for name in ("estimated", "confidence", "last")}
    covered = frame["realised"].is_between(frame["low"], frame["high"])
    shown = ", ".join(f"{name} {error:.4f}" for name, error in errors.items())
    return (
        f"{frame.height} windows; mean absolute error: {shown}; {covered.sum()} of {frame.height} within the interval"
    )


if __name__ == "__main__":
    main()
