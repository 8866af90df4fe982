"""Whether the values of a partition look like those of earlier partitions: pure functions over profiles.

Each function judges every column that it can and returns a finding for each, within its tolerance or not. Compared
figures have no unit (shares, shifts in interquartile ranges, ratios), so one rule fits all columns. The tolerance is
learnt from the column's own history (`tolerance`). A column with fewer than `ENOUGH` values is not judged, nor is one
without earlier partitions.
"""

import math
from collections.abc import Iterator, Sequence
from statistics import median

import polars as pl

from ml_platform.naming import counted
from ml_platform.quality.findings import Finding, columns, series
from ml_platform.quality.history import Column, History
from ml_platform.quality.tolerance import Tolerance, deviation, movements

_MISSING, _MISSING_MORE, _SIGMAS = 0.05, 0.03, 3.0
_LONG = 6  # earlier partitions, from which on the share may grow by _MISSING_MORE only
_DOMINANCE = Tolerance(floor=0.25, cap=0.5)  # of the most common value's share
_FLAG = str(pl.Boolean())
_NO_CHANCE = 5  # so many other values are not absent by chance
_RARE_FLAG = 0.05  # of the rows; such a flag occurs for days at a time, as holidays do, and not every month
_SPREAD = Tolerance(floor=0.5, cap=2.0)  # log2 of the ratio: from 1.4 times to 4 times
_RARE_SPREAD = Tolerance(floor=4.0, cap=4.0)  # 16 times, where it depends on how often a rare value occurs
_SHIFT = Tolerance(floor=0.5, cap=2.0)  # interquartile ranges
_LEANING, _TURN = 0.3, 0.6  # asymmetry of one side, and from one side to the other


def missing(history: History) -> list[Finding]:
    """The share of nulls and NaN against the median of the earlier partitions.

    It may change by .05, or by three of its own robust standard deviations. From six earlier partitions on it may grow
    by .03 only.
    """
    findings = []
    for now, earlier in columns(history, lambda c: c.rows):
        shares = [c.missing / c.rows for c in earlier]
        share, usual = now.missing / now.rows, median(shares)
        floor = _MISSING_MORE if share > usual and len(shares) >= _LONG else _MISSING
        allowed = max(floor, _SIGMAS * deviation(shares))
        description = (
            f"{now.name}: {share:.1%} of {counted(now.rows, 'value is', 'values are')} missing; {usual:.1%} are usual, "
            f"and {allowed:.1%} more or fewer are allowed."
        )
        draw = series(
            f"{now.name}: share missing", [*shares, share], max(0.0, usual - allowed), min(1.0, usual + allowed)
        )
        findings.append(
            Finding(now.name, abs(share - usual), allowed, f"{usual:.2%}", f"{share:.2%}", description, draw)
        )
    return findings


def frozen(history: History) -> list[Finding]:
    """The share of the most common value. A share of 1 means that the column is frozen, unless it was frozen before.

    A flag that under 5 % of the rows had is no finding: a month without a holiday is no fault.
    """
    findings = []
    for now, earlier in columns(history):
        shares = [c.most_common / c.values for c in earlier]
        share, usual = now.most_common / now.values, median(shares)
        allowed = min(1.0, usual + _DOMINANCE.of(movements(shares)))
        description = (
            f"{now.name}: one value makes up {share:.1%} of {now.values:,} values; {usual:.1%} are usual, and up to "
            f"{allowed:.1%} are allowed."
        )
        others = (1 - max(shares)) * now.values  # values that should differ from the most common one
        rare_flag = now.type == _FLAG and max(shares) >= 1 - _RARE_FLAG
        if now.distinct == 1 and others >= _NO_CHANCE and not rare_flag:
            allowed = max(shares)
            description = (
                f"{now.name} is frozen: all {now.values:,} values are equal; "
                f"{median(c.distinct for c in earlier):,.0f} different ones are usual, and 2 at least are required."
            )
        draw = series(f"{now.name}: share of the most common value", [*shares, share], 0.0, allowed)
        findings.append(Finding(now.name, share, allowed, f"{usual:.1%}", f"{share:.1%}", description, draw))
    return findings


def units(history: History) -> list[Finding]:
    """The factor by which a number column is wider than usual. Minutes that became seconds are 60 times wider.

    Another unit multiplies the interquartile range and the range from q01 to q99 by the same factor. A season widens
    one more than the other, so the factor is the one nearer to 1, and 1 where one grew and the other shrank. Where the
    interquartile range is 0, now or before, only the range from q01 to q99 counts. That range depends on how often a
    rare value occurs, so it must then differ by 16 times.
    """
    findings = []
    for now, earlier in _numbers(history):
        spreads, tolerance = [_iqr, _range], _SPREAD
        if any(_iqr(c) <= 0 for c in [now, *earlier]):
            spreads, tolerance = [_range], _RARE_SPREAD
        if any(_range(c) <= 0 for c in [now, *earlier]):
            continue
        factors = _factors([[math.log2(spread(c)) for spread in spreads] for c in [*earlier, now]])
        (ratio, which), allowed = factors[-1], tolerance.of([factor for factor, _ in factors[:-1]])
        wide = spreads[which]
        usual = 2 ** median(math.log2(wide(c)) for c in earlier)
        low, high = usual / 2**allowed, usual * 2**allowed
        description = (
            f"{now.name}: the spread of {now.values:,} values is {_times(2**ratio)} the usual one ({wide(now):,.4g}, "
            f"before {usual:,.4g}); {low:,.4g} to {high:,.4g} is allowed."
        )
        draw = series(f"{now.name}: spread", [wide(c) for c in [*earlier, now]], low, high)
        findings.append(
            Finding(now.name, 2 ** abs(ratio), 2**allowed, f"{usual:,.4g}", f"{wide(now):,.4g}", description, draw)
        )
    return findings


def _factors(logs: Sequence[Sequence[float]]) -> list[tuple[float, int]]:
    """How far each partition's spreads, as log2, are from the medians of those before it, from the second on.

    Of several spreads the one that moved least counts, with its position; 0 where they moved to different sides.
    """
    factors = []
    for i in range(1, len(logs)):
        moved = [log - median(before[j] for before in logs[:i]) for j, log in enumerate(logs[i])]
        which = min(range(len(moved)), key=lambda j: abs(moved[j]))
        same_side = min(moved) >= 0 or max(moved) <= 0
        factors.append((moved[which] if same_side else 0.0, which))
    return factors


def direction(history: History) -> list[Finding]:
    """The side on which the long tail of a number column lies. Negated or inverted values change the side.

    Asymmetry is (q99 + q01 - 2 q50) / (q99 - q01), from -1 to 1. It is judged only where it leaned clearly to one side
    in every earlier partition.
    """
    findings = []
    for now, earlier in _numbers(history):
        if now.distinct <= 2 or _range(now) <= 0 or any(_range(c) <= 0 for c in earlier):
            continue
        before, lean = [_asymmetry(c) for c in earlier], _asymmetry(now)
        usual = median(before)
        side = math.copysign(1.0, usual)
        if any(b * side < _LEANING for b in before):
            continue
        turned = max(0.0, usual - lean if side > 0 else lean - usual) if -lean * side >= _LEANING else 0.0
        description = (
            f"{now.name}: the long tail of {now.values:,} values is on the {_side(lean)}, and was on the "
            f"{_side(usual)} before; it may not change sides. Were the values negated?"
        )
        if turned <= _TURN:
            description = (
                f"{now.name}: the long tail of {now.values:,} values has not changed sides; it is usually on the "
                f"{_side(usual)}."
            )
        draw = series(f"{now.name}: asymmetry", [*before, lean], max(-1.0, usual - _TURN), min(1.0, usual + _TURN))
        findings.append(Finding(now.name, turned, _TURN, f"{usual:+.2f}", f"{lean:+.2f}", description, draw))
    return findings


def shift(history: History) -> list[Finding]:
    """The distance of quartiles and mean from the nearest earlier partition, in usual interquartile ranges.

    The nearest partition counts because seasons return. The distance is the mean distance of the quartiles, or that of
    the means if it is greater, as when a few values are far out.
    """
    findings = []
    for now, earlier in _numbers(history):
        unit = median(_iqr(c) for c in earlier) or median(_range(c) for c in earlier)
        if unit <= 0:
            continue
        distances = [_distance(now, c) / unit for c in earlier]
        moved = min(distances)
        near = earlier[distances.index(moved)]
        allowed = _SHIFT.of([min(_distance(c, o) for o in earlier[:i]) / unit for i, c in enumerate(earlier) if i])
        description = (
            f"{now.name}: mean {now.mean:,.4g} and quartiles {_quartiles(now)} of {now.values:,} values; the nearest "
            "earlier ones "
            f"are {near.mean:,.4g} and {_quartiles(near)}, {moved:.2f} interquartile ranges away; "
            f"{allowed:.2f} are allowed."
        )
        low, high = near.mean - allowed * unit, near.mean + allowed * unit
        draw = series(f"{now.name}: mean", [*(c.mean for c in earlier), now.mean], low, high)
        before, after = f"{near.mean:,.4g} ({_quartiles(near)})", f"{now.mean:,.4g} ({_quartiles(now)})"
        findings.append(Finding(now.name, moved, allowed, before, after, description, draw))
    return findings


def _numbers(history: History) -> Iterator[tuple[Column, list[Column]]]:
    for now, earlier in columns(history):
        if now.name not in history.keys and now.quantiles and all(c.quantiles for c in earlier):
            yield now, earlier


def _iqr(column: Column) -> float:
    return column.quantiles[3] - column.quantiles[1]


def _range(column: Column) -> float:
    return column.quantiles[4] - column.quantiles[0]


def _asymmetry(column: Column) -> float:
    low, _, middle, _, high = column.quantiles
    return (high + low - 2 * middle) / (high - low)


def _distance(a: Column, b: Column) -> float:
    """The mean distance of the quartiles or the distance of the means, whichever is greater."""
    quartiles = sum(abs(x - y) for x, y in zip(a.quantiles[1:4], b.quantiles[1:4], strict=True)) / 3
    return max(quartiles, abs(a.mean - b.mean))


def _side(asymmetry: float) -> str:
    return "high side" if asymmetry > 0 else "low side"


def _quartiles(column: Column) -> str:
    return ", ".join(f"{value:,.4g}" for value in column.quantiles[1:4])


def _times(ratio: float) -> str:
    return f"{ratio:,.2g} times" if ratio < 10 else f"{ratio:,.0f} times"
