"""Which assets of a partition would change if its jobs ran now, and why: content keys of today and on record (S32)."""

from collections.abc import Sequence

from ml_platform.runtime.current_keys import CurrentKeys
from ml_platform.runtime.settled import lacked_examples, settled_steps
from ml_platform.runtime.stale_tables import Assets, stale_tables
from ml_platform.runtime.step import Job, Step
from ml_platform.runtime.workspace import Workspace, intact
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import decisions, ledger


class Staleness:
    """Compares the steps of a pipeline with the ledger. It only reads.

    Settled steps count as current unless `recompute` is set.
    """

    def __init__(self, ws: Workspace, pipeline: ModelPipeline, steps: Sequence[Step], *, recompute: bool) -> None:
        self._ws, self._pipeline, self._steps = ws, pipeline, steps
        self._recompute = recompute
        self._keys = CurrentKeys(ws, pipeline)

    def plan(self, job: Job, partition: str, *, with_outdated: bool = False) -> tuple[Assets, Assets]:
        """The stale assets of a job and, if asked for, the outdated ones that are kept because they are settled."""
        if job == "train" and self._nothing_to_train(partition):
            return [], []
        stale = stale_tables(self._ws, self._pipeline, partition) if job == "data" else []
        lost, outdated = Assets(), Assets()  # what is lost and made again is no change
        settled = frozenset() if self._recompute else self._settled(partition, stale)
        for step in self._steps:
            if step.job != job:
                continue
            asset = [self._pipeline.name, step.name]
            made_of = [list(upstream) for upstream in step.stale_with(self._pipeline)]
            follows = any(key in stale for key in made_of)
            if step.name not in settled or (step.stands_until and follows):
                if follows or self._step_is_stale(step, partition):
                    stale.append(asset)
            elif self._is_lost(step, partition):
                stale.append(asset)
                lost.append(asset)
            elif with_outdated and (
                any(key in [*stale, *outdated] and key not in lost for key in made_of)
                or self._step_is_stale(step, partition)
            ):
                outdated.append(asset)
        return stale, outdated

    def _settled(self, partition: str, stale: Assets) -> frozenset[str]:
        """The steps that are settled; none where stale tables may bring the missing examples."""
        come = ["validated", self._pipeline.examples.table] in stale
        if come and lacked_examples(self._ws, self._pipeline, partition):
            return frozenset()
        return settled_steps(self._ws, self._pipeline, self._steps, partition)

    def _nothing_to_train(self, partition: str) -> bool:
        """Whether the decision was skipped and no earlier training of the partition is revoked by it (S21)."""
        first = next(step for step in self._steps if step.job == "train")
        decided = decisions.current_of(self._ws.state, self._pipeline.name, partition)
        return self._record(first, partition) is None and decided is not None and not decided.trains

    def _step_is_stale(self, step: Step, partition: str) -> bool:
        last = self._record(step, partition)
        if last is None or last.content_key != self._keys.of(step, partition):
            return True
        return not intact(self._ws, last, step.table(self._pipeline))

    def _is_lost(self, step: Step, partition: str) -> bool:
        """Whether the recorded output is damaged or missing and can be recomputed unchanged."""
        last = self._record(step, partition)
        if last is None or intact(self._ws, last, step.table(self._pipeline)):
            return False
        return last.content_key == self._keys.of(step, partition)

    def _record(self, step: Step, partition: str) -> ledger.Record | None:
        return ledger.latest_of(self._ws.state, step.asset(self._pipeline), partition)
