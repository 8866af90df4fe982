"""A version of a model in a notebook: it scores, and shows what was measured of it."""

from dataclasses import dataclass
from functools import cached_property

import polars as pl

from ml_platform.features.definition import FeatureDefinition
from ml_platform.models import bundle as bundles
from ml_platform.models.predictor import Predictor
from ml_platform.notebook import html
from ml_platform.notebook.frames import verdicts_frame
from ml_platform.plots.importance import importance
from ml_platform.serving.batch import answers
from ml_platform.state import verdicts
from ml_platform.state.stores import Stores
from ml_platform.state.versions import Version


@dataclass(frozen=True, repr=False, eq=False)
class ModelVersion:
    """One version. `record` is what is on record about its training: bounds, parameters, metrics, environment."""

    stores: Stores
    record: Version

    @property
    def version(self) -> int:
        """Its number."""
        return self.record.version

    @property
    def name(self) -> str:
        """As people write it: pipeline@version."""
        return self.record.name

    @property
    def verdicts(self) -> pl.DataFrame:
        """What each gate found, one row a gate and slice."""
        return verdicts_frame(verdicts.of(self.stores.state, self.record.pipeline, self.version))

    @property
    def columns(self) -> tuple[str, ...]:
        """The feature columns that the model reads, in its order."""
        return self._predictor.columns

    @property
    def importance(self) -> pl.DataFrame:
        """`feature` and its `share` (0 to 1) of what the model looks at, greatest first."""
        rows = list(self._predictor.importance().items())
        return pl.DataFrame(rows, schema={"feature": pl.String, "share": pl.Float64}, orient="row")

    @property
    def training_set(self) -> pl.LazyFrame:
        """The rows it was trained on: features, `_label` and `_part` (train, validation, holdout).

        Raises BlobError when they are missing or damaged.
        """
        return pl.scan_parquet(self.stores.blobs.get(self.record.training_set))

    def predict(self, frame: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
        """Scores of feature rows, in their order, to the same bits as the predictions that the platform stores.

        The result has the key columns and the prediction time that `frame` holds, `score` (P(true), P(the class)
        or the value), `scores` (of all classes; null unless there are several) and `class` (null for regression).
        A key that is called like one of these has `key.` before its name.
        `frame` may hold more columns than the model reads, in any order, such as `Pipeline.features()` gives.
        Raises ScoringError for a column that is missing or of another type.
        """
        rows = frame.lazy().collect()
        identity = [name for name in self._definition.identity if name in rows.columns]
        scored = answers(rows, self._predictor)
        keys = (rows[name].alias(f"key.{name}" if name in scored.columns else name) for name in identity)
        return scored.select(*keys, pl.all())

    def __repr__(self) -> str:
        holdout = ", ".join(f"{name} {value:.4g}" for name, value in self._holdout.items())
        return f"{self.name}, trained after {self.record.partition}; holdout: {holdout}"

    def _repr_html_(self) -> str:
        judged = self.verdicts.filter(pl.col("slice") == "")
        heads = ("gate", "value", "threshold", "passed")
        return html.block(
            self.name,
            html.paragraph(
                f"Trained after {self.record.partition}, on the training set {self.record.training_set[:12]}."
            ),
            html.table(("metric", "holdout"), self._holdout.items()),
            html.table(heads, judged.select(heads).iter_rows()),
            html.picture(lambda: importance(self._predictor.importance()), shows="importance of the features"),
        )

    @property
    def _holdout(self) -> dict[str, float]:
        return {name: value for name, value in self.record.metrics["holdout"].items() if value is not None}

    @cached_property
    def _bundle(self) -> bundles.Bundle:
        return bundles.load(self.stores.blobs, self.record.bundle)

    @cached_property
    def _predictor(self) -> Predictor:
        return Predictor(self._bundle, threads=self.stores.settings.threads)

    @cached_property
    def _definition(self) -> FeatureDefinition:
        return FeatureDefinition.from_json(self._bundle.definition)
