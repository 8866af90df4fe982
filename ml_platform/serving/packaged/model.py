"""A packaged version in process: the predictor of the platform over a bundle, without a store."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl

from ml_platform.errors import BlobError
from ml_platform.features.definition import FeatureDefinition
from ml_platform.features.online.answering import Adjustments
from ml_platform.models import bundle as bundles
from ml_platform.serving.batch import key_of
from ml_platform.serving.online import OnlinePredictor, Prediction
from ml_platform.serving.packaged.manifest import Manifest
from ml_platform.serving.packaged.row_values import Row, example_rows, state_rows
from ml_platform.serving.packaged.stateless import NoState


@dataclass(frozen=True)
class PackagedPrediction(Prediction):
    """One answer.

    key:     the example's key as text; a JSON object where it has several columns.
    missing: looked-up features that were not given, so that the model took them for missing values.
    """

    key: str
    missing: tuple[str, ...]


class PackagedModel:
    """A version of a pipeline, read from the folder of its package. It is safe to share between threads.

    Raises BlobError for a damaged package, and ServingError where libraries are not those of the training.
    """

    def __init__(self, folder: Path) -> None:
        self.manifest = Manifest.read(folder)
        self.manifest.check_libraries()
        bundle = bundles.read(BytesIO(self.manifest.bundle_bytes(folder)), self.manifest.bundle)
        if bundle.pipeline != self.manifest.pipeline:
            raise BlobError(
                f"The manifest is of {self.manifest.pipeline} and the bundle of {bundle.pipeline}.",
                remedy="Build the package again with `ml-platform package`.",
            )
        self.predictor = OnlinePredictor(bundle, self.manifest.version, NoState())
        definition = self.definition
        self.looked_up = {name: definition.outputs[name] for form in definition.joined for name in form.outputs}
        self._keys = {name: definition.row_schema[name] for name in definition.keys}

    @property
    def definition(self) -> FeatureDefinition:
        """The features that the model reads."""
        return self.predictor.definition

    def about(self) -> dict[str, Any]:
        """Pipeline, version, hash of the bundle, model card, libraries, and the schema of a request."""
        return asdict(self.manifest)

    def warm_up(self) -> None:
        """Read the model now, which the first prediction would do otherwise."""
        self.predictor.warm_up()

    def predict(
        self, rows: Sequence[Row] | pl.DataFrame, state: Sequence[Row | None] | None = None
    ) -> list[PackagedPrediction]:
        """Answers in the order of the rows, with the bits that the platform's service gives.

        Args:
            rows: The example's own columns, all of them, as Python values or as a frame; None is unknown.
            state: What the platform would look up, for each row: a mapping of looked-up features (`looked_up`), or
                None. It counts as overrides of a request do. What is left out is missing.

        Raises:
            FeatureError: For columns that are missing or unknown, and values that do not fit.
        """
        definition = self.definition
        required = [*definition.keys, *([definition.at] if definition.at else [])]
        examples = example_rows(rows, definition.row_schema, required)
        states = state_rows(state, len(examples), self.looked_up)
        return self.answers(examples, [Adjustments(given) if given else None for given in states])

    def answers(
        self, examples: Sequence[Mapping[str, Any]], adjustments: Sequence[Adjustments | None]
    ) -> list[PackagedPrediction]:
        """Answers for examples whose values were checked, and what the caller wants otherwise (S44)."""
        answers = []
        predictions = self.predictor.predict_each(examples, adjustments)
        for example, adjustment, prediction in zip(examples, adjustments, predictions, strict=True):
            given = adjustment.overrides if adjustment else {}
            missing = tuple(name for name in self.looked_up if name not in given)
            answers.append(PackagedPrediction(**vars(prediction), key=key_of(example, self._keys), missing=missing))
        return answers
