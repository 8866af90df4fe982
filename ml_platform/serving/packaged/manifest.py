"""What a package says of itself: a JSON file beside the bundle."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

from ml_platform.errors import BlobError, ServingError

MANIFEST, BUNDLE = "manifest.json", "bundle.zip"
_LAYOUT_NUMBER = 2


@dataclass(frozen=True)
class Manifest:
    """The facts of a packaged version.

    bundle:    SHA-256 of the bundle's bytes.
    libraries: distribution → the version that the model was trained with; others give other bits.
    request:   the JSON schema of a request, as the REST service describes it.
    card:      the model card, Markdown.
    platform:  the version of ml_platform that built the package.
    """

    pipeline: str
    version: int
    bundle: str
    libraries: Mapping[str, str]
    request: Mapping[str, Any]
    card: str
    platform: str

    def to_json(self) -> str:
        """As a package holds it; equal manifests have equal text."""
        facts = {"format": _LAYOUT_NUMBER, "facts": self.digest, **asdict(self)}
        return json.dumps(facts, indent=1, sort_keys=True, ensure_ascii=False) + "\n"

    @property
    def digest(self) -> str:
        """SHA-256 of the facts, which the file holds beside them."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The manifest of a package's folder.

        Raises BlobError for one that is missing, damaged or of another format.
        """
        try:
            data = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            number = data.pop("format")
            if number != _LAYOUT_NUMBER:
                raise BlobError(f"The package has format {number}; this code reads {_LAYOUT_NUMBER}.", remedy=_AGAIN)
            digest = data.pop("facts")
            manifest = cls(**data)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise BlobError(f"{folder / MANIFEST} is missing or damaged.", remedy=_AGAIN) from None
        if digest != manifest.digest:
            raise BlobError(f"{folder / MANIFEST} is damaged: its facts have another hash.", remedy=_AGAIN)
        if not isinstance(manifest.libraries, dict):  # whoever edits it may compute its hash, too
            raise BlobError(f"{folder / MANIFEST} is damaged: its libraries have no versions.", remedy=_AGAIN)
        return manifest

    def bundle_bytes(self, folder: Path) -> bytes:
        """The bundle beside the manifest. Raises BlobError when it is missing, or its bytes have another hash."""
        try:
            data = (folder / BUNDLE).read_bytes()
        except OSError:
            raise BlobError(f"{folder / BUNDLE} is missing.", remedy=_AGAIN) from None
        if hashlib.sha256(data).hexdigest() != self.bundle:
            raise BlobError(f"{folder / BUNDLE} is damaged: its bytes have another hash.", remedy=_AGAIN)
        return data

    def check_libraries(self) -> None:
        """Raise ServingError unless the libraries are those that the model was trained with."""
        differing = [
            f"{name} {wanted} is needed and {installed or 'none'} is installed"
            for name, wanted in self.libraries.items()
            if (installed := _installed(name)) != wanted
        ]
        if differing:
            wanted = " ".join(f"'{name}=={number}'" for name, number in self.libraries.items())
            raise ServingError(
                f"{self.pipeline}@{self.version} was trained with other libraries: {'; '.join(differing)}.",
                remedy=f"`pip install {wanted}`, or package a version that was trained with those installed.",
            )


_AGAIN = "Install the package again, or build it again with `ml-platform package`."


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
