"""Records of screenings: the result of one file version under one screening key. The rows are a blob."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import and_, delete, insert, select

from ml_platform.state.database import State
from ml_platform.state.schema import screenings


@dataclass(frozen=True)
class ScreeningRecord:
    """One row. `partitions` is JSON: partition → [valid, rejected, duplicates, dropped]. `error`: why it is refused."""

    table_name: str
    file_id: str
    screening_key: str
    digest: str
    rows: int
    refused: int
    duplicates: int
    dropped: int
    partitions: str
    error: str | None


def of_key(state: State, table: str, key: str) -> list[ScreeningRecord]:
    """The screenings of a table's files under one key."""
    columns = [screenings.c[name] for name in ScreeningRecord.__dataclass_fields__]
    chosen = select(*columns).where(screenings.c.table_name == table, screenings.c.screening_key == key)
    return [ScreeningRecord(*row) for row in state.rows(chosen.order_by(screenings.c.id))]


def record(state: State, batch: Sequence[ScreeningRecord]) -> None:
    """Record screenings. One with the same file and key replaces the earlier one."""
    with state.writing() as connection:
        for one in batch:
            same = and_(
                screenings.c.table_name == one.table_name,
                screenings.c.file_id == one.file_id,
                screenings.c.screening_key == one.screening_key,
            )
            connection.execute(delete(screenings).where(same))
            connection.execute(insert(screenings).values(**asdict(one), recorded_at=state.stamp()))
