"""Where the platform keeps its things. Every field can be set as ML_PLATFORM_<NAME>."""

from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Paths are relative to the working directory unless absolute.

    `catalog` is empty for the local SQLite catalog inside the lake folder, or a PostgreSQL
    connection string (`postgresql://…` or libpq `key=value` words) for many machines. It may
    hold a password, so it is read from the environment and never printed.
    """

    model_config = SettingsConfigDict(env_prefix="ML_PLATFORM_", extra="ignore")

    data: Path = Path("data")
    catalog: SecretStr = SecretStr("")
    lock_timeout: float = 600.0  # seconds to wait for another writer
    memory_limit: str = "2GB"  # DuckDB's, per process
    pipelines: list[str] = ["ml_platform.pipelines"]  # modules and packages that declare pipelines
    reports_url: str = "http://127.0.0.1:3001"  # where `ml-platform reports` serves; links lead there
    threads: int = 0  # DuckDB's and the trainer's; 0: as many as there are cores

    @property
    def landing(self) -> Path:
        """Where files arrive."""
        return self.data / "landing"

    @property
    def lake(self) -> Path:
        """Parquet files of the tables, the SQLite catalog and the write lock."""
        return self.data / "lake"

    @property
    def reports(self) -> Path:
        """Pages to read: `<pipeline>/<partition>/report.html`, with its figures as JSON beside it."""
        return self.data / "reports"

    @property
    def artifacts(self) -> Path:
        """Content-addressed blobs: training sets, model bundles, screened files."""
        return self.data / "artifacts"
