"""Estimators of scikit-learn as bytes, by skops: equal estimators give equal bytes, and there is no pickle in them.

skops names objects by their addresses and its files by those. Here they are numbered as they come.
"""

import io
import json
import zipfile
from typing import Any

import numpy as np

from ml_platform.errors import BlobError, TrainingError, first_line
from ml_platform.models.archive import archived

# Besides what skops trusts by itself: numpy's, scipy's and scikit-learn's own public classes. Each holds numbers only.
TRUSTED = (
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
)
_SCHEMA = "schema.json"


def dumped(estimator: Any) -> bytes:
    """The bytes of a fitted estimator. Raises TrainingError for one that holds types which are not trusted."""
    from skops import io as skops_io

    with zipfile.ZipFile(io.BytesIO(skops_io.dumps(estimator))) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(files.pop(_SCHEMA))
    names = _Names()
    names.number(schema)
    renamed = {new: _without_padding(files[old]) for old, new in names.files.items()}
    data = archived({**renamed, _SCHEMA: json.dumps(schema, indent=1, sort_keys=True).encode()})
    untrusted = sorted({*skops_io.get_untrusted_types(data=data)} - {*TRUSTED})
    if untrusted:
        raise TrainingError(
            f"A {type(estimator).__name__} cannot be stored: it holds {', '.join(untrusted)}.",
            remedy="Choose another estimator, or other parameters of it.",
        )
    return data


def loaded(data: bytes) -> Any:
    """The estimator that `dumped` wrote. Raises BlobError for bytes that hold any other type than trusted ones."""
    from skops import io as skops_io
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        return skops_io.loads(data, trusted=list(TRUSTED))
    except UntrustedTypesFoundException as error:
        raise BlobError(
            f"The model is not loaded: {first_line(error)}.", remedy="It was not made by this platform; train again."
        ) from error


class _Names:
    """Numbers for the objects and files of a schema, in the order in which they stand there."""

    def __init__(self) -> None:
        self.objects: dict[int, int] = {}
        self.files: dict[str, str] = {}
        self._count = 0

    def number(self, node: Any) -> None:
        """Replace addresses and file names in the schema."""
        if isinstance(node, list):
            for item in node:
                self.number(item)
        elif isinstance(node, dict):
            if "__id__" in node:
                node["__id__"] = self._numbered(node["__id__"], shared=not node.get("is_json"))
            if isinstance(node.get("file"), str):
                suffix = node["file"].rpartition(".")[2]
                node["file"] = self.files.setdefault(node["file"], f"{len(self.files):06}.{suffix}")
            for item in node.values():
                self.number(item)

    def _numbered(self, address: int, *, shared: bool) -> int:
        """Whether two equal constants are one object differs from process to process, and does not matter."""
        if shared and address in self.objects:
            return self.objects[address]
        self._count += 1
        if shared:
            self.objects[address] = self._count
        return self._count


def _without_padding(data: bytes) -> bytes:
    """An array of records without what happened to be in memory between their fields."""
    if not data.startswith(b"\x93NUMPY"):
        return data
    array = np.load(io.BytesIO(data), allow_pickle=False)
    if array.dtype.names is None:
        return data
    clean = np.zeros(array.shape, array.dtype)  # `zeros_like` leaves what is between fields
    for name in array.dtype.names:
        clean[name] = array[name]
    written = io.BytesIO()
    np.save(written, clean, allow_pickle=False)
    return written.getvalue()
