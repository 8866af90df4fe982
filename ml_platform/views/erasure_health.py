"""Health checks of erasures: one that is not finished, and a lost salt (S47)."""

from collections.abc import Iterator, Sequence

from ml_platform.lake.unfinished_erasure import is_unfinished
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state.database import State
from ml_platform.state.erasures import is_salt_lost, salt_file
from ml_platform.views.health_finding import Finding


def erasures(state: State, _: Sequence[ModelPipeline]) -> Iterator[Finding]:
    """An erasure that was stopped, and whether forgotten keys can still be noticed."""
    if is_unfinished(state.settings):
        detail = "rows are being forgotten, and that is not finished: nothing else writes to the lake"
        yield Finding("erasure", "bad", detail, "If it was stopped: `ml-platform forget --resume`.")
    if is_salt_lost(state):
        detail = f"{salt_file(state.settings)} is gone: forgotten keys that arrive again are not noticed"
        yield Finding("erasure", "warn", detail, "Put a copy of the file back, if there is one.")
