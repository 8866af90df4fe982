"""What is written looks as the project that takes it wants it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.authoring.formatting import WIDTH, formatted
from ml_platform.authoring.python import call, commented, docstring
from ml_platform.errors import AuthoringError

REMARK = "A remark of many words that goes on and on, as a reason may, " * 4
SOURCE = f"""{docstring(REMARK)}
import polars as pl
import dataframely as dy
from shop.models.churn import churn
names = {call("dict", "{}", commented("first=churn", REMARK), second="pl.lit(1)", third=repr("three " * 10))}
"""


def _project(folder: Path, configuration: str) -> Path:
    """A file to be written, in a package of a project with this configuration of ruff."""
    (folder / "shop" / "models").mkdir(parents=True)
    (folder / "ruff.toml").write_text(configuration)
    return folder / "shop" / "models" / "churn.py"


def _formatted(source: str, file: Path) -> str:
    return formatted(source, file, "shop.models.churn")


@pytest.mark.parametrize(
    "configuration",
    [
        "line-length = 79",
        'line-length = 100\nformat.quote-style = "single"\nlint.select = ["E", "F", "W", "I", "RUF100"]',
        'line-length = 120\nformat.skip-magic-trailing-comma = true\nlint.extend-select = ["E501"]',
    ],
)
def test_the_configuration_of_the_folder_decides(configuration: str, tmp_path: Path) -> None:
    file = _project(tmp_path, configuration)
    text = _formatted(SOURCE, file)
    width = int(configuration.split()[2])
    assert width - 30 < max(map(len, text.splitlines())) <= width and "dataframely" not in text
    file.write_text(text)
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run([sys.executable, "-m", "ruff", *command, "--no-cache", file], capture_output=True)
        assert done.returncode == 0, f"{done.stdout!r}\n{text}"


def test_without_a_configuration_lines_are_as_long_as_here(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "shop"\n')
    longest = max(map(len, _formatted(SOURCE, tmp_path / "churn.py").splitlines()))
    assert WIDTH - 30 < longest <= WIDTH


def test_imports_of_the_module_that_is_written_stand_apart(tmp_path: Path) -> None:
    assert "import polars as pl\n\nfrom shop.models.churn import churn\n" in _formatted(SOURCE, tmp_path / "churn.py")


@pytest.mark.parametrize("select", ["E501", "F401"])
def test_a_line_that_no_layout_can_shorten_says_so_where_the_linter_minds(select: str, tmp_path: Path) -> None:
    file = _project(tmp_path, f'line-length = 79\nlint.select = ["{select}"]')
    text = _formatted(f"size = {'word ' * 40!r}\n", file)
    assert text.endswith("  # noqa: E501\n") == (select == "E501")


@settings(deadline=None, max_examples=10)
@given(st.dictionaries(st.text(max_size=200), st.text(max_size=200), min_size=1))
def test_what_is_laid_out_is_still_the_same(words: dict[str, str]) -> None:
    text = formatted(f"words = {words!r}\n", Path(__file__).with_name("words.py"), "words")
    [statement] = ast.parse(text).body
    assert isinstance(statement, ast.Assign) and ast.literal_eval(statement.value) == words


def test_without_ruff_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ruff", None)
    with pytest.raises(AuthoringError, match=r"pip install 'ml_platform\[authoring\]'"):
        _formatted(SOURCE, tmp_path / "churn.py")


@pytest.mark.parametrize("configuration", ["line-length = 'long'", "no-such-option = 1"])
def test_a_configuration_that_ruff_refuses_is_told_in_its_words(configuration: str, tmp_path: Path) -> None:
    with pytest.raises(AuthoringError, match=r"(?s)ruff cannot format the draft: .*ruff\.toml"):
        _formatted(SOURCE, _project(tmp_path, configuration))


def test_a_project_that_is_not_toml_is_told_in_the_words_of_ruff(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project\n")
    with pytest.raises(AuthoringError, match=r"(?s)ruff cannot format the draft: .*pyproject\.toml"):
        _formatted(SOURCE, tmp_path / "churn.py")
