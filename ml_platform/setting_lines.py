"""What in the variables and in `.env` looks like a setting and is none."""

import os
from difflib import get_close_matches
from io import StringIO
from pathlib import Path

from ml_platform.environments import ENVIRONMENT, PREFIX, setting_of
from ml_platform.settings import Settings


def unreadable_lines(file: Path) -> list[int]:
    """The lines of a `.env` that are no settings: what they were to set has no effect. A missing file has none.

    Raises UnicodeDecodeError for a file that is not UTF-8.
    """
    from dotenv.parser import parse_stream

    try:
        text = file.read_text(encoding="utf-8")
    except OSError:
        return []
    return [binding.original.line for binding in parse_stream(StringIO(text)) if binding.error]


def misspelt_settings(settings: Settings) -> dict[str, str]:
    """Variables of the environment or of `.env` that begin like a setting and are none → the setting that is meant.

    The latter is empty where none is alike.
    """
    setting_names = {name.upper() for name in type(settings).model_fields}
    names = {name.upper() for name in os.environ}
    try:
        lines = Path(".env").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    names |= {line.removeprefix("export ").partition("=")[0].strip().upper() for line in lines if "=" in line}
    unknown = {name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX)} - setting_names
    alike = {
        name: get_close_matches(setting_of(name), setting_names, 1)
        for name in sorted(unknown)
        if setting_of(name) not in setting_names - {ENVIRONMENT.upper()}
    }
    return {f"{PREFIX}{name}": _meant(name, matches[0]) if matches else "" for name, matches in alike.items()}


def _meant(name: str, setting: str) -> str:
    """The variable of a setting, of the environment that `name` is about. No environment names another one."""
    before = "" if setting == ENVIRONMENT.upper() else name.removesuffix(setting_of(name))
    return f"{PREFIX}{before}{setting}"
