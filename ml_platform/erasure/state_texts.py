"""Texts of the operational state in which an entity stands: previews of rows, findings, alerts, messages of errors."""

from collections.abc import Iterator

from sqlalchemy import Table, Text, and_, select, update

from ml_platform.erasure.texts import Markers
from ml_platform.state.database import State
from ml_platform.state.metadata import METADATA

# What people read and nothing decides by. All else is found, ordered, compared or computed with.
FREE = frozenset(
    {"display", "checks", "error", "title", "text", "detail", "description", "reason", "why", "overrides"}
    | {"resolved_why", "why_incomparable"}
)


def redact(state: State, markers: Markers) -> int:
    """Take the entity's values out of every text that people read; how many texts changed."""
    changed = 0
    if not markers:
        return changed
    for table in METADATA.sorted_tables:
        for name in _texts(table):
            changed += _redact_column(state, table, name, markers)
    return changed


def _texts(table: Table) -> Iterator[str]:
    for column in table.columns:
        if isinstance(column.type, Text) and column.name in FREE:
            yield column.name


def _redact_column(state: State, table: Table, name: str, markers: Markers) -> int:
    keys = list(table.primary_key.columns)
    rows = state.rows(select(table.c[name], *keys).where(table.c[name].is_not(None), table.c[name] != ""))
    hits = [rows[position] for position in markers.among([row[0] for row in rows])]
    with state.writing() as connection:
        for text, *values in hits:
            same = and_(*(key == value for key, value in zip(keys, values, strict=True)))
            connection.execute(update(table).where(same).values({name: markers.without(text)}))
    return len(hits)


def paths_with_values(state: State, markers: Markers) -> list[str]:
    """Paths of landed files whose names hold a value of the entity."""
    paths = [row[0] for row in state.rows(select(METADATA.tables["files"].c.path).distinct())]
    return sorted(paths[position] for position in markers.among(paths))
