"""The content keys that outputs of a pipeline would have if they were made now (S31)."""

from ml_platform.errors import NotFoundError, OrderError
from ml_platform.lake import snapshots
from ml_platform.runtime.step import Step
from ml_platform.runtime.workspace import Workspace
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import settled_plans

_Keys = dict[tuple[str, str], str | None]  # by step and partition


class CurrentKeys:
    """Content keys, each computed once while the operational state and the lake stay as they are.

    A plan of everything asks for each of them three times: what is stale, what stands, what is outdated.
    """

    def __init__(self, ws: Workspace, pipeline: ModelPipeline) -> None:
        self._ws, self._pipeline = ws, pipeline
        self._moment: object = None
        self._keys: _Keys = {}

    def of(self, step: Step, partition: str) -> str | None:
        """The key of a step's output; None while an upstream asset was never made."""
        if not self._ws.state.is_reading:
            return self._computed(step, partition)
        keys = self._ws.state.once(f"content keys {id(self)}", self._of_this_moment)
        which = step.name, partition
        if which not in keys:
            keys[which] = self._computed(step, partition)
        return keys[which]

    def _computed(self, step: Step, partition: str) -> str | None:
        try:
            return step.key(self._ws, self._pipeline, partition).content_key
        except (OrderError, NotFoundError):
            return None

    def _of_this_moment(self) -> _Keys:
        """Those that were computed at this moment of state and lake. All that keys are made of is in numbered rows."""
        moment = settled_plans.newest_numbers(self._ws.state), snapshots.current(self._ws.lake)
        if self._moment != moment:
            self._moment, self._keys = moment, {}
        return self._keys
