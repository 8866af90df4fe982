"""Typed results of steps, for the steps and views that use them.

A result is stored as JSON with its record, with its kind and the version of its shape. Only this module writes and
reads that JSON. Display values are stored separately (`display`), and no code decides by them.
"""

import json
import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import lru_cache
from typing import Any, ClassVar, Literal

from ml_platform.errors import StateError

ChampionOutcome = Literal["promoted", "kept", "skipped", "blocked", "waiting"]

KINDS: dict[str, "type[Result]"] = {}  # by kind; a new one is known as soon as its class is defined


@dataclass(frozen=True)
class Result:
    """The result of a step. `kind` names the class in JSON; `version` is raised when its shape changes.

    `passes_on`: whether data of the output flow into its readers. Steps that only judge pass nothing on.
    """

    kind: ClassVar[str] = "none"
    version: ClassVar[int] = 1
    passes_on: ClassVar[bool] = False

    @property
    def link(self) -> str:
        """Where a page about the output is, as an address; empty without one."""
        return ""

    @property
    def judged(self) -> bool:
        """Whether its checks judged anything; False of a step that judges candidates and had none."""
        return True

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        other = KINDS.get(cls.kind)
        if "kind" not in cls.__dict__ or (other is not None and other.__qualname__ != cls.__qualname__):
            raise TypeError(f"{cls.__name__} needs a kind of its own; {cls.kind!r} is {other and other.__name__}'s.")
        KINDS[cls.kind] = cls


@dataclass(frozen=True)
class RawResult(Result):
    """The landed files that one transaction ingested, by path."""

    kind: ClassVar[str] = "raw"
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class ValidatedResult(Result):
    """What a partition of a validated table holds, and what became of the rows of its standing files.

    `rows` counts current rows, `versions` superseded ones too. `by_rule`: rejected rows by rule, most
    first. `dropped`: rows that `clean` left out. `overruled`: rows that a later arrival corrected.
    """

    kind: ClassVar[str] = "validated"
    passes_on: ClassVar[bool] = True
    rows: int = 0
    versions: int = 0
    quarantined: int = 0
    by_rule: Mapping[str, int] = field(default_factory=dict)
    duplicates: int = 0
    dropped: int = 0
    overruled: int = 0
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class FeaturesResult(Result):
    """How many feature columns were computed."""

    kind: ClassVar[str] = "features"
    passes_on: ClassVar[bool] = True
    features: int = 0


@dataclass(frozen=True)
class PredictionsResult(Result):
    """The version that scored the partition; None: there was no champion."""

    kind: ClassVar[str] = "predictions"
    passes_on: ClassVar[bool] = True
    champion: int | None = None


@dataclass(frozen=True)
class PerformanceResult(Result):
    """The champion that was measured and its labelled rows; None and 0 while no label is known."""

    kind: ClassVar[str] = "performance"
    champion: int | None = None
    labelled: int = 0


@dataclass(frozen=True)
class DriftResult(Result):
    """The champion whose training data were compared, and the weighted PSI; None: nothing to compare.

    rows:     of the partition; None in results of version 1.
    moved, nulls, unseen: columns that break a rule of their own, with the figure (`monitoring.drift_rules`).
    calendar: columns that tell the time and were left out.
    """

    kind: ClassVar[str] = "drift"
    version: ClassVar[int] = 2
    champion: int | None = None
    weighted: float | None = None
    rows: int | None = None
    moved: Mapping[str, float] = field(default_factory=dict)
    nulls: Mapping[str, float] = field(default_factory=dict)
    unseen: Mapping[str, float] = field(default_factory=dict)
    calendar: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReportResult(Result):
    """The figures that a drawn report shows; `url` is empty where none was drawn."""

    kind: ClassVar[str] = "report"
    champion: int | None = None
    rows: int | None = None
    weighted_drift: float | None = None
    score_psi: float | None = None
    metric: str = ""
    realised: float | None = None
    url: str = ""

    @property
    def link(self) -> str:
        return self.url


@dataclass(frozen=True)
class DecisionResult(Result):
    """Whether to train after the partition: triggered, skipped or manual."""

    kind: ClassVar[str] = "decision"
    outcome: str = ""

    @property
    def trains(self) -> bool:
        """Whether the decision starts a training."""
        return self.outcome != "skipped"


@dataclass(frozen=True)
class TrainingSetResult(Result):
    """The training set as `TrainingSet.to_details` gives it; None when the decision was skipped."""

    kind: ClassVar[str] = "training_set"
    passes_on: ClassVar[bool] = True
    details: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class CandidateResult(Result):
    """The trained version and the digest of its training set; None and "" when the decision was skipped.

    reads: the columns that it was made from: `table`, `column`, `use`, `features` of each. Empty in records from before
        they were kept.
    """

    kind: ClassVar[str] = "candidate"
    passes_on: ClassVar[bool] = True
    candidate: int | None = None
    training_set: str = ""
    reads: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class VerdictsResult(Result):
    """How many gates the candidate passed, and of how many; None when there was no candidate."""

    kind: ClassVar[str] = "verdicts"
    candidate: int | None = None
    passed: int = 0
    gates: int = 0

    @property
    def judged(self) -> bool:
        """Whether there was a candidate."""
        return self.candidate is not None


@dataclass(frozen=True)
class ChampionResult(Result):
    """What became of the candidate, why, and the version that serves from then on; None: no champion."""

    kind: ClassVar[str] = "champion"
    outcome: ChampionOutcome = "skipped"
    candidate: int | None = None
    champion: int | None = None
    reasons: tuple[str, ...] = ()

    @property
    def judged(self) -> bool:
        """Whether there was a candidate."""
        return self.candidate is not None

    @property
    def undecided(self) -> bool:
        """Whether the candidate is tried again: it is blocked by data, or waits for a measurement."""
        return self.outcome in ("blocked", "waiting")


@dataclass(frozen=True)
class ComparisonResult(Result):
    """How many logged answers of the service were computed again, and what came of them (`serving.log_comparison`).

    left_out: how many of the same time count in no comparison, because the request changed features (S44).
    through:  when the newest of them was moved to the lake, in ISO 8601. The next comparison begins after it.
    """

    kind: ClassVar[str] = "comparison"
    compared: int = 0
    wrong: int = 0
    late: int = 0
    undecided: int = 0
    other_inputs: int = 0
    left_out: int = 0
    through: str = ""


@dataclass(frozen=True)
class IntegrationResult(Result):
    """The integration test of a version: its bundle, and whether it passed; None: the machine was too busy to tell."""

    kind: ClassVar[str] = "integration"
    tested_version: int = 0
    bundle: str = ""
    passed: bool | None = None


KINDS[Result.kind] = Result


def passes_on(node_kind: str) -> bool:
    """Whether data of a node of the lineage graph flow into its readers.

    >>> passes_on("features"), passes_on("verdicts")
    (True, False)
    """
    return node_kind in ("file", "version") or KINDS.get(node_kind, Result).passes_on


def to_json(result: Result) -> str:
    """The stored form of a result.

    >>> to_json(PredictionsResult(champion=3))
    '{"kind": "predictions", "version": 1, "champion": 3}'
    """
    return json.dumps({"kind": result.kind, "version": result.version, **asdict(result)}, allow_nan=False)


@lru_cache(maxsize=1_000)  # thousands of decisions have one of three forms
def from_json(text: str) -> Result:
    """The result of a stored form. Raises StateError for a kind or version that this code does not know.

    >>> from_json('{"kind": "predictions", "version": 1, "champion": 3}')
    PredictionsResult(champion=3)
    """
    stored = json.loads(text)
    kind, version = stored.pop("kind"), stored.pop("version")
    cls = KINDS.get(kind)
    if cls is None or version > cls.version:
        raise StateError(
            f"A record has a result of kind {kind!r}, version {version}, which this version does not know.",
            remedy="Use the version of ml_platform that wrote it, or a newer one.",
        )
    names = {f.name: f.type for f in fields(cls)}
    hints = _hints(kind)
    values = {name: value for name, value in stored.items() if name in names}
    values.update({n: tuple(v) for n, v in values.items() if typing.get_origin(hints[n]) is tuple})
    return cls(**values)


@lru_cache
def _hints(kind: str) -> dict[str, Any]:
    """The types of the fields of a kind of results. Looking them up takes ten times as long as the rest."""
    return typing.get_type_hints(KINDS[kind])
