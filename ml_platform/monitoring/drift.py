"""Drift: current columns against those that a model was trained on, over all rows, a few columns at a time.

A column that cannot be scored gets a status; it raises no exception. No input or output.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ml_platform.monitoring.distances import Floats, jensen_shannon, psi, wasserstein
from ml_platform.monitoring.population import CELLS, Kind, Ordered, Population

BINS = 10  # about equally full, by the reference's deciles
NAMED_LEVELS = 50  # categories of the reference, commonest first; its others are one bin, and new ones another
CAP = 1.0  # the most one column's PSI counts in the weighted figure
CALENDAR = "calendar"  # the status of a column that tells the time
HASHED = "hashed text"  # the status of a text that the model reads by its n-grams

Cut = tuple[float, Literal["left", "right"]]  # bins end before this value, or after it


@dataclass(frozen=True)
class ColumnDrift:
    """The comparison of one column. An unknown figure is None, and `status` gives the reason.

    psi:      nulls are a bin of their own, as they are a value to a model.
    distance: of the values: Wasserstein in standard deviations of the reference for numbers, Jensen-Shannon (0 to 1)
              for categories.
    nulls:    the share of null or NaN now; reference_nulls: in the reference.
    unseen:   categories that the reference does not have; unseen_share: the share of rows that have one.
    status:   ok, empty, all null, constant, learnt from nulls, new, missing, other type, no type to compare,
              calendar: it tells the time, and is left out of every rule; hashed text: its nulls alone are judged.
    """

    name: str
    status: str
    kind: Kind | None = None
    psi: float | None = None
    distance: float | None = None
    nulls: float | None = None
    reference_nulls: float | None = None
    unseen: int | None = None
    unseen_share: float | None = None
    rows: int = 0
    reference_rows: int = 0

    @property
    def null_change(self) -> float | None:
        """By how much the null share moved, with its sign."""
        return None if self.nulls is None or self.reference_nulls is None else self.nulls - self.reference_nulls


def compared(reference: Population, current: Population, names: Sequence[str]) -> Iterator[ColumnDrift]:
    """Every column of `names`, in order; never more than CELLS numbers of either side in memory."""
    some = max(1, CELLS // max(reference.rows, current.rows, 1))
    for start in range(0, len(names), some):
        batch = names[start : start + some]
        kinds = {name: _kind_and_status(name, reference, current) for name in batch}
        numbers = [name for name, (kind, status) in kinds.items() if kind == "number" and not status]
        then, now = reference.numbers(numbers), current.numbers(numbers)
        for name, (kind, status) in kinds.items():
            if status:
                yield ColumnDrift(name, status, kind, rows=current.rows, reference_rows=reference.rows)
            elif kind == "number":
                yield compared_numbers(name, then(name), now(name))
            else:
                yield compared_levels(name, reference.levels(name), current.levels(name))


def _kind_and_status(name: str, reference: Population, current: Population) -> tuple[Kind | None, str]:
    """How to compare a column, or why it cannot be; an empty status when it can."""
    there = [side.kinds[name] for side in (reference, current) if name in side.kinds]
    kinds = {kind for kind in there if kind != "nothing"}
    kind = next(iter(kinds)) if len(kinds) == 1 else None
    if len(there) < 2:
        return kind, "missing" if name in reference.kinds else "new"
    if None in kinds:
        return None, "no type to compare"
    if len(kinds) > 1:
        return None, "other type"
    return kind or "number", "" if reference.rows and current.rows else "empty"


def weighted(columns: Sequence[ColumnDrift], importance: Mapping[str, float]) -> float | None:
    """The drift of a partition as one figure: the mean PSI, each at most CAP, weighted by the model's importance.

    A missing column counts as CAP. Calendar columns are left out, and the others share their importance. None when
    no column could be compared.

    >>> weighted([ColumnDrift("km", "ok", psi=0.5), ColumnDrift("hour", "ok", psi=0.1)], {"km": 0.25, "hour": 0.75})
    0.2
    """
    judged = [one for one in columns if one.status != CALENDAR]
    scored = [one for one in judged if one.psi is not None or one.status in ("missing", "other type")]
    if not scored:
        return None
    left_out = sum(importance.get(one.name, 0.0) for one in columns if one.status == CALENDAR)
    total = sum(importance.get(one.name, 0.0) * min(CAP if one.psi is None else one.psi, CAP) for one in scored)
    return total / (1 - left_out) if left_out < 1 else 0.0


def compared_numbers(name: str, reference: Ordered, current: Ordered) -> ColumnDrift:
    """Compare a column of numbers; both sides have at least one row."""
    then, now = reference.values, current.values
    cuts = _cuts(then)
    distance, status = None, _status(len(then), len(now))
    if status == "ok":
        finite = _finite(then)
        spread = _spread(finite)
        status = "ok" if spread > 0 else "constant"
        others = _finite(now)
        if spread > 0 and len(others):
            distance = wasserstein(finite, others) / spread
    return ColumnDrift(
        name,
        status,
        "number",
        psi(_shares(then, cuts, reference.rows), _shares(now, cuts, current.rows)),
        distance,
        1 - len(now) / current.rows,
        1 - len(then) / reference.rows,
        rows=current.rows,
        reference_rows=reference.rows,
    )


def _spread(ordered: Floats) -> float:
    """The standard deviation of all there are; exactly 0 for equal values."""
    if not len(ordered) or ordered[0] == ordered[-1]:
        return 0.0
    with np.errstate(over="ignore"):  # of values beyond 1e154 it is infinite
        return float(np.std(ordered))


def _finite(ordered: Floats) -> Floats:
    return ordered[np.searchsorted(ordered, -np.inf, "right") : np.searchsorted(ordered, np.inf, "left")]


def _cuts(ordered: Floats) -> list[Cut]:
    """A cut before each decile, and one after it where a single value fills a whole bin: many zeros, a constant."""
    if not len(ordered):
        return []
    places = np.ceil(np.arange(1, BINS) / BINS * len(ordered)).astype(np.int64) - 1
    cuts: list[Cut] = []
    for value in np.unique(ordered[places]):
        cuts.append((float(value), "left"))
        equal = np.searchsorted(ordered, value, "right") - np.searchsorted(ordered, value, "left")
        if equal * BINS >= len(ordered):
            cuts.append((float(value), "right"))
    return cuts


def _shares(ordered: Floats, cuts: Sequence[Cut], rows: int) -> Floats:
    """The share of all rows in each bin, nulls last."""
    places = [int(np.searchsorted(ordered, value, side)) for value, side in cuts]
    counts = np.diff(np.array([0, *places, len(ordered), rows]))
    return np.asarray(counts / rows, dtype=np.float64)


def compared_levels(name: str, reference: Mapping[str | None, int], current: Mapping[str | None, int]) -> ColumnDrift:
    """Compare a column of categories by their counts; both sides have at least one row."""
    then, now = ({level: n for level, n in side.items() if level is not None} for side in (reference, current))
    named = sorted(then, key=lambda level: (-then[level], level))[:NAMED_LEVELS]
    unseen = [level for level in now if level not in then]
    strange = sum(now[level] for level in unseen)
    rows, values = [], []
    shares, of_values = [], []
    for side, counts, new in ((reference, then, 0), (current, now, strange)):
        rows.append(sum(side.values()))
        values.append(sum(counts.values()))
        named_counts = [counts.get(level, 0) for level in named]
        bins = np.array([*named_counts, values[-1] - sum(named_counts) - new, new], dtype=np.float64)
        shares.append(np.append(bins, rows[-1] - values[-1]) / rows[-1])
        of_values.append(bins / max(values[-1], 1))
    status = _status(values[0], values[1])
    if status == "ok" and len(then) == 1:
        status = "constant"
    return ColumnDrift(
        name,
        status,
        "level",
        psi(shares[0], shares[1]),
        jensen_shannon(of_values[0], of_values[1]) if all(values) else None,
        1 - values[1] / rows[1],
        1 - values[0] / rows[0],
        len(unseen),
        strange / rows[1],
        rows[1],
        rows[0],
    )


def _status(then: int, now: int) -> str:
    """By the number of values that are no nulls."""
    if not now:
        return "all null"
    return "ok" if then else "learnt from nulls"


def arrays(columns: Sequence[ColumnDrift], importance: Mapping[str, float], most: int) -> tuple[list[str], Any, Any]:
    """Names, PSI and importance of the `most` columns with the largest weighted drift, for a plot."""
    scored = [one for one in columns if one.psi is not None and one.status != CALENDAR]
    scored.sort(
        key=lambda one: (-importance.get(one.name, 0.0) * min(one.psi or 0.0, CAP), -(one.psi or 0.0), one.name)
    )
    names = [one.name for one in scored[:most]]
    moved: npt.NDArray[np.float64] = np.array([one.psi for one in scored[:most]])
    return names, moved, np.array([importance.get(name, 0.0) for name in names])
