"""The Open Inference Protocol (version 2, REST): tensors of a request become rows, and answers become tensors.

Each column of an example is a tensor of shape [n] or [n, 1]. Null is a missing value. A time, a date and a decimal are
BYTES: their text, as in the service's own requests.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from ml_platform.errors import FeatureError
from ml_platform.serving.online import OnlinePredictor
from ml_platform.serving.rest.request_model import MAX_ROWS

_INTEGERS = {"Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64"}
_MOST_TENSORS = 10_000  # as columns of a contract
_CONFIG = ConfigDict(extra="forbid", strict=True, allow_inf_nan=True)


class Tensor(BaseModel):
    """One input of a request."""

    model_config = _CONFIG

    name: Annotated[str, Field(max_length=500)]
    shape: Annotated[list[int], Field(min_length=1, max_length=2)]
    datatype: Annotated[str, Field(max_length=20)]
    parameters: dict[str, Any] | None = None
    data: list[Any]


class RequestedOutput(BaseModel):
    """An output that a request asks for."""

    model_config = _CONFIG

    name: Annotated[str, Field(max_length=500)]
    parameters: dict[str, Any] | None = None


class InferenceRequest(BaseModel):
    """The body of a request."""

    model_config = _CONFIG

    id: str | None = None
    parameters: dict[str, Any] | None = None
    inputs: Annotated[list[Tensor], Field(min_length=1, max_length=_MOST_TENSORS)]
    outputs: Annotated[list[RequestedOutput], Field(max_length=_MOST_TENSORS)] | None = None


def datatype(dtype: pl.DataType) -> str:
    """The protocol's name of a column's type.

    >>> datatype(pl.Int8()), datatype(pl.Float64()), datatype(pl.Date())
    ('INT8', 'FP64', 'BYTES')
    """
    if str(dtype) in _INTEGERS:
        return str(dtype).upper()
    if dtype.is_float():
        return "FP32" if dtype == pl.Float32 else "FP64"
    return "BOOL" if dtype == pl.Boolean else "BYTES"


def metadata(predictor: OnlinePredictor, name: str) -> dict[str, Any]:
    """What the protocol says of a model: its inputs and outputs."""
    inputs = [
        {"name": column, "datatype": datatype(dtype), "shape": [-1]}
        for column, dtype in predictor.definition.row_schema.items()
    ]
    outputs = [
        {"name": output, "datatype": kind, "shape": [-1, _width(predictor)] if output == "scores" else [-1]}
        for output, kind in _outputs(predictor).items()
    ]
    described = {"name": name, "versions": [str(predictor.version)], "platform": "ml_platform"}
    return {**described, "inputs": inputs, "outputs": outputs}


def rows_of(request: InferenceRequest, predictor: OnlinePredictor) -> list[dict[str, Any]]:
    """The examples of a request as JSON values, by row.

    Raises:
        FeatureError: For a tensor that is none of the columns, of another datatype or shape, sent twice, with a NaN, or
            as binary data.
    """
    columns: dict[str, list[Any]] = {}
    types = predictor.definition.row_schema
    for tensor in request.inputs:
        dtype = types.get(tensor.name)
        if dtype is None:
            raise FeatureError(f"{tensor.name} is no input.", remedy=f"Send {', '.join(types)}.")
        if tensor.name in columns:
            raise FeatureError(f"{tensor.name} is sent twice.", remedy="Send each input once.")
        if tensor.datatype != datatype(dtype):
            raise FeatureError(
                f"{tensor.name} has the datatype {tensor.datatype}.", remedy=f"Send it as {datatype(dtype)}."
            )
        columns[tensor.name] = _values(tensor)
    if len({len(values) for values in columns.values()}) != 1:
        raise FeatureError("The inputs have different numbers of rows.", remedy="Send one value a row in each of them.")
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def check_outputs(request: InferenceRequest, predictor: OnlinePredictor) -> None:
    """Raise FeatureError when a request asks for an output that the model does not have."""
    outputs = _outputs(predictor)
    for output in request.outputs or ():
        if output.name not in outputs:
            raise FeatureError(f"{output.name} is no output.", remedy=f"Ask for {', '.join(outputs)}.")


def response(
    request: InferenceRequest, predictor: OnlinePredictor, name: str, answers: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The answers as tensors: those that the request names, else all that the model has.

    Args:
        request: Checked by `check_outputs`.
        predictor: What answered.
        name: Of the model. Its version is named where one version answered all rows, and in `version` of each row.
        answers: One a row, as the service's own requests get them.
    """
    asked = {output.name for output in request.outputs or ()}
    outputs = []
    for output, kind in _outputs(predictor).items():
        if asked and output not in asked:
            continue
        values = [answer[output] for answer in answers]
        shape = [len(values)]
        if output == "scores":
            shape.append(_width(predictor))
            values = [score for scores in values for score in scores]
        outputs.append({"name": output, "datatype": kind, "shape": shape, "data": values})
    echoed = {"id": request.id} if request.id is not None else {}
    versions = {answer["version"] for answer in answers}
    named = {"model_version": str(versions.pop())} if len(versions) == 1 else {}
    return {"model_name": name, **named, **echoed, "outputs": outputs}


def _outputs(predictor: OnlinePredictor) -> dict[str, str]:
    """Name → datatype of what a model answers."""
    several = {"scores": "FP64"} if _width(predictor) else {}
    decided = {"class": "BYTES"} if predictor.task != "regression" else {}
    return {"score": "FP64", **several, **decided, "id": "BYTES", "key": "BYTES", "version": "INT64"}


def _width(predictor: OnlinePredictor) -> int:
    """How many `scores` an answer has: of classes or of levels; 0 where it has a score alone."""
    return len(predictor.classes) if predictor.task == "multiclass" else len(predictor.levels)


def _values(tensor: Tensor) -> list[Any]:
    """The values of a tensor, one a row: data may come flat or nested."""
    if tensor.parameters and "binary_data_size" in tensor.parameters:
        raise FeatureError(f"{tensor.name} comes as binary data.", remedy="Send its values as JSON: binary_data=False.")
    values = tensor.data
    if len(values) > MAX_ROWS:  # before a row is made of them
        raise FeatureError(f"{tensor.name} has {len(values):,} values.", remedy=f"Send at most {MAX_ROWS:,} rows.")
    if len(tensor.shape) == 2 and all(isinstance(value, list) and len(value) == 1 for value in values):
        values = [value for (value,) in values]
    if tensor.shape != [len(values), 1][: len(tensor.shape)]:
        problem = f"{tensor.name} has {len(values)} values and the shape {tensor.shape}."
        raise FeatureError(problem, remedy="Send the shape [n] or [n, 1].")
    if any(isinstance(value, float) and math.isnan(value) for value in values):
        raise FeatureError(f"{tensor.name} holds NaN.", remedy="Send null for a missing value.")
    return values
