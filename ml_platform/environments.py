"""Environments: development, staging, production and others, each with a lake of its own.

`ML_PLATFORM_ENVIRONMENT` names one. Its settings are `ML_PLATFORM_<ENVIRONMENT>__<SETTING>`; what it does not set, it
takes from `ML_PLATFORM_<SETTING>`, but for what makes a lake.
"""

import re
from typing import Any

from pydantic_settings import BaseSettings, DotEnvSettingsSource, EnvSettingsSource, PydanticBaseSettingsSource

PREFIX = "ML_PLATFORM_"
ENVIRONMENT = "environment"
OWN = ("data", "catalog", "online_store")  # what two environments never share
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_SPECIFIC = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*__([A-Z0-9_]+)")


def check_name(name: str) -> str:
    """The name of an environment; "" for none. Raises ValueError for one that cannot be a part of a variable."""
    if name and (not _NAME.fullmatch(name) or len(name) > 40):
        raise ValueError(f"{name!r} is no name: write small letters, digits and single _, such as staging")
    return name


def setting_of(variable: str) -> str:
    """The setting that a variable without prefix is about, in an environment or without one.

    >>> setting_of("PRODUCTION__DATA"), setting_of("DATA")
    ('DATA', 'DATA')
    """
    specific = _SPECIFIC.fullmatch(variable)
    return specific[1] if specific else variable


def variable_of(environment: str, setting: str) -> str:
    """The variable of a setting in an environment.

    >>> variable_of("production", "DATA"), variable_of("", "DATA")
    ('ML_PLATFORM_PRODUCTION__DATA', 'ML_PLATFORM_DATA')
    """
    return f"{PREFIX}{environment.upper()}__{setting}" if environment else f"{PREFIX}{setting}"


class _General(PydanticBaseSettingsSource):
    """What an environment takes from the variables of all of them."""

    def __init__(self, cls: type[BaseSettings], source: PydanticBaseSettingsSource) -> None:
        super().__init__(cls)
        self._source = source

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False  # `__call__` gives all values at once

    def __call__(self) -> dict[str, Any]:
        return {name: value for name, value in self._source().items() if name not in OWN}


def sources(
    cls: type[BaseSettings],
    name: str,
    env_settings: PydanticBaseSettingsSource,
    dotenv_settings: PydanticBaseSettingsSource,
) -> tuple[PydanticBaseSettingsSource, ...]:
    """Where settings come from, first the ones that count: of the environment, then of all."""
    if not name:
        return env_settings, dotenv_settings
    prefix = f"{PREFIX}{name.upper()}__"
    specific = (EnvSettingsSource(cls, env_prefix=prefix), DotEnvSettingsSource(cls, env_prefix=prefix))
    return (*specific, _General(cls, env_settings), _General(cls, dotenv_settings))
