"""The modules of a package are those that answering loads, copied as they are but for the name of the platform."""

import ast
from pathlib import Path

import pytest

import ml_platform
from ml_platform.errors import ServingError
from ml_platform.serving.packaging import vendoring
from ml_platform.serving.packaging.vendoring import vendored

ROOTS = [
    "ml_platform.serving.packaged.model",
    "ml_platform.serving.packaged.function",
    "ml_platform.serving.packaged.rest_service",
    "ml_platform.serving.redis_store",
]
LEFT_OUT = {  # what answering never calls, with the module that it would load
    ("features/definition.py", "key", "ml_platform.spec.canonical"),
    ("features/kinds/window.py", "compute", "ml_platform.features.window_rows"),
    ("models/searched.py", "_families", "ml_platform.models.automl_families"),
    ("models/searched.py", "_is_automl", "ml_platform.spec.automl"),
    ("models/selected.py", "config", "ml_platform.spec.canonical"),
    ("models/transformed.py", "config", "ml_platform.spec.canonical"),
    ("validation/version_order.py", "with_paths", "ml_platform.state.files"),
}
SOURCES = Path(ml_platform.__file__).parent


def test_what_functions_load_later_is_there_but_for_what_answering_never_calls() -> None:
    paths = [path.removeprefix("p/") for path in vendored(ROOTS, "p")]
    left_out = set()
    for path in paths[1:]:
        for function in ast.walk(ast.parse((SOURCES / path).read_text())):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for node in ast.walk(function):
                    if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ml_platform"):
                        module = str(node.module).removeprefix("ml_platform.").replace(".", "/")
                        if not {f"{module}.py", f"{module}/__init__.py"} & set(paths):
                            left_out.add((path, function.name, node.module))
    assert left_out == LEFT_OUT


def test_a_copy_differs_from_its_source_in_the_name_of_the_platform_alone() -> None:
    files = vendored(ROOTS[:1], "some_model._platform")
    source = (SOURCES / "models" / "bundle.py").read_text()
    copy = files["some_model/_platform/models/bundle.py"].decode()
    assert copy == source.replace("from ml_platform.", "from some_model._platform.")
    assert "ml_platform" not in {
        (node.module or "").partition(".")[0]
        for text in files.values()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom)
    }


def test_a_module_that_imports_the_platform_as_a_name_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "module.py"
    module.write_text("import ml_platform.errors\n")
    monkeypatch.setattr(vendoring, "_file", lambda name: module)
    with pytest.raises(ServingError, match=r"module\.py:1 imports the platform as a name"):
        vendored(["ml_platform.errors"], "p")
