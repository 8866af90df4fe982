"""Running a resource of dlt: its rows as frames, and its state before and after.

dlt keeps the state of a pipeline beside its destination. Here the caller gives the state and takes it back, so that it
can stand in one record with the rows. Configuration and secrets are resolved by dlt's own rules, from environment
variables alone: files such as `.dlt/secrets.toml` and vaults are not asked.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import polars as pl

from ml_platform.errors import FileRefused, SourceUnavailable, first_line
from ml_platform.escaping import printable
from ml_platform.redaction import hide
from ml_platform.spec.dlt_source import Dlt

if TYPE_CHECKING:
    from dlt.extract import DltResource

_ROWS = 20_000  # of a frame that is made of single rows
_one_at_a_time = threading.RLock()  # dlt has one list of configuration providers in a process


class Resource:
    """A resource while it is read once.

    state: dlt's state as it was, and as it is once the last frame has come.
    """

    def __init__(self, declared: Dlt, path: str, state: dict[str, Any]) -> None:
        self.state = state
        self._declared = declared
        self._path = path

    def frames(self) -> Iterator[pl.DataFrame]:
        """The rows in the order in which dlt gives them. Raises whatever the resource raises, and FileRefused."""
        from dlt.common.configuration.container import Container
        from dlt.common.pipeline import StateInjectableContext

        hide(*(os.environ.get(name, "") for name in self._declared.secrets))
        with _environment_only():
            resource = self._resource()
            if not resource.source_name and not resource.section:
                resource.source_name = "ml_platform"  # else dlt keeps its state under another name at every read
            with Container().injectable_context(StateInjectableContext(state=self.state)):  # type: ignore[arg-type]
                rows = list[dict[str, Any]]()
                for item in resource:
                    if isinstance(item, dict):
                        rows.append(item)
                        if len(rows) < _ROWS:
                            continue
                    if rows:
                        yield self._of_rows(rows)
                        rows = []
                    if not isinstance(item, dict):
                        yield self._of_item(item)
                if rows:
                    yield self._of_rows(rows)

    def _resource(self) -> "DltResource":
        """The resource, made anew where a function makes it."""
        from dlt.extract import DltResource, DltSource

        declared, given = self._declared, self._declared.resource
        if not isinstance(given, DltResource):
            given = given()
        if isinstance(given, list | tuple) and all(isinstance(one, DltResource) for one in given):
            resources: dict[str, DltResource] = {one.name: one for one in given}
        elif isinstance(given, DltSource):
            resources = dict(given.resources)
        elif isinstance(given, DltResource):
            resources = {given.name: given}
        else:
            raise SourceUnavailable(
                self._path,
                f"{declared.label} gives a {type(given).__name__}",
                remedy="Return a resource or a source of dlt.",
            )
        if declared.name and declared.name in resources:
            return resources[declared.name]
        if declared.name or len(resources) != 1:
            names = ", ".join(sorted(resources)) or "none"
            raise SourceUnavailable(
                self._path,
                f"there are these resources: {names}",
                remedy=f"Name one of them: Dlt({declared.label}, name=…).",
            )
        return next(iter(resources.values()))

    def _of_rows(self, rows: list[dict[str, Any]]) -> pl.DataFrame:
        try:
            frame = pl.DataFrame(rows, infer_schema_length=None)
        except (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError) as error:
            raise FileRefused(
                self._path,
                f"its rows do not fit one table: {printable(first_line(error))}",
                remedy="Give each field one type, such as by add_map on the resource.",
            ) from None
        objects = [column for column in frame if column.dtype == pl.Object]  # a UUID, say
        return frame.with_columns(
            pl.Series(c.name, [None if v is None else str(v) for v in c], dtype=pl.String) for c in objects
        )

    def _of_item(self, item: Any) -> pl.DataFrame:
        """A page that is a table already: of Arrow, pandas or polars."""
        if isinstance(item, pl.DataFrame):
            return item
        if isinstance(item, pl.LazyFrame):
            return item.collect()
        import pyarrow as pa

        if isinstance(item, pa.Table | pa.RecordBatch):
            return pl.DataFrame(pl.from_arrow(item))
        if type(item).__module__.partition(".")[0] == "pandas":
            return pl.DataFrame(pl.from_pandas(item))
        raise FileRefused(
            self._path,
            f"{self._declared.label} gives a {type(item).__name__} where a row should be",
            remedy="Yield dictionaries, or tables of Arrow, pandas or polars.",
        )


@contextmanager
def _environment_only() -> Iterator[None]:
    """Let dlt resolve configuration and secrets from environment variables alone. Secrets are hidden as they come."""
    from dlt.common.configuration.container import Container
    from dlt.common.configuration.providers import EnvironProvider
    from dlt.common.configuration.specs.base_configuration import is_secret_hint
    from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

    class Environment(EnvironProvider):
        """Environment variables, and no file of a container's secrets."""

        def get_value(self, key: str, hint: Any, pipeline_name: str | None, *sections: str) -> tuple[Any, str]:
            variable = self.get_key_name(key, pipeline_name or "", *sections)
            value = os.environ.get(variable)
            if value is not None and is_secret_hint(hint):
                hide(value)
            return value, variable

    with _one_at_a_time:
        container = Container()[PluggableRunContext].providers
        before, container.providers = container.providers, [Environment()]
        try:
            yield
        finally:
            container.providers = before
