"""Answers one query of a person, about the lake and the operational state."""

from ml_platform.lake.connection import Lake
from ml_platform.lake.query import Answer, ask
from ml_platform.settings import Settings
from ml_platform.state.attached import attach


def answer(settings: Settings, sql: str, *, limit: int | None) -> Answer:
    """The answer to one reading statement, as of now; the operational state is `state`. At most `limit` rows.

    The lake is opened for this query alone, because a query locks its connection (`ml_platform.lake.query`).
    Raises QuestionRefused for anything but one reading statement and for SQL that fails, and LakeError without a lake.
    """
    with Lake(settings, read_only=True) as lake:
        attach(lake)
        return ask(lake, sql, limit=limit)
