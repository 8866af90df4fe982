"""A version on its way into a package."""

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version as installed_version
from pathlib import Path

from ml_platform.errors import NotFoundError
from ml_platform.features.definition import FeatureDefinition
from ml_platform.models import bundle as bundles
from ml_platform.models.bundle import Bundle
from ml_platform.serving.packaged.manifest import BUNDLE, MANIFEST, Manifest
from ml_platform.serving.packaging.vendoring import vendored
from ml_platform.serving.rest.request_model import request_adapter
from ml_platform.state import versions
from ml_platform.state.promotions import champion_at
from ml_platform.state.stores import Stores

_RUNTIME = "ml_platform.serving.packaged.model"


@dataclass(frozen=True)
class PackagedVersion:
    """A version with all that its packages hold.

    bundle_bytes: as they are stored; their SHA-256 is `manifest.bundle`.
    training_set: the file of the training set (Parquet with `_label` and `_part`); it may be missing.
    """

    bundle: Bundle
    bundle_bytes: bytes
    manifest: Manifest
    training_set: Path

    @classmethod
    def of(cls, stores: Stores, pipeline: str, number: int, card: str) -> "PackagedVersion":
        """A version of a lake, with its model card.

        Raises NotFoundError for an unknown version, BlobError when its bundle is missing or damaged, and ServingError
        when it was trained with other libraries than those that are installed.
        """
        recorded = versions.version(stores.state, pipeline, number)
        path = stores.blobs.get(recorded.bundle)
        bundle = bundles.read(path, recorded.bundle)
        training_set = stores.blobs.path(bundle.training_set)
        return cls.of_bundle(bundle, path.read_bytes(), number, card, training_set)

    @classmethod
    def of_bundle(cls, bundle: Bundle, data: bytes, number: int, card: str, training_set: Path) -> "PackagedVersion":
        """The version of a bundle with these bytes. Raises ServingError as `of` does."""
        trained_with = bundle.versions["libraries"]
        manifest = Manifest(
            pipeline=bundle.pipeline,
            version=number,
            bundle=hashlib.sha256(data).hexdigest(),
            libraries={name: trained_with[name] for name in sorted({*bundle.fitted.libraries, "polars"})},
            request=request_adapter(FeatureDefinition.from_json(bundle.definition), bundle.contract).json_schema(),
            card=card,
            platform=installed_version("ml_platform"),
        )
        manifest.check_libraries()
        return cls(bundle, data, manifest, training_set)

    @property
    def name(self) -> str:
        """The version's name: pipeline@version."""
        return f"{self.manifest.pipeline}@{self.manifest.version}"

    @property
    def module(self) -> str:
        """The Python package that holds it, such as flight_delay_model.

        No name of a wheel may have two underscores in a row. A name that has them is told from the one with a single
        one by digits of its hash.
        """
        pipeline = self.manifest.pipeline
        name = re.sub("_+", "_", f"{pipeline}_model")
        if name == f"{pipeline}_model":
            return name
        return f"{name.removesuffix('_model')}_{hashlib.sha256(pipeline.encode()).hexdigest()[:8]}_model"

    @cached_property
    def definition(self) -> FeatureDefinition:
        """The features that the model reads."""
        return FeatureDefinition.from_json(self.bundle.definition)

    def files(self, *runtime: str) -> dict[str, bytes]:
        """Path → bytes of the Python package that answers for the version. `runtime`: further modules that it needs."""
        module = self.module
        return {
            f"{module}/__init__.py": _INIT.format(name=self.name, module=module).encode(),
            f"{module}/{MANIFEST}": self.manifest.to_json().encode(),
            f"{module}/{BUNDLE}": self.bundle_bytes,
            f"{module}/py.typed": b"",
            **vendored([_RUNTIME, *runtime], f"{module}._platform"),
        }


def version_number(stores: Stores, pipeline: str, name: str) -> int:
    """The number that `champion` or a number means now. Raises NotFoundError without a champion."""
    if name != "champion":
        return int(name)
    champion = champion_at(stores.state, pipeline)
    if champion is None:
        raise NotFoundError(
            "version", f"{pipeline}@champion", [v.name for v in versions.versions(stores.state, pipeline)]
        )
    return champion


_INIT = '''"""The model {name}: `load().predict(rows)` answers as the platform does that trained it."""

from functools import cache
from pathlib import Path
from typing import Any

from {module}._platform.errors import PlatformError
from {module}._platform.serving.packaged.model import PackagedModel, PackagedPrediction

__all__ = ["PackagedModel", "PackagedPrediction", "PlatformError", "about", "load"]


@cache
def load() -> PackagedModel:
    """The model. Raises a PlatformError for a damaged package, or where libraries are not those of the training."""
    return PackagedModel(Path(__file__).parent)


def about() -> dict[str, Any]:
    """Pipeline, version, hash of the bundle, model card, libraries, and the schema of a request."""
    return load().about()
'''
