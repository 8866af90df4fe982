"""The decision to train. It is pure, so it can be replayed over history."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from ml_platform.spec.durations import period
from ml_platform.spec.training import Retrain

Kind = Literal["triggered", "skipped", "manual"]


@dataclass(frozen=True)
class Performance:
    """The champion's headline metric on a partition and on its holdout."""

    metric: str
    realised: float
    holdout: float
    higher_is_better: bool

    @property
    def loss(self) -> float:
        """How much worse it was than on its holdout, in units of the metric; negative when it was better."""
        return self.holdout - self.realised if self.higher_is_better else self.realised - self.holdout


@dataclass(frozen=True)
class ManualRequest:
    """A person asks for a training.

    by:       who asks.
    why:      the reason.
    replaces: marks an earlier request that this one replaces, if that is settled.
    """

    by: str
    why: str
    replaces: str = ""


@dataclass(frozen=True)
class Evidence:
    """The input of the policy. None means unknown: no champion, no labels, no drift figure.

    since_triggered: partitions since the last training; None: there was none.
    labelled:        known labels; None: nobody counted them, because nothing could have triggered a training.
    lacking:         why the labels do not suffice for a training; empty when they do.
    ends:            the end of the partition, UTC.
    trained:         the end of the partition that was trained on last, UTC.
    moved:           important columns that drifted by themselves, with their PSI.
    partitioned:     whether the pipeline has partitions. Without, each change of its data is trained on.
    """

    since_triggered: int | None
    labelled: int | None
    lacking: str
    drift: float | None = None
    performance: Performance | None = None
    manual: ManualRequest | None = None
    ends: datetime | None = None
    trained: datetime | None = None
    moved: Mapping[str, float] = field(default_factory=dict)
    partitioned: bool = True


@dataclass(frozen=True)
class Decision:
    """Triggered, skipped or manual, with the reason as text."""

    outcome: Kind
    reason: str

    @property
    def trains(self) -> bool:
        """Whether a training follows."""
        return self.outcome != "skipped"


# The end of the reason where no training is on record for an earlier partition.
_FIRST = {
    True: " and no partition before this one was trained on.",
    False: ". A pipeline without partitions is trained whenever its data or its declaration change.",
}


def decide(policy: Retrain, evidence: Evidence) -> Decision:
    """Train when a person asks, or when the policy has a reason outside its cool-down; never without enough labels.

    >>> decide(Retrain(every=3), Evidence(since_triggered=1, labelled=5_000, lacking=""))
    Decision(outcome='skipped', reason='Trained 1 partition ago; due every 3.')
    """
    if evidence.lacking:
        return Decision("skipped", f"{evidence.lacking}.")
    if evidence.manual:
        return Decision("manual", f"{evidence.manual.by}: {evidence.manual.why}")
    since = evidence.since_triggered
    if since is None:
        return Decision("triggered", f"{evidence.labelled} labels are known{_FIRST[evidence.partitioned]}")
    reasons_declared = list(_reasons(policy, evidence, since))
    reasons = [words for triggers, words in reasons_declared if triggers]
    if reasons and since <= policy.cool_down:
        cooling = f"Trained {_ago(since)}; the cool-down is {_partitions(policy.cool_down)}."
        return Decision("skipped", " ".join([cooling, "Otherwise:", *reasons]))
    if reasons:
        return Decision("triggered", " ".join(reasons))
    quiet = [words for _, words in reasons_declared] or [f"Trained {_ago(since)}; no calendar is declared."]
    return Decision("skipped", " ".join(quiet))


def quiet(policy: Retrain, evidence: Evidence) -> bool:
    """Whether only the calendar could trigger and is not due. Then labels, drift and metrics need not be read."""
    if evidence.since_triggered is None or evidence.manual is not None:
        return False
    watches = policy.on_drift is not None or policy.on_performance is not None
    return not watches and not _due(policy, evidence, evidence.since_triggered)


def _due(policy: Retrain, evidence: Evidence, since: int) -> bool:
    """Whether the calendar asks for a training."""
    if policy.every is None:
        return False
    if isinstance(policy.every, int):
        return since >= policy.every
    assert evidence.ends is not None and evidence.trained is not None  # trained before, in partitions
    return period(policy.every, evidence.ends) > period(policy.every, evidence.trained)


def _reasons(policy: Retrain, evidence: Evidence, since: int) -> Iterator[tuple[bool, str]]:
    """For each declared reason, whether it triggers, and a sentence."""
    if policy.every is not None:
        if _due(policy, evidence, since):
            yield True, f"Due: trained {_ago(since)}, every {policy.every} is declared."
        else:
            yield False, f"Trained {_ago(since)}; due every {policy.every}."
    if policy.on_drift is not None:
        yield _drifted(evidence, policy.on_drift)
    if policy.on_performance is not None:
        if evidence.performance is None:
            yield False, "There is no realised performance to compare."
        else:
            yield _compared(evidence.performance, policy.on_performance)


def _drifted(evidence: Evidence, bound: float) -> tuple[bool, str]:
    """By the weighted figure, or by one important column, which may be too small a share of it to be seen there."""
    if evidence.drift is None:
        return False, "There is no drift figure."
    reaches = evidence.drift >= bound
    sentence = f"Drift {evidence.drift:.3f} {'reaches' if reaches else 'is below'} the declared {bound:g}."
    if evidence.moved:
        moved = ", ".join(f"{name} (PSI {psi:.2f})" for name, psi in evidence.moved.items())
        sentence += f" An important column drifted: {moved}."
    return reaches or bool(evidence.moved), sentence


def _compared(seen: Performance, margin: float) -> tuple[bool, str]:
    triggers = seen.loss > margin
    compared = f"{seen.metric} is {seen.realised:.4f} after {seen.holdout:.4f} on the holdout:"
    if seen.loss <= 0:
        return triggers, f"{compared} no worse."
    return (
        triggers,
        f"{compared} worse by {seen.loss:.4f}, {'more than' if triggers else 'within'} the declared {margin:g}.",
    )


def _ago(partitions: int) -> str:
    return f"{_partitions(partitions)} ago"


def _partitions(count: int) -> str:
    return f"{count} partition{'' if count == 1 else 's'}"
