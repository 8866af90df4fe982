"""The model card as values. Every rendering reads this, and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from ml_platform.evaluation.segments import Gap, SegmentMetric

CARD_FORM = 1  # of the JSON form; raised when a reader of the older form could not read it


@dataclass(frozen=True)
class Target:
    """What is predicted.

    label: the label in words. table: where it is read. matures_after: a span such as "30d" after which an absent label
    counts as false; None: a label is known when its row is. headline: the metric that represents the pipeline.
    """

    task: str
    label: str
    table: str
    predicts_at: str | None
    matures_after: str | None
    classes: tuple[str, ...]
    headline: str


@dataclass(frozen=True)
class PartRows:
    """A part of the training set: its first and last prediction time, ISO 8601 (empty without time), and its rows."""

    part: str
    first: str
    last: str
    rows: int


@dataclass(frozen=True)
class Training:
    """From what the version was made, and when. Digests are SHA-256; `immature`: examples without a label by then."""

    partition: str
    decided_at: datetime | None
    decision: str
    trained_at: datetime
    run_id: str
    content_key: str
    code_version: str
    training_set: str
    bundle: str
    bundle_bytes: int | None
    model_format: str
    parts: tuple[PartRows, ...]
    immature: int | None
    parameters: Mapping[str, Any]
    environment: Mapping[str, Any]


@dataclass(frozen=True)
class TableRead:
    """A table that the training set was made from.

    partitions: how many of its validated partitions, with `rows` rows. snapshots: the lake's snapshots that wrote them,
    as far as they have not expired. files, bytes: the landed files behind them; `files_digest` is the SHA-256 of their
    lines "<SHA-256> <path>", sorted. first_arrival, last_arrival: of these files.
    """

    table: str
    partitions: int
    rows: int
    snapshots: tuple[int, ...]
    files: int
    bytes: int
    files_digest: str
    first_arrival: datetime | None
    last_arrival: datetime | None


@dataclass(frozen=True)
class Feature:
    """A column that the model sees.

    importance: its share. tables: those that its value is read from. available_since: before it the value is null
    (S14); None: ever. Of the training part: `null_share`; `lowest` and `highest` of a number; `levels` of a text.
    unseen_share: of the holdout's rows, those with a text that training did not have.
    """

    name: str
    type: str
    importance: float | None
    tables: tuple[str, ...]
    available_since: datetime | None
    null_share: float | None = None
    lowest: float | None = None
    highest: float | None = None
    levels: int | None = None
    unseen_share: float | None = None


@dataclass(frozen=True)
class Selected:
    """A column that `Select` judged; value: the number that decided, None for a column that has none."""

    column: str
    kept: bool
    value: float | None
    reason: str


@dataclass(frozen=True)
class Metric:
    """A metric on the holdout; low, high: None where no interval was measured, or these rows do not define it."""

    name: str
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Gate:
    """What a gate found: of the whole (`segment` empty), or of one segment."""

    gate: str
    segment: str
    metric: str
    outcome: str
    severity: str
    value: float | None
    threshold: float | None
    low: float | None
    high: float | None
    rows: int
    detail: str
    measurement: int


@dataclass(frozen=True)
class DriftSoFar:
    """Of a partition that the version scored: the weighted PSI, and the columns that moved most, with theirs."""

    partition: str
    rows: int
    weighted: float | None
    most: Mapping[str, float]


@dataclass(frozen=True)
class Realised:
    """A metric of the version on a partition, by the labels that are known now."""

    partition: str
    role: str
    metric: str
    value: float | None
    low: float | None
    high: float | None
    rows: int
    unlabelled: int


@dataclass(frozen=True)
class Limit:
    """Something that a user of the model must know. kind: declared, or where it was found."""

    kind: Literal[
        "declared", "gate", "time", "label", "nulls", "range", "categories", "weights", "segments", "availability"
    ]
    text: str


@dataclass(frozen=True)
class Reproduction:
    """Whether training again gave the same bytes; None: it was not tried, or could not be told."""

    identical: bool | None
    detail: str
    measured_at: datetime | None


@dataclass(frozen=True)
class Change:
    """An entry of the promotion log about the version. what: promoted, rolled back to, replaced, kept out."""

    what: str
    effective_at: datetime
    actor: str
    reason: str
    overrides: str


@dataclass(frozen=True)
class SoFar:
    """What happened since the training; of a card that is stored with its version there is none.

    serves: in words.
    """

    serves: str
    drift: tuple[DriftSoFar, ...]
    realised: tuple[Realised, ...]


@dataclass(frozen=True)
class Comparison:
    """What the card measured itself, on `rows` rows of the holdout's `of_rows`, evenly spread.

    compared: columns whose values are segments. left_out: of a column, what is not listed and why.
    """

    compared: tuple[str, ...]
    segments: tuple[SegmentMetric, ...]
    gaps: tuple[Gap, ...]
    left_out: Mapping[str, str]
    rows: int
    of_rows: int


@dataclass(frozen=True)
class ModelCard:
    """The card of one version.

    so_far, tables, comparison, and what features say of the training part: None or empty where the card is the one
    that is stored with its version, which is made in a moment and never changes.
    """

    format: int
    pipeline: str
    version: int
    description: str
    purpose: str
    owners: tuple[str, ...]
    target: Target
    training: Training
    tables: tuple[TableRead, ...]
    failed_checks: tuple[str, ...]
    features: tuple[Feature, ...]
    metrics: tuple[Metric, ...]
    comparison: Comparison | None
    gates: tuple[Gate, ...]
    reproduction: Reproduction
    so_far: SoFar | None
    limits: tuple[Limit, ...]
    changes: tuple[Change, ...]
    selection: tuple[Selected, ...] = ()

    @property
    def name(self) -> str:
        """The name of the version: pipeline@version."""
        return f"{self.pipeline}@{self.version}"
