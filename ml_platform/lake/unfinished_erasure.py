"""The folder of an erasure that is under way: nothing else writes to the lake until it is done (S47).

What it holds is as secret as the rows that are to be forgotten: 0700, and removed with its end.
"""

from pathlib import Path

from ml_platform.errors import LakeError
from ml_platform.settings import Settings

_PLAN = "plan.json"


def plan_folder(settings: Settings) -> Path:
    """Where the plan of an erasure is while it is under way."""
    return settings.lake / "forgetting"


def plan_file(settings: Settings) -> Path:
    """The plan; it gets its name when it is whole, and it goes last of all."""
    return plan_folder(settings) / _PLAN


def is_unfinished(settings: Settings) -> bool:
    """Whether an erasure is under way, or was killed."""
    return plan_file(settings).exists()


def refuse_unfinished_erasure(settings: Settings) -> None:
    """Raise LakeError while an erasure is under way, or was killed."""
    if is_unfinished(settings):
        raise LakeError(
            f"Rows are being forgotten in {settings.lake}, and that is not finished.",
            remedy="Wait for its end; if it was stopped, `ml-platform forget --resume` goes on.",
        )
