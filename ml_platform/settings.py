"""Settings of the platform. Every field can be set as ML_PLATFORM_<NAME>."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from ml_platform.api_keys import ApiKey, parse_api_keys
from ml_platform.database_address import fault
from ml_platform.environments import ENVIRONMENT, PREFIX, check_name, sources
from ml_platform.redaction import hide, hide_alert_address, hide_database_address

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt])(i?)b", re.IGNORECASE)  # of what DuckDB reads; it takes more for a size
_LEAST = 10_000_000  # bytes; with less DuckDB opens no lake
_CENTURY = 36_500.0  # days
DEEPEST = 100  # the greatest nesting that the readers of JSON and Parquet take
_FILLED = re.compile(r"\{[A-Z_]+\}")  # a placeholder of DuckLake's statements, such as {DATA_PATH}
_REDIS = ("redis://", "rediss://", "unix://")
_BETWEEN = re.compile(r"[,\s]+(?=[A-Za-z][\w+-]*://)")  # an address may hold commas of its own


class ProcessShare(BaseModel):
    """What one process may take of the machine."""

    memory_limit: str = "2GB"  # DuckDB's, per process
    threads: int = Field(default=0, ge=0, le=1024)  # DuckDB's and the trainer's; 0: as many as there are cores

    @field_validator("memory_limit")
    @classmethod
    def _is_size(cls, memory_limit: str) -> str:
        if _bytes(memory_limit) < _LEAST:
            raise ValueError(f"too little: DuckDB needs {_LEAST // 1_000_000}MB")
        return memory_limit.strip()

    @property
    def memory_bytes(self) -> int:
        """`memory_limit` in bytes."""
        return _bytes(self.memory_limit)

    @property
    def thread_count(self) -> int:
        """`threads`, or as many as there are cores."""
        return self.threads or os.cpu_count() or 1


class FileLimits(ProcessShare):
    """What one file may take. A file beyond a limit is refused by name, and read anew once the limit is raised.

    CSV and Parquet are read in bounded frames; NDJSON and JSON are held whole, as text and as columns.
    """

    max_file_bytes: Annotated[int, Field(ge=1)] = 1_000_000_000  # unpacked; of Parquet 8 a value, if more
    max_unpacked_ratio: Annotated[float, Field(ge=1)] = 200.0  # of what unpacks to more than 100 MB
    max_columns: Annotated[int, Field(ge=1)] = 10_000  # of a file, and of a raw table
    max_line_bytes: Annotated[int, Field(ge=1)] = 8_000_000
    max_cell_bytes: Annotated[int, Field(ge=1)] = 100_000_000
    max_nesting: Annotated[int, Field(ge=1, le=DEEPEST)] = 64  # lists and objects within one another
    max_files: Annotated[int, Field(ge=1)] = 100_000  # that the pattern of a table matches
    max_file_seconds: Annotated[float, Field(gt=0)] = 600.0  # to unpack, check, parse and stage one file


class Settings(FileLimits, BaseSettings):
    """Paths are relative to the working directory unless absolute.

    `catalog` is empty for the local SQLite catalog inside the lake folder, or a PostgreSQL
    connection string (`postgresql://…` or libpq `key=value` words) for many machines. It may
    hold a password, so it is read from the environment and never printed. So may `alerts`:
    apprise addresses to which alerts go, between commas or as a JSON list; empty: the console.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",  # of the working directory, as Dagster reads it
        extra="ignore",
        hide_input_in_errors=True,
    )

    environment: str = ""  # such as staging; its own variables are ML_PLATFORM_STAGING__DATA and so on
    data: Path = Path("data")  # of an environment data-<environment>
    catalog: SecretStr = SecretStr("")
    alerts: SecretStr = SecretStr("")
    api_keys: SecretStr = SecretStr("")  # of the service: a JSON object of clients with key and scopes
    lock_timeout: float = Field(default=600.0, ge=0, allow_inf_nan=False)  # seconds to wait for another writer
    pipelines: list[str] = ["ml_platform.pipelines"]  # modules and packages that declare pipelines
    reports_url: str = "http://127.0.0.1:3001"  # where `ml-platform reports` serves; links lead there
    service_url: str = "http://127.0.0.1:8000"  # where clients reach `ml-platform serve`; links lead there
    online_store: SecretStr = SecretStr("")  # redis:// address of the online store; empty: a file below `data`
    online_days: float = Field(
        default=1.0, ge=0, le=_CENTURY, allow_inf_nan=False
    )  # how long before the newest row a request's prediction time may lie
    event_days: float = Field(
        default=7.0, ge=0, le=_CENTURY, allow_inf_nan=False
    )  # how long before the newest row a posted event may have happened
    log_budget_bytes: Annotated[int, Field(ge=1)] = (
        1_000_000_000  # on disk: of the prediction log of one pipeline, and of the events of one table until they land
    )
    keep_snapshots_days: float = Field(
        default=7.0, ge=0, le=_CENTURY, allow_inf_nan=False
    )  # `maintain` expires older ones
    keep_history_days: float = Field(
        default=90.0, ge=0, le=_CENTURY, allow_inf_nan=False
    )  # of Dagster's runs, ticks and logs

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is given, then the variables of the environment, then those of all environments."""
        chosen = (source().get(ENVIRONMENT) for source in (init_settings, env_settings, dotenv_settings))
        name = str(next((one for one in chosen if one is not None), ""))
        try:
            check_name(name)
        except ValueError:  # the validator of the field says it
            name = ""
        return init_settings, *sources(settings_cls, name, env_settings, dotenv_settings)

    @classmethod
    def of_environment(cls, name: str) -> "Settings":
        """The settings of another environment, by the variables of this process and `.env`.

        Raises pydantic's ValidationError for a name or a value that cannot be.
        """
        return cls(environment=name)

    @model_validator(mode="before")
    @classmethod
    def _folder_of_environment(cls, values: Any) -> Any:
        name = values.get(ENVIRONMENT) if isinstance(values, dict) else None
        return {**values, "data": f"data-{name}"} if name and "data" not in values else values

    @field_validator("environment")
    @classmethod
    def _is_name(cls, environment: str) -> str:
        return check_name(environment)

    @field_validator("data")
    @classmethod
    def _can_be_opened(cls, data: Path) -> Path:
        path = str(data.absolute())
        if any(sign in path for sign in "*?["):
            raise ValueError("its path holds *, ? or [, which DuckDB and polars take for a pattern: use another folder")
        if os.sep != "\\" and "\\" in path:
            raise ValueError("its path holds \\, which DuckDB takes for the end of a folder's name: use another folder")
        if filled := _FILLED.search(path):
            raise ValueError(f"its path holds {filled[0]}, which DuckLake fills in with a value: use another folder")
        try:
            path.encode()
        except UnicodeEncodeError:
            raise ValueError("its path is not UTF-8, in which databases keep paths: use another folder") from None
        return data

    @field_validator("*")
    @classmethod
    def _hidden(cls, value: Any) -> Any:
        if isinstance(value, SecretStr):
            hide(value.get_secret_value(), os.environ.get("PGPASSWORD", ""))
        return value

    @field_validator("catalog")
    @classmethod
    def _is_of_postgresql(cls, catalog: SecretStr) -> SecretStr:
        address = catalog.get_secret_value()
        hide_database_address(address)
        if problem := fault(address):
            raise ValueError(problem)
        return catalog

    @field_validator("alerts")
    @classmethod
    def _readable(cls, alerts: SecretStr) -> SecretStr:
        for address in _addresses(alerts.get_secret_value()):
            hide_alert_address(address)
        return alerts

    @field_validator("online_store")
    @classmethod
    def _is_of_redis(cls, online_store: SecretStr) -> SecretStr:
        address = online_store.get_secret_value()
        hide_database_address(address)
        if address and not address.startswith(_REDIS):
            raise ValueError("it is no address of Redis: write redis://:password@host:6379/0")
        return online_store

    @field_validator("api_keys")
    @classmethod
    def _are_keys(cls, api_keys: SecretStr) -> SecretStr:
        hide(*(one.key for one in parse_api_keys(api_keys.get_secret_value()).values()))
        return api_keys

    @field_validator("reports_url", "service_url")
    @classmethod
    def _is_address_without_password(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:  # a port that is none, for one
            usable = False
        if not usable:
            raise ValueError("it is no URL: write http://host:port")
        if parts.password is not None:
            raise ValueError("it holds a password, and alerts and pages show it: leave user and password out")
        return url.rstrip("/")

    @property
    def alert_addresses(self) -> list[str]:
        """The addresses of `alerts`, each once. They hold secrets."""
        return _addresses(self.alerts.get_secret_value())

    @property
    def api_keys_by_client(self) -> Mapping[str, ApiKey]:
        """The clients of `api_keys`, by name. They hold secrets."""
        return parse_api_keys(self.api_keys.get_secret_value())

    @property
    def landing(self) -> Path:
        """The landing folder of files."""
        return self.data / "landing"

    @property
    def events(self) -> Path:
        """Posted events that have not landed yet, one file a table."""
        return self.online / "events"

    @property
    def lake(self) -> Path:
        """Parquet files of the tables, the SQLite catalog and the write lock."""
        return self.data / "lake"

    @property
    def reports(self) -> Path:
        """Report pages: `<pipeline>/<partition>/report.html`, with their figures as JSON beside them."""
        return self.data / "reports"

    @property
    def online(self) -> Path:
        """The online store and the prediction log of the service."""
        return self.data / "online"

    @property
    def artifacts(self) -> Path:
        """Content-addressed blobs: training sets, model bundles, screened files."""
        return self.data / "artifacts"


def _bytes(size: str) -> int:
    """The bytes of a size such as 1.5GiB. Raises ValueError for what is none."""
    parts = _SIZE.fullmatch(size.strip())
    if parts is None:
        raise ValueError("not a size, which is a number with a unit: 500MB, 2GB, 1.5GiB")
    number, unit, binary = parts.groups()
    return int(float(number) * (1024 if binary else 1000) ** ("kmgt".index(unit.lower()) + 1))


def _addresses(text: str) -> list[str]:
    """The addresses of a comma-separated or JSON list. Raises ValueError, without the text, for invalid JSON."""
    if not text.strip().startswith("["):
        return list(dict.fromkeys(part for part in _BETWEEN.split(text.strip()) if part))
    try:
        addresses = json.loads(text)
    except ValueError:
        addresses = [None]
    if not all(isinstance(item, str) for item in addresses):
        raise ValueError("neither addresses separated by commas nor a JSON list of addresses")
    return list(dict.fromkeys(addresses))
