"""The model of a version as ONNX: it takes encoded features, and its scores are compared with the platform's."""

import json
from importlib.metadata import version as installed_version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ml_platform import interrupts
from ml_platform.errors import ServingError, first_line
from ml_platform.models.registry import FIRST_FORMAT
from ml_platform.serving.packaging.built import Built, write_file
from ml_platform.serving.packaging.onnx_parity import Matrix, replayed
from ml_platform.serving.packaging.packaged_version import PackagedVersion

if TYPE_CHECKING:
    from onnx import ModelProto

INPUT = "features"
TOLERANCE = 1e-5  # of scores
_LIBRARIES = ("onnx", "onnxmltools", "onnxruntime")


def build(version: PackagedVersion, folder: Path, tolerance: float = TOLERANCE) -> Built:
    """Write `<pipeline>_model-<version>.onnx`, its metadata and its parity report into a folder.

    Raises ServingError for a model that has no equal in ONNX, which nothing is written of.
    """
    _require_extra()
    if transforms := version.bundle.training.get("transforms"):
        words = ", ".join(dict.fromkeys(one["kind"] for one in transforms))
        raise ServingError(
            f"{version.name} has fitted transforms ({words}), which do not become ONNX.",
            remedy="Package it as a wheel.",
        )
    if version.bundle.model_format != FIRST_FORMAT:
        raise ServingError(
            f"{version.name} is a {version.bundle.model_format} model; only plain LightGBM trees become ONNX.",
            remedy="Package it as a wheel.",
        )
    if not version.training_set.exists():
        raise ServingError(
            f"The training set of {version.name} is missing, so its scores cannot be compared.",
            remedy="Run the step that made it again: `ml-platform run`.",
        )
    model = _converted(version)
    metadata = _metadata(version)
    entry = model.metadata_props.add()
    entry.key, entry.value = "ml_platform", json.dumps(metadata, sort_keys=True)
    data = model.SerializeToString(deterministic=True)
    parity = replayed(version, _scores_of(data, version), tolerance)
    if not parity.holds:
        raise ServingError(
            f"The ONNX model does not score as {version.name} does: the largest difference is "
            f"{parity.largest_difference:.3g} (tolerance {tolerance:.3g}), and {parity.flipped:,} of "
            f"{parity.rows + parity.rows_with_missing:,} decisions flipped.",
            remedy="Package it as a wheel, or accept the difference with --tolerance where no decision flipped.",
        )
    stem = f"{version.module}-{version.manifest.version}"
    facts = {"pipeline": version.manifest.pipeline, "version": version.manifest.version, **parity.facts()}
    facts["libraries"] = {name: installed_version(name) for name in _LIBRARIES}
    write_file(folder / f"{stem}.metadata.json", _json(metadata))
    write_file(folder / f"{stem}.parity.json", _json(facts))
    return write_file(folder / f"{stem}.onnx", data, parity.facts())


def _converted(version: PackagedVersion) -> "ModelProto":
    from lightgbm import Booster  # the converter knows the class of this module, not of the platform's own copy
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    booster = Booster(model_str=version.bundle.model.decode())
    width = len(version.bundle.columns)
    try:
        model: ModelProto = convert_lightgbm(
            booster, name=version.module, initial_types=[(INPUT, FloatTensorType([None, width]))], zipmap=False
        )
    except Exception as error:  # of whatever the converter does not know
        interrupts.stop_if_arrived()
        raise ServingError(
            f"{version.name} cannot be converted to ONNX: {first_line(error)}.", remedy="Package it as a wheel."
        ) from error
    for value in (*model.graph.input, *model.graph.output):  # the converter says that there is one row
        value.type.tensor_type.shape.dim[0].dim_param = "rows"
    return model


def _scores_of(data: bytes, version: PackagedVersion) -> Any:
    from onnxruntime import InferenceSession

    session = InferenceSession(data, providers=["CPUExecutionProvider"])
    score_output = session.get_outputs()[-1].name
    task = version.bundle.task

    def scores(matrix: Matrix) -> npt.NDArray[Any]:
        (values,) = session.run([score_output], {INPUT: matrix})
        values = np.asarray(values).reshape(len(matrix), -1)
        return values if task == "multiclass" else values[:, -1]

    return scores


def _metadata(version: PackagedVersion) -> dict[str, Any]:
    bundle = version.bundle
    columns = [
        {"name": name, "type": dtype, **({"categories": list(bundle.levels[name])} if name in bundle.levels else {})}
        for name, dtype in bundle.columns.items()
    ]
    outputs = {
        "binary": "the last output: P(false), P(true)",
        "multiclass": "the last output: one probability a class, in the order of classes",
        "regression": "the only output",
    }
    return {
        "pipeline": bundle.pipeline,
        "version": version.manifest.version,
        "bundle": version.manifest.bundle,
        "task": bundle.task,
        "input": {
            "name": INPUT,
            "type": "float32",
            "columns": columns,
            "encoding": "text is the position in categories, true is 1; NaN is missing or a category that is unknown",
        },
        "score": outputs[bundle.task],
        "classes": list(bundle.classes),
    }


def _require_extra() -> None:
    for name in _LIBRARIES:
        if find_spec(name) is None:
            raise ServingError(
                f"ONNX needs {name}, which is not installed.", remedy="`pip install 'ml_platform[onnx]'`."
            )


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
