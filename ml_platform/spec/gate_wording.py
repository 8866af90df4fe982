"""What a gate is called: its key in the registry, and a sentence for people."""

from ml_platform.spec.canonical import content_key
from ml_platform.spec.gates import (
    AtLeast,
    AtMost,
    Gate,
    Latency,
    Leakage,
    NoWorseThanChampion,
    OverfitGap,
    Parity,
    Reproduction,
    Size,
)

_FLOOR = "A floor for the metric on the holdout: data later than everything that the model was trained on."
_WHY: dict[type, str] = {
    AtLeast: _FLOOR,
    AtMost: _FLOOR.replace("floor", "ceiling"),
    NoWorseThanChampion: "The candidate and the version that serves are compared on the same rows, resampled together.",
    OverfitGap: "A model that is much better on what it has seen than on what it has not has learnt by heart.",
    Latency: "How long somebody waits for one prediction.",
    Size: "What every service that serves the model has to load.",
    Leakage: "What predicts too well usually knows the answer: a column written after the fact.",
    Parity: "Examples are replayed one at a time, as a service would, and must get the same features to the bit.",
    Reproduction: "The model is trained again from its stored training set in a fresh process; the bytes must agree.",
}


def gate_key(gate: Gate) -> str:
    """The content key of the definition: another floor is another gate."""
    return content_key(gate)


def why(gate: Gate) -> str:
    """What a gate is for, as a sentence for people who meet it for the first time."""
    return _WHY[type(gate)]


def short_name(gate: Gate) -> str:
    """The gate as an identifier that is unique in its pipeline, such as "roc_auc_at_least_0_62_by_origin"."""
    match gate:
        case AtLeast(metric=metric, floor=bound, by=by):
            text = f"{metric}_at_least_{bound:g}" + (f"_by_{by}" if by else "")
        case AtMost(metric=metric, ceiling=bound, by=by):
            text = f"{metric}_at_most_{bound:g}" + (f"_by_{by}" if by else "")
        case NoWorseThanChampion(metric=metric):
            text = f"{metric}_no_worse_than_champion"
        case OverfitGap(metric=metric):
            text = f"{metric}_overfit_gap"
        case _:
            text = type(gate).__name__.lower()
    return "".join(c if c.isalnum() else "_" for c in text)


def in_words(gate: Gate) -> str:
    """The gate as a phrase, such as "roc_auc at least 0.62 for each origin"."""
    match gate:
        case AtLeast(metric=metric, floor=bound, by=by):
            return f"{metric} at least {bound:g}" + _for_each(by)
        case AtMost(metric=metric, ceiling=bound, by=by):
            return f"{metric} at most {bound:g}" + _for_each(by)
        case NoWorseThanChampion(metric=metric, tolerance=tolerance):
            return f"{metric} no worse than the champion's by {tolerance:g}"
        case OverfitGap(metric=metric, at_most=bound):
            return f"{metric} on train better than on holdout by at most {bound:g}"
        case Latency(p99_ms=bound):
            return f"p99 of scoring one row at most {bound:g} ms"
        case Size(mb=bound):
            return f"bundle at most {bound:g} MB"
        case Leakage(feature=feature, model=model):
            return f"no feature alone reaches {feature:g} and the model stays below {model:g}"
        case Reproduction():
            return "training again gives the same bytes"
        case Parity(examples=examples):
            return f"{examples} examples replayed through the serving state give the same bits"


def _for_each(by: str | None) -> str:
    return f" for each {by}" if by else ""
