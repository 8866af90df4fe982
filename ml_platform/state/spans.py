"""When the rows of a validated partition matter, kept with its record so that no plan reads the rows."""

from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, fields
from typing import Any

from sqlalchemy import Select, func, insert, select

from ml_platform.state.database import State
from ml_platform.state.plan_tables import record_spans as table
from ml_platform.state.schema import records


@dataclass(frozen=True)
class Spans:
    """Moments of the rows of a partition, in microseconds since 1970; None where no row has one.

    first_usable:  the first at which a row may be used.
    last_relevant: the last at which a row became usable, became known or happened.
    first_known, last_known: the first and the last at which a row became known.
    newest_event:  the newest event time.
    """

    first_usable: int | None
    last_relevant: int | None
    first_known: int | None
    last_known: int | None
    newest_event: int | None

    @classmethod
    def of_no_rows(cls) -> "Spans":
        """No row has a moment."""
        return cls(None, None, None, None, None)

    def joined(self, other: "Spans") -> "Spans":
        """The spans of these rows and the other ones together.

        >>> Spans(3, 5, 3, 4, None).joined(Spans(2, 4, None, None, None))
        Spans(first_usable=2, last_relevant=5, first_known=3, last_known=4, newest_event=None)
        """
        return Spans(
            _of_present(min, self.first_usable, other.first_usable),
            _of_present(max, self.last_relevant, other.last_relevant),
            _of_present(min, self.first_known, other.first_known),
            _of_present(max, self.last_known, other.last_known),
            _of_present(max, self.newest_event, other.newest_event),
        )


def _of_present(choose: Callable[[list[int]], int], *moments: int | None) -> int | None:
    present = [moment for moment in moments if moment is not None]
    return choose(present) if present else None


_COLUMNS = [table.c[field.name] for field in fields(Spans)]


def record(state: State, record_id: int, spans: Spans) -> None:
    """Keep the spans of the partition that a record is about."""
    with state.writing() as connection:
        connection.execute(insert(table).values((record_id, *astuple(spans))))


def of_table(state: State, name: str) -> Mapping[str, Spans] | None:
    """The spans of every partition of a validated table on record; None where one of them has none yet.

    Records of older code have none until `record` adds them. Inside `reading()` they are read once.
    """
    return state.once(f"recorded spans of {name}", lambda: _of_table(state, name))


@dataclass(frozen=True)
class Ends:
    """Of a whole validated table: the first moment at which a row may be used, and its newest event time."""

    first_usable: int | None
    newest_event: int | None


def ends(state: State, name: str) -> Ends:
    """The ends of a table, by the newest record of each partition."""
    chosen = select(func.min(table.c.first_usable), func.max(table.c.newest_event))
    row = state.first(chosen.where(table.c.record_id.in_(_newest(name))))
    return Ends(None, None) if row is None else Ends(*row)


def history(state: State, name: str, partition: str, *, after: int) -> list[Spans | None]:
    """The spans of a partition's records after the record id `after`, and those of the last one before.

    None for a record without.
    """
    chosen = select(records.c.id, table.c.record_id, *_COLUMNS)
    chosen = chosen.outerjoin(table, table.c.record_id == records.c.id)
    mine = chosen.where(records.c.asset == f"validated/{name}", records.c.partition == partition)
    rows = state.rows(mine.order_by(records.c.id))
    counted = [*[row for row in rows if row[0] <= after][-1:], *[row for row in rows if row[0] > after]]
    return [None if row[1] is None else Spans(*row[2:]) for row in counted]


def missing(state: State, name: str) -> dict[str, int]:
    """The partitions of a validated table whose record has no spans, with the id of the record."""
    chosen = select(records.c.partition, records.c.id).outerjoin(table, table.c.record_id == records.c.id)
    rows = state.rows(chosen.where(records.c.id.in_(_newest(name)), table.c.record_id.is_(None)))
    return {partition: number for partition, number in rows}


def _of_table(state: State, name: str) -> dict[str, Spans] | None:
    chosen = select(records.c.partition, table.c.record_id, *_COLUMNS)
    chosen = chosen.outerjoin(table, table.c.record_id == records.c.id).where(records.c.id.in_(_newest(name)))
    rows = state.rows(chosen)
    if any(row[1] is None for row in rows):
        return None
    return {row[0]: Spans(*row[2:]) for row in rows}


def _newest(name: str) -> Select[Any]:
    return select(func.max(records.c.id)).where(records.c.asset == f"validated/{name}").group_by(records.c.partition)
