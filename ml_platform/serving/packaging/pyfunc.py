"""A model as the files of an MLflow model with the flavour `python_function`.

The files are JSON where MLflow reads YAML: every JSON text is one. The code is that of the platform, copied; loading
the model needs MLflow, the model's library and polars, and no platform. There is no pickle in it.
"""

import hashlib
import json
import sys
from collections.abc import Collection
from functools import cache
from importlib.metadata import version as installed_version
from typing import Any

import polars as pl

from ml_platform.models.archive import archived
from ml_platform.models.bundle import Bundle
from ml_platform.serving.packaged.manifest import BUNDLE, MANIFEST, Manifest
from ml_platform.serving.packaging.vendoring import vendored

_RUNTIME = "ml_platform.serving.packaged.pyfunc"
_TYPES = {"String": "string", "Float64": "double", "Float32": "float"}  # those that may hold missing values
_WHOLE = {"Boolean": "boolean"}  # others that are no whole numbers
_PACKAGE = "ml_platform_model_code"  # stands for the name that the code gets by its hash


def pyfunc_files(
    bundle: Bundle, data: bytes, number: int, *, example: pl.DataFrame, nullable: Collection[str]
) -> dict[str, bytes]:
    """Path → bytes of the MLflow model; equal models and examples give equal ones.

    data:     the bundle's bytes. number: of the version; 0 for the model of an experiment.
    example:  some rows with the model's columns, for the input example; without rows there is none.
    nullable: columns that may hold missing values. Whole numbers and truth values among them have the type `any`,
              because MLflow refuses missing values of theirs.
    """
    trained_with = bundle.versions["libraries"]
    manifest = Manifest(
        pipeline=bundle.pipeline,
        version=number,
        bundle=hashlib.sha256(data).hexdigest(),
        libraries={name: trained_with[name] for name in sorted({*bundle.fitted.libraries, "polars"})},
        request={},
        card="",
        platform=installed_version("ml_platform"),
    )
    package, code = _code()
    pins = [f"{name}=={number}" for name, number in manifest.libraries.items()]
    python = ".".join(map(str, sys.version_info[:3]))
    files = {
        "requirements.txt": "\n".join(["mlflow>=3", "pandas", *pins, ""]).encode(),
        "python_env.yaml": _json(
            {"python": python, "build_dependencies": ["pip"], "dependencies": ["-r requirements.txt"]}
        ),
        f"data/{MANIFEST}": manifest.to_json().encode(),
        f"data/{BUNDLE}": data,
        "code.zip": code,
    }
    mlmodel: dict[str, Any] = {
        "artifact_path": "model",
        "flavors": {
            "python_function": {
                "loader_module": _RUNTIME.replace("ml_platform", package, 1),
                "code": "code.zip",  # MLflow puts it on the path of modules; as a folder it takes 90 requests
                "data": "data",
                "env": {"virtualenv": "python_env.yaml"},
                "python_version": python,
            }
        },
        "signature": {
            "inputs": json.dumps([_column(name, dtype, name in nullable) for name, dtype in bundle.columns.items()]),
            "outputs": json.dumps(
                [{"type": "double", "name": name, "required": True} for name in bundle.classes or ("score",)]
            ),
            "params": None,
        },
    }
    if example.height:
        rows = example.select(*bundle.columns).fill_nan(None)
        files["input_example.json"] = _json({"columns": rows.columns, "data": rows.rows()})
        mlmodel["saved_input_example_info"] = {
            "artifact_path": "input_example.json",
            "type": "dataframe",
            "pandas_orient": "split",
        }
    return {"MLmodel": _json(mlmodel), **files}


@cache
def _code() -> tuple[str, bytes]:
    """The package of the code, named by its hash, and a zip of it. Models of one code share it in one process.

    Python loads a module once by its name. Another code has another name, so that both may be loaded.
    """
    sources = vendored([_RUNTIME], _PACKAGE)
    lines = "".join(f"{hashlib.sha256(text).hexdigest()}  {path}\n" for path, text in sorted(sources.items()))
    name = f"ml_platform_{hashlib.sha256(lines.encode()).hexdigest()[:12]}"
    name_bytes = name.encode()
    named = {
        path.replace(_PACKAGE, name): text.replace(_PACKAGE.encode(), name_bytes) for path, text in sources.items()
    }
    return name, archived(named)


def _column(name: str, dtype: str, nullable: bool) -> dict[str, Any]:
    kind = _TYPES.get(dtype) or ("any" if nullable else _WHOLE.get(dtype, "long"))
    return {"type": kind, "name": name, "required": True}


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False).encode()
