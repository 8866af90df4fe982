"""Files appear both or not at all, beside the code they belong to, and never over another."""

from pathlib import Path

import pytest

from ml_platform.authoring.placing import destination, publish
from ml_platform.errors import AuthoringError, UnfitArgument


def _package(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    return folder


def test_tests_go_to_the_mirror_of_the_package(tmp_path: Path) -> None:
    _package(tmp_path / "shop")
    folder, mirror = _package(tmp_path / "shop" / "models"), _package(tmp_path / "shop_tests")
    found = destination("churn", folder, [])
    assert (found.declaration, found.module) == (folder / "churn.py", "shop.models.churn")
    assert found.tests == mirror / "models" / "test_churn.py"
    publish({found.declaration: "a = 1\n", found.tests: "b = 1\n"})
    assert found.declaration.read_text() == "a = 1\n" and (mirror / "models" / "__init__.py").exists()


def test_without_a_mirror_they_stand_beside_it_where_no_pipeline_is_looked_for(tmp_path: Path) -> None:
    found = destination("churn", tmp_path, [])
    assert (found.tests, found.module, found.discovered) == (tmp_path / "tests" / "test_churn.py", "churn", False)


def test_a_folder_that_is_missing_is_made_with_the_files_and_not_below_a_file(tmp_path: Path) -> None:
    place = destination("orders", tmp_path / "new" / "d", [])
    assert not (tmp_path / "new").exists()
    publish({place.declaration: "a = 1\n", place.tests: "b = 2\n"})
    assert (tmp_path / "new" / "d" / "orders.py").read_text() == "a = 1\n"
    with pytest.raises(UnfitArgument, match=r"orders\.py is no folder that can be written to"):
        destination("more", place.declaration / "below", [])


def test_the_repository_itself_is_such_a_place() -> None:
    found = destination("no_such_pipeline", None, ["ml_platform.pipelines"])
    assert found.module == "ml_platform.pipelines.no_such_pipeline" and found.discovered
    assert found.tests.parts[-3:] == ("ml_platform_tests", "pipelines", "test_no_such_pipeline.py")


@pytest.mark.parametrize("packages", [["rich"], ["ml_platform.errors"], ["no_such_package"]])
def test_installed_packages_and_modules_are_no_place(packages: list[str]) -> None:
    with pytest.raises(AuthoringError, match="--to FOLDER"):
        destination("churn", None, packages)


@pytest.mark.parametrize("name", ["polars", "json"])
def test_a_module_that_would_hide_another_is_refused_but_not_in_a_package(tmp_path: Path, name: str) -> None:
    with pytest.raises(AuthoringError, match=f"'{name}' is a Python module here"):
        destination(name, tmp_path, [])
    assert destination(name, _package(tmp_path / "shop"), []).module == f"shop.{name}"


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "churn.py").write_text("kept\n")
    with pytest.raises(AuthoringError, match="exists already"):
        destination("churn", tmp_path, [])
    files = {tmp_path / "new" / "tests" / "one.py": "one\n", tmp_path / "churn.py": "other\n"}
    with pytest.raises(AuthoringError, match=r"churn\.py exists already"):
        publish(files)
    assert [path.name for path in tmp_path.rglob("*")] == ["churn.py"], "nothing half-written, no empty folder"
    assert (tmp_path / "churn.py").read_text() == "kept\n"


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "closed").write_text("a file where a folder should be")
    with pytest.raises(OSError):
        publish({tmp_path / "a.py": "a\n", tmp_path / "closed" / "b.py": "b\n"})
    assert [path.name for path in tmp_path.iterdir()] == ["closed"]
