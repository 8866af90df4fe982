"""Formats Python with ruff and the configuration of the target project."""

import json
import subprocess
import sys
import textwrap
import tomllib
from importlib.util import find_spec
from pathlib import Path

from ml_platform.errors import AuthoringError

WIDTH = 120  # columns, where no configuration of ruff says how many


def check_installed() -> None:
    """Raise AuthoringError, which names the extra, when ruff is not installed."""
    if find_spec("ruff") is None:
        raise AuthoringError(
            "`ml-platform new` formats what it writes with ruff, which is not installed.",
            remedy="pip install 'ml_platform[authoring]'",
        )


def formatted(source: str, file: Path, module: str) -> str:
    """`source` as a module that is written to `file` and imported as `module`.

    Imports are sorted, unused ones removed. Comments and docstrings, each on one line in `source`, are wrapped.
    A line that stays too long for the project's linter gets a `noqa`. The configuration is that of the nearest
    folder above `file` that has one for ruff. Raises AuthoringError when ruff refuses it, or is not installed.
    """
    check_installed()
    options = ["--no-cache", "--quiet", "--stdin-filename", str(file)]
    # The module is not there yet, so ruff could not know that it belongs to the project.
    options += ["--config", f"lint.isort.known-first-party = ['{module.partition('.')[0]}']"]
    if not _configured(file.parent):
        options += ["--config", f"line-length = {WIDTH}"]
    text = _ruff("check", "--fix", "--exit-zero", "--select", "I,F401", *options, source=source)
    text = _wrapped(_ruff("format", *options, source=text), options)
    return _excused(text, options)


def _wrapped(text: str, options: list[str]) -> str:
    """Wrap comments and docstrings that are too long."""
    lines = text.split("\n")
    for row, width, _ in reversed(_too_long(text, ["--select", "E501", *options])):
        line = lines[row].lstrip()
        margin = lines[row][: -len(line)]
        if line.startswith("# "):
            wrapped = textwrap.wrap(line[2:], width - len(margin) - 2)
            lines[row : row + 1] = [f"{margin}# {part}" for part in wrapped]
        elif line.startswith('"""') and line.endswith('"""'):
            wrapped = textwrap.wrap(line[3:-3], width - len(margin) - 9)  # so that it is two lines at least
            wrapped[0] = f'"""{wrapped[0]}'
            lines[row : row + 1] = [f"{margin}{part}" for part in [*wrapped, '"""']]
    return "\n".join(lines)


def _excused(text: str, options: list[str]) -> str:
    """Add a `noqa` to each line that cannot be shortened, if the project's linter checks line length."""
    lines = text.split("\n")
    for row in {row for _, _, row in _too_long(text, options)}:
        lines[row] += "  # noqa: E501"
    return "\n".join(lines)


def _too_long(text: str, options: list[str]) -> list[tuple[int, int, int]]:
    """Lines that are too long, from 0: the line, the characters of it that fit, and the line that a noqa belongs to."""
    answer = _ruff("check", "--exit-zero", "--output-format", "json", *options, source=text)
    return [
        (one["location"]["row"] - 1, one["location"]["column"] - 1, one["noqa_row"] - 1)
        for one in json.loads(answer)
        if one["code"] == "E501"
    ]


def _configured(folder: Path) -> bool:
    """Whether ruff looks for a configuration in the folder or above it, and not only at its own defaults."""
    for parent in (folder, *folder.parents):
        if (parent / "ruff.toml").exists() or (parent / ".ruff.toml").exists():
            return True
        project = parent / "pyproject.toml"
        if project.exists() and _names_ruff(project):
            return True
    return False


def _names_ruff(project: Path) -> bool:
    try:
        return "ruff" in tomllib.loads(project.read_text(encoding="utf-8")).get("tool", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return True  # ruff says what is wrong with it


def _ruff(*arguments: str, source: str) -> str:
    done = subprocess.run(  # noqa: S603  # this interpreter with arguments of ours, no shell
        [sys.executable, "-m", "ruff", *arguments, "-"],
        check=False,
        input=source,
        capture_output=True,
        encoding="utf-8",
    )
    if done.returncode:
        raise AuthoringError(
            f"ruff cannot format the draft: {done.stderr.strip()}", remedy="Correct its configuration."
        )
    return done.stdout
