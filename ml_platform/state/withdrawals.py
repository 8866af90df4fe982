"""Files whose rows were withdrawn: by a person, with the reason, or because their content is under another name now.

A withdrawal is a version of the file without rows, which arrives like a correction (S6). This table says why.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, insert, select, update

from ml_platform.state.database import State
from ml_platform.state.files import FileVersion, versions
from ml_platform.state.schema import withdrawals

NO_CONTENT = hashlib.sha256(b"withdrawn").hexdigest()  # in the place of the hash of a withdrawn file's content


@dataclass(frozen=True)
class Withdrawal:
    """A file that was withdrawn. `sha256` is the content that stood until then.

    by_hand: whether a person did it; the file then stays out until it is landed again. Of a renamed file the rows
    stand under its other name.
    """

    file_id: str
    path: str
    sha256: str
    why: str
    actor: str
    by_hand: bool
    recorded_at: datetime


def record(
    state: State, table: str, version: FileVersion, content: str, *, why: str, actor: str, by_hand: bool
) -> None:
    """Record why a version without rows stands for a path. `content` is the hash of what stood before."""
    values = {"table_name": table, "file_id": version.file_id, "path": version.path, "sha256": content}
    with state.writing() as connection:
        connection.execute(
            insert(withdrawals).values(
                **values, why=why, actor=actor, by_hand=by_hand, recorded_at=state.stamp(), ended_at=None
            )
        )


def standing(state: State, table: str) -> dict[str, Withdrawal]:
    """The withdrawals of a table that are not ended and after which no other content came, by path."""
    columns = [withdrawals.c[name] for name in Withdrawal.__dataclass_fields__]
    mine = and_(withdrawals.c.table_name == table, withdrawals.c.ended_at.is_(None))
    recorded = [Withdrawal(*row) for row in state.rows(select(*columns).where(mine).order_by(withdrawals.c.id))]
    if not recorded:
        return {}
    newest = {version.path: version.file_id for version in versions(state, table) if version.status != "refused"}
    return {one.path: one for one in recorded if newest.get(one.path) == one.file_id}


def end(state: State, table: str, paths: Iterable[str]) -> None:
    """End the withdrawals of paths that are landed again: the next run reads the files."""
    with state.writing() as connection:
        for path in paths:
            mine = and_(withdrawals.c.table_name == table, withdrawals.c.path == path)
            connection.execute(
                update(withdrawals).where(mine, withdrawals.c.ended_at.is_(None)).values(ended_at=state.stamp())
            )
