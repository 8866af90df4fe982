"""The canonical form of frames and arrays that are constants of a module: types and content, whatever their memory."""

import hashlib
import io
from collections.abc import Callable
from typing import Any

import polars as pl

from ml_platform.errors import DeclarationError

Form = Callable[[Any, str], Any]


def frame_form(frame: pl.DataFrame, label: str) -> dict[str, Any]:
    """A polars frame by the types of its columns and the SHA-256 of its content.

    Raises DeclarationError for columns of Python objects.

    >>> a, b = pl.DataFrame({"x": [1, 2, None]}), pl.concat([pl.DataFrame({"x": [v]}) for v in (1, 2, None)])
    >>> frame_form(a, "a") == frame_form(b, "b")
    True
    """
    columns = [[name, repr(dtype)] for name, dtype in frame.schema.items()]
    objects = [name for name, dtype in frame.schema.items() if dtype == pl.Object]
    if objects:
        raise DeclarationError(
            label,
            f"the columns {', '.join(objects)} hold Python objects, which have no canonical form",
            remedy="Give them a type.",
        )
    # Parquet holds values only, without the bytes under nulls and the chunks of memory.
    texts = frame.with_columns(pl.col(pl.Categorical).cast(pl.String)).rechunk()
    buffer = io.BytesIO()
    texts.write_parquet(buffer, compression="uncompressed", statistics=False, row_group_size=max(texts.height, 1))
    return {"frame": columns, "rows": frame.height, "sha256": hashlib.sha256(buffer.getvalue()).hexdigest()}


def array_form(array: Any, form: Form, label: str) -> dict[str, Any]:
    """A numpy array by type, shape and content."""
    about = {"array": repr(array.dtype), "shape": list(array.shape)}
    if array.dtype.hasobject:
        return {**about, "items": form(array.tolist(), label)}
    return {**about, "sha256": hashlib.sha256(array.tobytes()).hexdigest()}


def pandas_form(frame: Any, form: Form, label: str) -> dict[str, Any]:
    """A pandas frame or series by index, types and values."""
    table = frame.to_frame() if frame.ndim == 1 else frame
    columns = [
        [form(list(table.columns[at : at + 1]), label), str(dtype), form(table.iloc[:, at].tolist(), label)]
        for at, dtype in enumerate(table.dtypes)
    ]
    return {"pandas": type(frame).__name__, "index": form(list(table.index), label), "columns": columns}
