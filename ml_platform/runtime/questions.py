"""Answers one query of a person, about the lake and the operational state."""

from contextlib import closing

from ml_platform.lake.query import Answer, ask
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.state.attached import attach


def answer(settings: Settings, sql: str, *, limit: int | None) -> Answer:
    """The answer to one reading statement, as of now; the operational state is `state`. At most `limit` rows.

    Lake and state are opened for this query alone, because a query locks its connection (`ml_platform.lake.query`).
    Those of an older version are migrated first. Raises QuestionRefused for anything but one reading statement and for
    SQL that fails, LakeError without a lake, and StateError where lake and state do not belong together.
    """
    with closing(Workspace.open_for_reading(settings, {})) as workspace:
        attach(workspace.lake)
        return ask(workspace.lake, sql, limit=limit)
