"""A model card in a notebook: its values, and its three forms."""

from dataclasses import dataclass
from typing import Any

import polars as pl

from ml_platform.views.model_card import card, json_form, markdown, page


@dataclass(frozen=True, repr=False)
class ModelCard:
    """The card of a version. `values` has all of it, typed; `markdown`, `html` and `json` are its three forms."""

    values: card.ModelCard

    @property
    def markdown(self) -> str:
        """As Markdown."""
        return markdown.markdown(self.values)

    @property
    def html(self) -> str:
        """As a page, whole in one file."""
        return page.page(self.values)

    @property
    def json(self) -> dict[str, Any]:
        """As JSON values."""
        return json_form.as_values(self.values)

    @property
    def gaps(self) -> pl.DataFrame:
        """How far segments are apart, one row a pair and measure."""
        return self._frame("gaps")

    @property
    def segments(self) -> pl.DataFrame:
        """The metrics of each segment of the holdout."""
        return self._frame("segments")

    def _frame(self, name: str) -> pl.DataFrame:
        compared = self.json["comparison"] or {name: []}
        return pl.DataFrame(compared[name], infer_schema_length=None)

    def __repr__(self) -> str:
        return self.markdown

    def _repr_markdown_(self) -> str:
        return self.markdown
