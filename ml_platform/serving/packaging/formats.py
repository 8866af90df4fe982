"""The formats of packages, each a module beside this one with a function `build`."""

from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ml_platform.serving.packaging.built import Built
    from ml_platform.serving.packaging.packaged_version import PackagedVersion

TOLERANCE = 1e-5  # of scores, where a format may change them


class Format(StrEnum):
    """What a version can be packaged as. A value is the name of the module that builds it."""

    WHEEL = "wheel"
    FUNCTION = "function"
    IMAGE = "image"
    ONNX = "onnx"

    def build(self, version: "PackagedVersion", folder: Path, tolerance: float = TOLERANCE) -> "Built":
        """Write the package into a folder, which is made where it is missing. The same version gives the same bytes.

        tolerance: the largest difference of a score that is accepted, for formats that compute it otherwise.

        Raises ServingError where it cannot be written, or for a version that the format cannot hold.
        """
        built: Built = import_module(f"{__package__}.{self.value}").build(version, folder, tolerance)
        return built
