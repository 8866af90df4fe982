"""What a run would do and why, before it does it and without an effect.

The planner plans each run after the one before it was executed. A forecast asks it the same questions at one moment
only. So it tells apart what a run makes whatever comes before (`will`), and what depends on its results (`may`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from ml_platform.errors import OrderError
from ml_platform.runtime.planner import Planner
from ml_platform.runtime.recorded_durations import recorded_durations
from ml_platform.runtime.stale_reasons import Reason, reason_of
from ml_platform.runtime.stale_tables import Assets, lost_needs, stale_ingestion
from ml_platform.runtime.step import Job
from ml_platform.spec.examples import Label
from ml_platform.spec.partitions import WHOLE
from ml_platform.state import decisions, ledger
from ml_platform.state.results import ChampionResult

Certainty = Literal["will", "may"]
LaterKind = Literal["after_ingestion", "after_decision", "after_champion", "after_changes", "after_labels"]
BlockKind = Literal["source_unavailable", "file_refused", "incomplete", "blocked_by_data", "gate_waits"]
_CERTAIN = ("never_made", "lost_output", "changed_declaration", "new_data", "read_again", "unfinished_checks")


@dataclass(frozen=True)
class PlannedAsset:
    """One asset that would be made. `seconds`: an estimate from recorded durations; None: none is on record."""

    asset: str
    partition: str
    certainty: Certainty
    reason: Reason
    seconds: float | None


@dataclass(frozen=True)
class PlannedRun:
    """One run: its job and partition, and the assets that it would make."""

    job: Job
    partition: str
    certainty: Certainty
    assets: tuple[PlannedAsset, ...]


@dataclass(frozen=True)
class Later:
    """What depends on a result of the run, and is not listed as a planned run.

    `job` and `partitions` (first and last, inclusive; empty: open) bound what it may be.
    """

    kind: LaterKind
    job: Job | None
    first: str
    last: str
    text: str

    def covers(self, job: Job, partition: str) -> bool:
        """Whether a run of that job and partition is among what it may be."""
        within = (not self.first or partition >= self.first) and (not self.last or partition <= self.last)
        return (self.job is None or self.job == job) and within


@dataclass(frozen=True)
class Block:
    """Something that keeps a step from being made, or a candidate from being promoted."""

    kind: BlockKind
    text: str


@dataclass(frozen=True)
class Forecast:
    """What a run would do. `has_work` is false where it would launch nothing."""

    pipeline: str
    runs: tuple[PlannedRun, ...] = ()
    later: tuple[Later, ...] = ()
    blocks: tuple[Block, ...] = field(default_factory=tuple)

    @property
    def has_work(self) -> bool:
        return bool(self.runs)

    @property
    def seconds(self) -> float:
        """The sum of the known estimates of what will be made."""
        return sum(asset.seconds or 0.0 for run in self.runs for asset in run.assets if asset.certainty == "will")

    @property
    def not_estimated(self) -> tuple[str, ...]:
        """The assets that will be made and of which no duration is on record."""
        will = (one for run in self.runs for one in run.assets if one.certainty == "will" and one.seconds is None)
        return tuple(dict.fromkeys(one.asset for one in will))


def forecast(planner: Planner, through: str | None = None, only: str | None = None) -> Forecast:
    """What `planner.work(through, only)` would yield, as far as that can be told now. Reads only.

    Raises NotFoundError for a partition that the pipeline does not have, and OrderError for `only` where it is not
    complete and nothing waits that could complete it.
    """
    keys = planner.pipeline.partition_keys(through or only)
    with planner.ws.reading():
        blocks = tuple(_blocks(planner))
        if not keys:
            return Forecast(planner.pipeline.name, blocks=blocks)
        runs = _Runs(planner)
        for partition, lost in lost_needs(planner.ws, planner.pipeline):
            runs.add("data", partition, lost)
        ingestion = stale_ingestion(planner.ws, planner.pipeline)
        runs.ingests = bool(ingestion)
        runs.add("data", keys[0], ingestion)
        try:
            partitions, begin, history = planner.first_look(through, only)
        except OrderError:
            if not ingestion:
                raise
            partitions, begin, history = [], None, {}
        for partition, stale in history.items():
            runs.add("data", partition, stale)
        while begin is not None:
            for job in get_args(Job):
                runs.add(job, partitions[begin], planner.stale_assets(job, partitions[begin]))
            begin = planner.first_stale(partitions, begin + 1)
        later = tuple(_later(planner, runs, through, only))
        return Forecast(planner.pipeline.name, tuple(runs.planned), later, blocks)


class _Runs:
    """Collects runs in the order in which they would be launched."""

    def __init__(self, planner: Planner) -> None:
        self._planner = planner
        self._seconds = recorded_durations(planner.ws.state, planner.pipeline)
        self.planned = list[PlannedRun]()
        self.ingests = False

    def add(self, job: Job, partition: str, stale: Assets) -> None:
        """Add the run that makes these assets; nothing where there are none."""
        if not stale:
            return
        assets, own = list[PlannedAsset](), self._planner.pipeline.name
        trains = job == "data" or self._is_decided(partition)
        for key in stale:
            reason = reason_of(self._planner, key, partition, stale)
            name = "/".join(key)
            follows = reason.kind == "follows" and any(
                one.asset in reason.about and one.certainty == "will" for one in assets
            )
            sure = trains and (not self.planned or key[0] != own or follows or reason.kind in _CERTAIN)
            where = WHOLE if self._is_whole(key) else partition
            timed = f"validated/{key[1]}" if key[0] == "quarantine" else name
            seconds = 0.0 if key[0] == "quarantine" else self._seconds.get(timed)
            assets.append(PlannedAsset(name, where, "will" if sure else "may", reason, seconds))
        certainty: Certainty = "will" if any(one.certainty == "will" for one in assets) else "may"
        self.planned.append(PlannedRun(job, partition, certainty, tuple(assets)))

    def _is_whole(self, key: Sequence[str]) -> bool:
        layer, name = key
        return layer == "raw" or (layer != self._planner.pipeline.name and self._planner.ws.slices.get(name) is None)

    def _is_decided(self, partition: str) -> bool:
        """Whether a training is sure: its decision stands, and no run before it may change that."""
        planner = self._planner
        decision = decisions.current_of(planner.ws.state, planner.pipeline.name, partition)
        return not self.planned and decision is not None and decision.trains


def _later(planner: Planner, runs: _Runs, through: str | None, only: str | None) -> Iterator[Later]:
    """What depends on results of the planned runs."""
    if not runs.planned:
        return
    last = through or only or ""
    if runs.ingests:
        yield Later("after_ingestion", None, only or "", last, "what the new data change or complete")
    own = [run for run in runs.planned if any(one.asset.startswith(f"{planner.pipeline.name}/") for one in run.assets)]
    if not own:
        if planner.pipeline.partitions is None or not runs.ingests:
            yield Later("after_changes", None, only or "", last, "what is made of the tables")
        return
    if planner.pipeline.partitions is None:
        yield Later("after_decision", "train", "", "", "a training, where the decision wants one")
        yield Later("after_champion", "data", "", "", "predictions of a new champion")
        return
    for run in own:
        if run.job == "data" and any(one.asset.endswith("/decision") for one in run.assets):
            text = f"a training after {run.partition}, where its decision wants one"
            yield Later("after_decision", "train", run.partition, run.partition, text)
    if only is None:
        text = f"partitions after {own[0].partition}, where its results change their inputs or their champion"
        yield Later("after_changes", None, own[0].partition, last, text)
        if isinstance(planner.pipeline.examples.label, Label):
            text = "performance of earlier partitions, where later ones bring their labels"
            yield Later("after_labels", "data", "", last, text)


def _blocks(planner: Planner) -> Iterator[Block]:
    """What stands in the way now."""
    for look in planner.pending():
        if look.unavailable is not None:
            yield Block("source_unavailable", look.problems[0])
        yield from (Block("file_refused", refusal.error) for refusal in look.refused)
    yield from (Block("incomplete", sentence) for sentence in dict.fromkeys(planner.awaited()))
    newest = planner.complete()[-1:]
    record = ledger.latest_of(planner.ws.state, f"{planner.pipeline.name}/champion", newest[0]) if newest else None
    result = record.result_as(ChampionResult) if record else ChampionResult()
    if result.undecided:
        kind: BlockKind = "blocked_by_data" if result.outcome == "blocked" else "gate_waits"
        name = f"{planner.pipeline.name}@{result.candidate}"
        yield from (Block(kind, f"{name}: {reason}") for reason in result.reasons)
