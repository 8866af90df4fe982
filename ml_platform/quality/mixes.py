"""Whether the categories of texts and flags, and the hours of times, are mixed as in the earlier partitions.

Pure functions over profiles, like `distribution`. They compare shares, so the number of rows does not matter.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import median

import polars as pl

from ml_platform.naming import counted, listed
from ml_platform.quality.findings import Finding, columns, pairs
from ml_platform.quality.history import History
from ml_platform.quality.profile import LEVELS
from ml_platform.quality.tolerance import Tolerance

_LEVEL_SHARE = 0.01  # of the rows; rarer categories come and go all the time
_NO_CHANCE = 5  # so many values neither appear nor vanish by chance
_SAMPLED = 1.5  # times the variation between two samples of one mix
_MIX = Tolerance(floor=0.1, cap=0.3)  # total variation distance to the nearest earlier partition
_HOURS = Tolerance(floor=1.0, cap=1.5)  # hours; daylight saving moves a day's flights by half of one
_TEXT = str(pl.String())
_SHOWN = 16  # categories in a plot
_SINGULAR = {"levels": "category", "forms": "form"}
_PLURAL = {"levels": "categories", "forms": "forms"}


def levels(history: History) -> list[Finding]:
    """The share of the rows in categories that appeared or vanished, and how far the mix of categories moved.

    A category counts when it has 1 % of the values, five at least, and no earlier partition has it, or the other way
    round. The mix is compared with the nearest earlier partition by total variation distance: half the sum of the
    differences of the shares, from 0 (equal) to 1 (nothing in common). Where texts are too many to be counted, the way
    they are written is judged: N104UW as A9A. Of declared identifiers the values come and go, so only that is judged.
    """
    findings = []
    for now, earlier in columns(history):
        everything = [*earlier, now]
        # Numbers have categories only while they are flags; after that, quantiles judge them.
        listed_all = all(c.levels for c in everything)
        listed_some = now.type == _TEXT and any(c.levels for c in everything)
        if (listed_all or listed_some) and now.name not in history.identifiers:
            rare = 1 / LEVELS if any(c.distinct > LEVELS for c in everything) else 0.0
            findings.append(
                _mixed(
                    now.name, "levels", [_often(c.shares, rare) for c in earlier], _often(now.shares, rare), now.values
                )
            )
        if all(c.forms for c in everything):
            findings.append(_mixed(now.name, "forms", [c.forms for c in earlier], now.forms, now.values))
    return findings


def _mixed(
    name: str, kind: str, mixes: Sequence[Mapping[str, float]], mix: Mapping[str, float], values: int
) -> Finding:
    """One mix of shares against the earlier ones.

    The value is the turnover or the distance, whichever is nearer to its limit.
    """
    usual = {level: median(m.get(level, 0.0) for m in mixes) for level in {name for m in mixes for name in m}}
    least = max(_LEVEL_SHARE, _NO_CHANCE / values)
    new = {level: share for level, share in mix.items() if share >= least and level not in usual}
    always = {level for level in usual if all(m.get(level, 0.0) >= least for m in mixes)}
    gone = {level: usual[level] for level in always if level not in mix}
    moved = min(_variation(mix, m) for m in mixes)
    allowed = _MIX.of([min(_variation(m, o) for o in mixes[:i]) for i, m in enumerate(mixes) if i])
    allowed = max(allowed, _SAMPLED * math.sqrt(len(usual) / (math.pi * values)))  # the mixes of few rows always differ
    turnover = max(sum(new.values()), sum(gone.values()))
    changes = [f"{_some(new)} appeared ({sum(new.values()):.1%} of the values)"] if new else []
    changes += [f"{_some(gone)} vanished ({sum(gone.values()):.1%} before)"] if gone else []
    if changes:
        changes.append(f"of {counted(values, 'value')} fewer than {least:.1%} may have appeared or vanished")
    value, threshold = turnover, least
    if not changes or moved / allowed > turnover / least:
        value, threshold = moved, allowed
        changes.append(
            f"{moved:.1%} of {counted(values, 'value')} changed their {_SINGULAR[kind]}; {allowed:.1%} are allowed"
        )
    often = sorted({*usual, *mix}, key=lambda level: (-max(usual.get(level, 0.0), mix.get(level, 0.0)), level))[:_SHOWN]
    draw = pairs(
        f"{name}: share of {_PLURAL[kind]}",
        often,
        [usual.get(level, 0.0) for level in often],
        [mix.get(level, 0.0) for level in often],
    )
    description = f"{name}: {'; '.join(changes)}."
    return Finding(
        name, value, threshold, f"{len(usual)} {_PLURAL[kind]}", f"{len(mix)} {_PLURAL[kind]}", description, draw
    )


def hours(history: History) -> list[Finding]:
    """How far the times of day moved round the clock, in hours, from the nearest earlier partition.

    The distance is the least work that turns one histogram of hours into the other, on a circle (Rabin, Delon and
    Gousseau, 2011). A shift of events that fill the day evenly is invisible.
    """
    findings = []
    for now, earlier in columns(history):
        if not now.hours or not all(c.hours for c in earlier):
            continue
        clock, clocks = _normal(now.hours), [_normal(c.hours) for c in earlier]
        distances = [round_the_clock(clock, c) for c in clocks]
        moved = min(distances)
        near = clocks[distances.index(moved)]
        allowed = _HOURS.of([min(round_the_clock(c, o) for o in clocks[:i]) for i, c in enumerate(clocks) if i])
        lag = min(range(-11, 13), key=lambda n: (round_the_clock(_turned(near, n), clock), abs(n)))
        description = f"{now.name}: the times of day moved by {moved:.1f} hours on average; {allowed:.1f} are allowed."
        if moved > allowed and lag:
            description = (
                f"{now.name}: the times of day look like the earlier ones moved by {lag:+d} hours: by {moved:.1f} "
                f"hours on average, and {allowed:.1f} are allowed."
            )
        draw = pairs(f"{now.name}: share of each hour, UTC", [f"{hour:02}" for hour in range(24)], near, clock)
        findings.append(Finding(now.name, moved, allowed, _busy(near), _busy(clock), description, draw))
    return findings


def round_the_clock(a: Sequence[float], b: Sequence[float]) -> float:
    """The circular earth mover's distance of two histograms of equal mass, in bins."""
    total, gaps = 0.0, []
    for x, y in zip(a, b, strict=True):
        total += x - y
        gaps.append(total)
    middle = median(gaps)
    return sum(abs(gap - middle) for gap in gaps)


def _often(shares: Mapping[str, float], least: float) -> dict[str, float]:
    return {level: share for level, share in shares.items() if share >= least}


def _variation(a: Mapping[str, float], b: Mapping[str, float]) -> float:
    return sum(abs(a.get(level, 0.0) - b.get(level, 0.0)) for level in a.keys() | b.keys()) / 2


def _normal(counts: Sequence[int]) -> list[float]:
    return [count / sum(counts) for count in counts]


def _turned(clock: Sequence[float], hours: int) -> list[float]:
    return [clock[(hour - hours) % len(clock)] for hour in range(len(clock))]


def _busy(clock: Sequence[float]) -> str:
    return f"busiest at {max(range(len(clock)), key=clock.__getitem__):02} h"


def _some(shares: Mapping[str, float]) -> str:
    return listed(sorted(shares, key=lambda level: -shares[level]), 4)
