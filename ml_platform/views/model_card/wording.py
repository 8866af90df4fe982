"""How values of a card are written, in Markdown and on the page alike."""

from collections.abc import Sequence
from datetime import datetime

from ml_platform.views.model_card.card import Change, DriftSoFar, Feature, Gate, ModelCard, PartRows

IMPORTANT = 20  # features of the first table, those with the greatest share


def number(value: float | None) -> str:
    """Four digits.

    >>> number(0.123456), number(None)
    ('0.1235', '–')
    """
    return "–" if value is None else f"{value:.4g}"


def between(low: float | None, high: float | None) -> str:
    """The ends of an interval."""
    return "–" if low is None or high is None else f"{low:.4g} to {high:.4g}"


def share(value: float | None) -> str:
    """A share in percent.

    >>> share(0.256), share(None)
    ('25.6%', '–')
    """
    return "–" if value is None else f"{value:.1%}"


def when(moment: datetime | None) -> str:
    """A moment to the minute."""
    return "–" if moment is None else moment.strftime("%Y-%m-%d %H:%M UTC")


def bound(text: str) -> str:
    """A bound of a part: an ISO moment to the minute."""
    return text[:16].replace("T", " ")


def facts(card: ModelCard) -> dict[str, str]:
    """What stands first: names and values. Digests are whole."""
    training = card.training
    return {
        **({"Serves": card.so_far.serves} if card.so_far else {}),
        "Owners": ", ".join(card.owners) or "none named",
        "Partition": training.partition,
        "Decided at": when(training.decided_at),
        **({"Decision": training.decision} if training.decision else {}),
        "Training set": training.training_set,
        "Bundle": training.bundle,
        "Code": training.code_version,
        "Trained": f"{when(training.trained_at)}, run {training.run_id}",
    }


def target(card: ModelCard) -> dict[str, str]:
    """What is predicted."""
    of = card.target
    return {
        "Task": of.task,
        "Label": of.label,
        "Read from": of.table,
        **({"Predicts as of": of.predicts_at} if of.predicts_at else {}),
        "A label is final": f"{of.matures_after} after the prediction time" if of.matures_after else "when it is known",
        **({"Classes": ", ".join(of.classes)} if of.classes else {}),
    }


def rows_of(parts: Sequence[PartRows], part: str) -> str:
    """How many rows a part has, for a title: metrics are of all of them."""
    rows = next((one.rows for one in parts if one.part == part), 0)
    return f", all {rows:,} rows" if rows else ""


def seen(feature: Feature) -> str:
    """The range or the categories of a feature in training."""
    if feature.lowest is not None:
        return between(feature.lowest, feature.highest)
    return "–" if feature.levels is None else f"{feature.levels:,} categories"


def outcome(gate: Gate) -> str:
    """The outcome of a gate, with the number of its measurement from the second on."""
    return gate.outcome if gate.measurement == 1 else f"{gate.outcome} (measurement {gate.measurement})"


def moved(drift: DriftSoFar) -> str:
    """The columns that moved most, with their PSI."""
    return ", ".join(f"{name} {psi:.2f}" for name, psi in drift.most.items()) or "none"


def reproduced(card: ModelCard) -> str:
    """Whether training again gave the same bytes, in words."""
    of = card.reproduction
    if of.identical is None:
        return of.detail
    return f"Trained again, it is {'the same' if of.identical else 'another'}: {of.detail}"


def overrode(change: Change) -> str:
    """The reason of a change, with what a person passed over."""
    return f"{change.reason} (over: {change.overrides})" if change.overrides else change.reason


def about_gaps(card: ModelCard) -> str:
    """What the table of gaps can tell, as sentences; empty without one."""
    if card.comparison is None or not card.comparison.gaps:
        return ""
    judged = [gap for gap in card.comparison.gaps if gap.low is not None]
    by_chance = f" Of {len(judged)} intervals about {len(judged) / 20:.1f} leave out 0 by chance alone."
    return (
        "Each segment against the one with most rows. “Not shown” means that these rows show no difference, not that "
        f"there is none: smaller ones than half of the interval's length they cannot show.{by_chance if judged else ''}"
        f" Measured on {card.comparison.rows:,} of {card.comparison.of_rows:,} rows of the holdout."
    )


def by_date(features: Sequence[Feature]) -> list[tuple[str, str]]:
    """Each available-since date with the features that have it, earliest first."""
    dates: dict[datetime, list[str]] = {}
    for feature in features:
        if feature.available_since is not None:
            dates.setdefault(feature.available_since, []).append(feature.name)
    return [(when(since), ", ".join(names)) for since, names in sorted(dates.items())]


def environment(card: ModelCard) -> list[tuple[str, str]]:
    """A row for each library, then one for each other part of the environment."""
    of = card.training.environment
    libraries = of.get("libraries", {})
    others = ((name, value) for name, value in of.items() if name != "libraries")
    return [(str(name), str(value)) for name, value in [*libraries.items(), *others]]
