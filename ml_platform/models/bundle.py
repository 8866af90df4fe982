"""Bundles: everything a model version needs to serve and to be made again, in one blob.

A zip with fixed times, order and permissions, so that the same training gives the same bytes.
There is no run id, clock time, path or pickle in it (S15, S16).
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

from ml_platform.errors import BlobError
from ml_platform.lake.blobs import Blobs

FORMAT = 1  # raised when an older reader could not understand a newer bundle
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the zip format's first moment
_PARTS = ("features.json", "levels.json", "model.txt", "schema.json", "training.json", "versions.json")


@dataclass(frozen=True)
class Bundle:
    """A model version's artifact, in memory.

    pipeline:     whose model it is.
    task:         binary, multiclass or regression.
    columns:      model column → polars type, in the model's order.
    levels:       text column → levels learnt on the train part; a code is a place in the list.
    classes:      the answers in the order of the scores: text labels for multiclass, else empty.
    definition:   the feature definition as its own JSON text (`FeatureDefinition.to_json`).
    training:     the training plan and the training set's digest (`ml_platform.training.training_plan`).
    versions:     libraries and machine the model was made with.
    """

    pipeline: str
    task: Literal["binary", "multiclass", "regression"]
    columns: Mapping[str, str]
    levels: Mapping[str, list[str]]
    classes: tuple[str, ...]
    model: bytes
    definition: str
    training: Mapping[str, Any]
    versions: Mapping[str, Any]

    @property
    def training_set(self) -> str:
        """The digest of the training set it was fitted on."""
        return str(self.training["training_set"])

    @property
    def decided_at(self) -> datetime:
        """The moment of the decision: every label of the training set was known before it (S18)."""
        return datetime.fromisoformat(self.training["decided_at"])

    @cached_property
    def packed(self) -> bytes:
        """The bundle's bytes; equal bundles have equal bytes."""
        schema = {
            "format": FORMAT,
            "pipeline": self.pipeline,
            "task": self.task,
            "columns": [[name, dtype] for name, dtype in self.columns.items()],
            "classes": list(self.classes),
        }
        parts = {
            "model.txt": self.model,
            "features.json": self.definition.encode(),
            "levels.json": _json({name: list(known) for name, known in self.levels.items()}),
            "schema.json": _json(schema),
            "training.json": _json(self.training),
            "versions.json": _json(self.versions),
        }
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name in _PARTS:
                entry = zipfile.ZipInfo(name, _EPOCH)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.create_system = 3
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, parts[name], compresslevel=6)
        return buffer.getvalue()

    @property
    def digest(self) -> str:
        """The name of its blob, stored or not."""
        return hashlib.sha256(self.packed).hexdigest()

    @property
    def size(self) -> int:
        """Bytes of the stored bundle."""
        return len(self.packed)


def save(blobs: Blobs, bundle: Bundle) -> str:
    """Store a bundle; its digest."""
    return blobs.put_bytes(bundle.packed)


def load(blobs: Blobs, digest: str) -> Bundle:
    """The bundle of that digest. Raises BlobError when it is missing, damaged or no bundle."""
    path = blobs.get(digest)
    try:
        with zipfile.ZipFile(path) as archive:
            parts = {name: archive.read(name) for name in _PARTS}
            schema = json.loads(parts["schema.json"])
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise BlobError(
            f"The blob {digest[:12]} is no model bundle ({error}).",
            remedy="Name the digest that `ml-platform models` shows.",
        ) from None
    if schema["format"] > FORMAT:
        raise BlobError(
            f"The bundle {digest[:12]} has format {schema['format']}; this version reads up to {FORMAT}.",
            remedy="Use the ml_platform that made it, or a newer one.",
        )
    return Bundle(
        pipeline=schema["pipeline"],
        task=schema["task"],
        columns=dict(schema["columns"]),
        levels=json.loads(parts["levels.json"]),
        classes=tuple(schema["classes"]),
        model=parts["model.txt"],
        definition=parts["features.json"].decode(),
        training=json.loads(parts["training.json"]),
        versions=json.loads(parts["versions.json"]),
    )


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, indent=1, allow_nan=False, ensure_ascii=False).encode()
