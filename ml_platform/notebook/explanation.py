"""One prediction explained, as a notebook shows it."""

from dataclasses import dataclass
from typing import Any

import polars as pl

from ml_platform.notebook import html
from ml_platform.plots.contributions import contributions
from ml_platform.plots.importance import importance
from ml_platform.views.explanation import PredictionExplanation


@dataclass(frozen=True, repr=False)
class Explanation:
    """A prediction of a key and what it rests on.

    `facts` holds all of it as values: the prediction, the version, the effects and the rows of raw files.
    """

    facts: PredictionExplanation

    @property
    def score(self) -> float:
        """The score: P(true), P(the class) or the value."""
        return float(self.facts.prediction["score"])

    @property
    def version(self) -> str:
        """The version that scored it, as pipeline@version."""
        return self.facts.version

    @property
    def typical(self) -> float | None:
        """What the version gives an example with typical values: medians, or most frequent ones, of its train part.

        None where the feature row is no longer stored.
        """
        return None if self.facts.typical is None else self.facts.typical.score

    @property
    def basis(self) -> str:
        """What the numbers of `features` are, in a sentence."""
        return self.facts.basis

    @property
    def features(self) -> pl.DataFrame:
        """The model's columns, greatest effect first.

        `feature`, `words` (what it is and its value), `value` and `typical` as text, `contribution` (null for a model
        that gives none), `importance`. Empty when the feature row is no longer stored; `basis` says so.
        """
        rows = [
            (one.feature, one.words, _text(one.value), _text(one.typical), one.contribution, one.importance)
            for one in self.facts.effects
        ]
        texts = dict.fromkeys(("feature", "words", "value", "typical"), pl.String)
        return pl.DataFrame(rows, schema={**texts, "contribution": pl.Float64, "importance": pl.Float64}, orient="row")

    @property
    def rows(self) -> pl.DataFrame:
        """Where the row of the example came from: table, partition, file, row of the file (from 0), hash, arrival."""
        names = ("table", "partition", "file", "row", "sha256", "version", "arrival", "status")
        return pl.DataFrame([{name: row[name] for name in names} for row in self.facts.rows])

    def __repr__(self) -> str:
        prediction = self.facts.prediction
        lines = [f"{self.version} scored {prediction['key']!r} {prediction['score']:.6g} ({prediction['partition']})"]
        for one in self.facts.effects:
            number = one.importance if one.contribution is None else one.contribution
            lines.append(f"  {number:+.4f}  {one.words} (typical: {one.typical_in_words})")
        if self.typical is not None:
            lines.append(f"A typical example gets {self.typical:.6g}.")
        return "\n".join([*lines, self.basis])

    def _repr_html_(self) -> str:
        prediction, effects = self.facts.prediction, self.facts.effects
        columns = ("key", "at", "score", "class", "partition")
        parts = [html.table(columns, [[prediction[name] for name in columns]])]
        if effects:
            heads = ("feature", "value", "typical", "contribution", "importance", "words")
            parts.append(html.table(heads, [[getattr(one, name) for name in heads] for one in effects]))
            parts.append(html.picture(self._drawn, shows="how much each value counted"))
        parts.append(html.paragraph(self.basis))
        if self.typical is not None:
            parts.append(html.paragraph(f"A typical example gets {self.typical:.6g}."))
        origin = ("table", "partition", "file", "row")
        if self.facts.rows:
            parts.append(html.table(origin, [[row[name] for name in origin] for row in self.facts.rows]))
        return html.block(f"Why {self.version} scored {prediction['key']}", *parts)

    def _drawn(self) -> bytes:
        added = {one.feature: one.contribution for one in self.facts.effects if one.contribution is not None}
        return contributions(added) if added else importance({e.feature: e.importance for e in self.facts.effects})


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
