"""The formats of packages, each a module beside this one with a function `build`."""

from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ml_platform.serving.packaging.built import Built
    from ml_platform.serving.packaging.packaged_version import PackagedVersion


class Format(StrEnum):
    """What a version can be packaged as. A value is the name of the module that builds it."""

    WHEEL = "wheel"
    FUNCTION = "function"
    IMAGE = "image"
    ONNX = "onnx"

    @property
    def may_change_scores(self) -> bool:
        """Whether the package computes scores otherwise, so that a tolerance may be given."""
        return self is Format.ONNX

    def build(self, version: "PackagedVersion", folder: Path, tolerance: float | None = None) -> "Built":
        """Write the package into a folder, which is made where it is missing. The same version gives the same bytes.

        tolerance: the largest difference of a score that is accepted, for a format that may change scores; None: its
        default.

        Raises ServingError where it cannot be written, or for a version that the format cannot hold.
        """
        given = () if tolerance is None else (tolerance,)
        built: Built = import_module(f"{__package__}.{self.value}").build(version, folder, *given)
        return built
