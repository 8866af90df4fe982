"""Which class reads a declared source."""

from importlib import import_module
from typing import cast

from ml_platform.settings import Settings
from ml_platform.sources.source import Source
from ml_platform.spec.sources import SOURCES
from ml_platform.spec.tables import Table


def source_of(settings: Settings, table: Table) -> Source:
    """The source of a table, as declared by `Table(source=…)`."""
    module = SOURCES[type(table.source)]
    return cast(Source, import_module(f"ml_platform.sources.{module}").SOURCE(settings, table))
