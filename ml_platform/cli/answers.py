"""The answer of `why`: for people a few lines and a tree, for programs an object with stable keys."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ml_platform.cli import trees
from ml_platform.cli.output import cell, emit_json, emit_table, emit_tree, note, say
from ml_platform.naming import counted

if TYPE_CHECKING:
    from ml_platform.errors import AmbiguousKey
    from ml_platform.views.explanation import PredictionExplanation
    from ml_platform.views.feature_effects import FeatureEffect

_SHOWN = 8  # effects for people; the others are summed up


def as_json(explained: "PredictionExplanation", story: dict[str, Any]) -> dict[str, Any]:
    """The explanation and the lineage story in one object."""
    typical, standing = explained.typical, explained.standing
    return {
        "prediction": {**story["prediction"], "recorded": explained.recorded},
        "basis": explained.basis,
        "mean": explained.mean,
        "effects": [asdict(effect) for effect in explained.effects],
        "typical": typical and {"score": typical.score, "class": typical.decided, "rows": typical.rows},
        "standing": standing and asdict(standing),
        **{name: part for name, part in story.items() if name != "prediction"},
    }


def show(explained: "PredictionExplanation", story: dict[str, Any]) -> None:
    """Print the score, what is usual, what moved it, and its lineage."""
    row = explained.prediction
    decided = f" ({row['class']})" if row["class"] is not None else ""
    at = f" at {cell(row['at'])}" if row["at"] else ""
    gave = "gave" if explained.recorded else "would give"
    say(f"{explained.version} {gave} {cell(row['key'])}{at} the score {row['score']:.4g}{decided}.", style="bold")
    if explained.standing is not None:
        _say_standing(explained)
    if explained.typical is not None:
        _say_typical(explained)
    if explained.effects:
        _say_effects(explained)
    say("", *([] if explained.effects else [explained.basis]))
    for origin in explained.rows:
        say(f"The example is row {origin['row']:,} (from 0) of {origin['file']}, sha256 {origin['sha256'][:12]}.")
    emit_tree(trees.of_prediction(story))


def _say_standing(explained: "PredictionExplanation") -> None:
    standing, decided = explained.standing, explained.prediction["class"]
    assert standing is not None  # the caller asked
    which = f" of class {cell(decided)}" if explained.mean is None and decided is not None else ""
    partition = "" if standing.partition == "all" else f" of {standing.partition}"
    say(
        f"It is above {100 * standing.below:.0f} % of its {standing.predictions:,} predictions{partition}{which}; "
        f"their median is {standing.median:.4g}."
    )


def _say_typical(explained: "PredictionExplanation") -> None:
    typical = explained.typical
    assert typical is not None  # the caller asked
    decided = f" ({typical.decided})" if typical.decided is not None else ""
    say(
        f"A typical example gets {typical.score:.4g}{decided}: the medians and most frequent values "
        f"of the {typical.rows:,} rows it was trained on."
    )


def _say_effects(explained: "PredictionExplanation") -> None:
    shown, others = explained.effects[:_SHOWN], explained.effects[_SHOWN:]
    start = "" if explained.mean is None else f" The mean prediction is {explained.mean:.4g}."
    say("", f"{explained.basis}{start}")
    for effect in shown:
        say(f"  {_number(effect)}: {effect.words} (typical: {effect.typical_in_words})")
    if others and others[0].contribution is not None:
        say(f"  {sum(effect.contribution or 0.0 for effect in others):+.2f}: {_together(len(others))}")
    elif others:
        say(f"  {sum(effect.importance for effect in others):.0%}: {_together(len(others))}")


def _together(others: int) -> str:
    return "the other value" if others == 1 else f"the {others} other values together"


def _number(effect: "FeatureEffect") -> str:
    return f"{effect.importance:.0%}" if effect.contribution is None else f"{effect.contribution:+.2f}"


def show_candidates(error: "AmbiguousKey", *, as_json: bool) -> None:
    """Print the keys that a partial key fits."""
    shown = ("key", "at", "score", "version", "partition")
    rows = [{name: row[name] for name in shown} for row in error.candidates]
    if as_json:
        emit_json({"candidates": rows, "keys": error.keys})
        return
    emit_table(rows, title=error.what)
    more = error.keys - len({row["key"] for row in rows})
    others = f"; {counted(more, 'more key fits', 'more keys fit')}" if more else ""
    note(f"Give one of them whole, or more of it{others}.")
