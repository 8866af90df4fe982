"""Stored outputs of a pipeline that are missing or damaged: training sets, bundles and reports."""

from dataclasses import dataclass

from ml_platform.runtime.planner import Planner
from ml_platform.runtime.step import Job
from ml_platform.runtime.workspace import intact
from ml_platform.spec.partitions import WHOLE
from ml_platform.state import ledger


@dataclass(frozen=True)
class LostOutput:
    """The output of a step for a partition. `made_again`: whether the next run makes it again."""

    step: str
    partition: str
    made_again: bool

    @property
    def words(self) -> str:
        """What is lost.

        >>> LostOutput("training_set", "2024-01", made_again=True).words
        'training set of 2024-01'
        """
        output = self.step.replace("_", " ")
        return output if self.partition == WHOLE else f"{output} of {self.partition}"


def lost_outputs(planner: Planner) -> list[LostOutput]:
    """The newest outputs that lie outside the tables and are missing or have other bytes, by partition and step."""
    ws, pipeline = planner.ws, planner.pipeline
    steps = {step.asset(pipeline): step for step in planner.steps}
    with ws.reading():
        lost = [
            (record.partition, steps[record.asset])
            for record in ledger.with_blobs_or_files(ws.state, list(steps))
            if not intact(ws, record, None)
        ]
        order = {step.name: position for position, step in enumerate(planner.steps)}
        lost.sort(key=lambda one: (one[0], order[one[1].name]))
        runs: dict[tuple[Job, str], list[list[str]]] = {}
        for partition, step in lost:
            if (step.job, partition) not in runs:
                runs[step.job, partition] = planner.remaining(step.job, partition)
    return [
        LostOutput(step.name, partition, made_again=[pipeline.name, step.name] in runs[step.job, partition])
        for partition, step in lost
    ]
