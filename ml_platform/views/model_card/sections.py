"""The sections of a card as tables of text: what Markdown and the page both show, in one order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from ml_platform.evaluation.segments import Gap
from ml_platform.naming import listed
from ml_platform.views.model_card import wording as say
from ml_platform.views.model_card.card import ModelCard

Cell = str
_LISTED = 400  # rows of a table; JSON has all


@dataclass(frozen=True)
class Section:
    """A title and what is below it. All of it is text, which data and people may have written.

    heads and rows: a table; none without rows. items: a list. note: a paragraph before them. bad: rows by number whose
    outcome is bad. code: columns by number that hold digests.
    """

    title: str
    heads: Sequence[str] = ()
    rows: Sequence[Sequence[Cell]] = ()
    items: Sequence[str] = ()
    note: str = ""
    bad: frozenset[int] = frozenset()
    code: frozenset[int] = field(default=frozenset())

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show."""
        return not (self.rows or self.items or self.note)


def sections(card: ModelCard) -> list[Section]:
    """Those that have something to show, in order."""
    return [section for section in _all(card) if not section.is_empty]


def _all(card: ModelCard) -> Iterator[Section]:
    yield Section("Purpose", note=card.purpose)
    yield Section("What it predicts", ("what", ""), list(say.target(card).items()))
    yield from _of_data(card)
    yield from _of_metrics(card)
    yield from _of_gates(card)
    yield from _of_features(card)
    yield from _since_then(card)
    yield Section("Limits", items=[limit.text for limit in card.limits])
    yield Section("Reproduction", note=say.reproduced(card))
    yield Section("Parameters", ("parameter", "value"), [(n, str(v)) for n, v in card.training.parameters.items()])
    yield Section("Environment", ("what", "version"), say.environment(card))


def _of_data(card: ModelCard) -> Iterator[Section]:
    parts = [(one.part, say.bound(one.first), say.bound(one.last), f"{one.rows:,}") for one in card.training.parts]
    yield Section("Data", ("part", "first", "last", "rows"), parts)
    tables = [
        (
            one.table,
            f"{one.partitions:,}",
            f"{one.rows:,}",
            _span(one.snapshots),
            f"{one.files:,}",
            one.files_digest[:16],
            say.when(one.last_arrival),
        )
        for one in card.tables
    ]
    heads = ("table", "partitions", "rows", "snapshots", "files", "hash of the files", "last arrival")
    yield Section("Tables", heads, tables, code=frozenset({5}))
    yield Section("Failed checks on its data", items=card.failed_checks)


def _span(snapshots: Sequence[int]) -> str:
    if not snapshots:
        return "expired"
    return str(snapshots[0]) if len(snapshots) == 1 else f"{snapshots[0]} to {snapshots[-1]}"


def _of_metrics(card: ModelCard) -> Iterator[Section]:
    title = f"Metrics on the holdout{say.rows_of(card.training.parts, 'holdout')}"
    metrics = [(one.name, say.number(one.value), say.between(one.low, one.high)) for one in card.metrics]
    yield Section(title, ("metric", "value", "95 % interval"), metrics)
    if card.comparison is None:
        return
    few = dict.fromkeys((one.column, one.segment, one.rows) for one in card.comparison.segments if one.too_few)
    segments = [
        (one.column, one.segment, one.metric, say.number(one.value), say.between(one.low, one.high), f"{one.rows:,}")
        for one in card.comparison.segments
        if not one.too_few
    ]
    segments += [(column, segment, "too few rows", "–", "–", f"{rows:,}") for column, segment, rows in few]
    left_out = listed([f"{name}: {why}" for name, why in card.comparison.left_out.items()], 8)
    heads = ("column", "segment", "metric", "value", "95 % interval", "rows")
    yield Section("Metrics by segment", heads, segments[:_LISTED], note=f"Not listed: {left_out}." if left_out else "")
    gaps = [
        (
            one.column,
            f"{one.segment} – {one.reference}",
            one.measure,
            say.number(one.value),
            say.between(one.low, one.high),
            f"{one.rows:,} and {one.reference_rows:,}",
            one.outcome,
        )
        for one in _known_gaps(card.comparison.gaps)
    ]
    columns_of_gaps = ("column", "segments", "measure", "difference", "95 % interval", "rows", "outcome")
    bad = frozenset(number for number, row in enumerate(gaps) if row[-1] == "differs")
    yield Section("Gaps between segments", columns_of_gaps, gaps[:_LISTED], note=say.about_gaps(card), bad=bad)


def _known_gaps(gaps: Sequence[Gap]) -> Iterator[Gap]:
    """The gaps; of a pair of segments that has too few rows for any of them, one that says so."""
    for _, of_pair in groupby(gaps, key=lambda gap: (gap.column, gap.segment, gap.reference)):
        pair = list(of_pair)
        if all(gap.outcome == "too few rows" for gap in pair):
            yield replace(pair[0], measure="every measure")
        else:
            yield from pair


def _of_gates(card: ModelCard) -> Iterator[Section]:
    whole = [gate for gate in card.gates if not gate.segment]
    parts = [gate for gate in card.gates if gate.segment]
    rows = [(g.gate, say.number(g.value), say.number(g.threshold), say.outcome(g), g.detail) for g in whole]
    bad = frozenset(n for n, gate in enumerate(whole) if gate.outcome in ("failed", "warning"))
    yield Section("Gates", ("gate", "value", "threshold", "outcome", "why"), rows, bad=bad)
    rows_of_parts = [
        (g.gate, g.segment, g.metric, say.number(g.value), say.between(g.low, g.high), f"{g.rows}", say.outcome(g))
        for g in parts
    ]
    heads = ("gate", "part", "metric", "value", "95 % interval", "rows", "outcome")
    bad = frozenset(n for n, gate in enumerate(parts) if gate.outcome in ("failed", "warning"))
    yield Section("Parts of the gates", heads, rows_of_parts, bad=bad)


def _of_features(card: ModelCard) -> Iterator[Section]:
    shares = [(one.name, f"{one.importance:.1%}") for one in card.features if one.importance is not None]
    yield Section("Features", ("feature", "share of the importance"), shares[: say.IMPORTANT])
    looked_at = any(one.null_share is not None for one in card.features)
    seen = [
        (one.name, one.type, ", ".join(one.tables), say.share(one.null_share), say.seen(one))
        for one in (card.features[:_LISTED] if looked_at else ())
    ]
    heads = ("feature", "type", "read from", "missing in training", "seen in training")
    yield Section("What it was trained on", heads, seen)
    chosen = [(one.column, "kept" if one.kept else "dropped", one.reason) for one in card.selection]
    yield Section("Selection", ("column", "", "why"), chosen[:_LISTED])
    yield Section("Available since", ("null before", "features"), say.by_date(card.features))


def _since_then(card: ModelCard) -> Iterator[Section]:
    if card.so_far is not None:
        metric = card.target.headline
        realised = [
            (
                one.partition,
                one.role,
                one.metric,
                say.number(one.value),
                say.between(one.low, one.high),
                f"{one.rows:,}",
            )
            for one in card.so_far.realised
            if one.metric == metric
        ]
        heads = ("partition", "role", "metric", "value", "95 % interval", "labelled rows")
        yield Section("Realised performance so far", heads, realised)
        drift = [
            (one.partition, f"{one.rows:,}", say.number(one.weighted), say.moved(one)) for one in card.so_far.drift
        ]
        yield Section("Drift so far", ("partition", "rows", "weighted PSI", "moved most"), drift)
    changes = [(say.when(one.effective_at), one.what, one.actor, say.overrode(one)) for one in card.changes]
    yield Section("Promotion history", ("from", "what", "by", "why"), changes)
