"""Bundles: everything a model version needs to serve and to be made again, in one blob.

A zip with fixed times, order and permissions, so that the same training gives the same bytes.
There is no run id, clock time, path or pickle in it (S15, S16).

Format 1 holds LightGBM's text as `model.txt`. It is still written for LightGBM, so that versions of
older lakes are made again to the same bytes. Format 2 names the model's format in its schema and
holds the bytes as `model/<format>`.
"""

import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from ml_platform.errors import BlobError
from ml_platform.models.archive import archived
from ml_platform.models.protocol import Model, Signature
from ml_platform.models.registry import FIRST_FORMAT, model_of_format
from ml_platform.spec.tasks import Task

if TYPE_CHECKING:
    from ml_platform.lake.blobs import Blobs

FORMAT = 2  # raised when an older reader could not understand a newer bundle


@dataclass(frozen=True)
class Bundle:
    """A model version's artifact, in memory.

    pipeline:     whose model it is.
    signature:    what the model reads and answers.
    model_format: which model reads `model` (`ml_platform.models.registry`).
    definition:   the feature definition as its own JSON text (`FeatureDefinition.to_json`).
    training:     the training plan and the training set's digest (`ml_platform.training.training_plan`).
    versions:     libraries and machine the model was made with; not the number of threads, which changes no byte.
    contract:     what the contract says of the columns of a request (`ml_platform.spec.contract_rules`); nothing in
                  bundles of versions that were trained before bundles had it.
    """

    pipeline: str
    signature: Signature
    model_format: str
    model: bytes
    definition: str
    training: Mapping[str, Any]
    versions: Mapping[str, Any]
    contract: Mapping[str, Any] = field(default_factory=dict)

    @property
    def task(self) -> Task:
        """binary, multiclass or regression."""
        return self.signature.task

    @property
    def columns(self) -> Mapping[str, str]:
        """Model column → polars type, in the model's order."""
        return self.signature.columns

    @property
    def levels(self) -> Mapping[str, Sequence[str]]:
        """Text column → the categories learnt on the train part."""
        return self.signature.levels

    @property
    def classes(self) -> tuple[str, ...]:
        """The text labels in the order of the scores for multiclass, else empty."""
        return self.signature.classes

    @cached_property
    def fitted(self) -> Model:
        """The model itself. Raises BlobError when this version knows no model of its format."""
        return model_of_format(self.model_format).from_bytes(self.model, self.signature)

    @property
    def training_set(self) -> str:
        """The digest of the training set it was fitted on."""
        return str(self.training["training_set"])

    @cached_property
    def packed(self) -> bytes:
        """The bundle's bytes; equal bundles have equal bytes."""
        first = self.model_format == FIRST_FORMAT
        schema = {
            "format": 1 if first else FORMAT,
            "pipeline": self.pipeline,
            "task": self.task,
            "columns": [[name, dtype] for name, dtype in self.columns.items()],
            "classes": list(self.classes),
            **({} if first else {"model": self.model_format}),
        }
        parts = {
            **({"contract.json": _json(self.contract)} if self.contract else {}),
            "features.json": self.definition.encode(),
            "levels.json": _json({name: list(levels) for name, levels in self.levels.items()}),
            _model_part(self.model_format): self.model,
            "schema.json": _json(schema),
            "training.json": _json(self.training),
            "versions.json": _json(self.versions),
        }
        return archived(parts)

    @property
    def digest(self) -> str:
        """The name of its blob, stored or not."""
        return hashlib.sha256(self.packed).hexdigest()

    @property
    def size(self) -> int:
        """Bytes of the stored bundle."""
        return len(self.packed)


class BlobReader(Protocol):
    """Where bundles are read from."""

    def get(self, digest: str) -> Path:
        """The path of a blob whose bytes were checked. Raises BlobError when missing or damaged."""


def save(blobs: "Blobs", bundle: Bundle) -> str:
    """Store a bundle; its digest."""
    return blobs.put_bytes(bundle.packed)


def load(blobs: BlobReader, digest: str) -> Bundle:
    """The bundle of that digest. Raises BlobError when it is missing, damaged or no bundle."""
    return read(blobs.get(digest), digest)


def read(file: Path | IO[bytes], digest: str) -> Bundle:
    """The bundle in a file with that hash, which the caller has checked. Raises BlobError for what is no bundle."""
    try:
        with zipfile.ZipFile(file) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        schema = json.loads(parts["schema.json"])
        if schema["format"] > FORMAT:
            raise BlobError(
                f"The bundle {digest[:12]} has format {schema['format']}; this version reads up to {FORMAT}.",
                remedy="Use the ml_platform that made it, or a newer one.",
            )
        model_format = schema.get("model", FIRST_FORMAT)
        return Bundle(
            pipeline=schema["pipeline"],
            signature=Signature(
                task=schema["task"],
                columns=dict(schema["columns"]),
                levels=json.loads(parts["levels.json"]),
                classes=tuple(schema["classes"]),
            ),
            model_format=model_format,
            model=parts[_model_part(model_format)],
            definition=parts["features.json"].decode(),
            training=json.loads(parts["training.json"]),
            versions=json.loads(parts["versions.json"]),
            contract=json.loads(parts.get("contract.json", b"{}")),
        )
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise BlobError(
            f"The blob {digest[:12]} is not a model bundle ({error}).",
            remedy="Name the digest that `ml-platform models` shows.",
        ) from None


def _model_part(model_format: str) -> str:
    return "model.txt" if model_format == FIRST_FORMAT else f"model/{model_format}"


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, indent=1, allow_nan=False, ensure_ascii=False).encode()
