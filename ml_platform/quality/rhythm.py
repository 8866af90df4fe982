"""Whether the rows of a partition arrived as usual: how many, on which days, how often, how late.

Pure functions over profiles, like `distribution`. Each judges the partition as a whole.
"""

import math
from collections.abc import Sequence
from datetime import date, timedelta
from statistics import median

from ml_platform.naming import counted
from ml_platform.quality.findings import ENOUGH, Finding, pairs, series
from ml_platform.quality.history import History, Profile
from ml_platform.quality.tolerance import Tolerance, movements

_VOLUME = Tolerance(floor=0.3, cap=0.7)  # log2 of the ratio: from 0.81 and 1.23 times to 0.62 and 1.62 times
_DAY = Tolerance(floor=0.5, cap=0.8)  # log2 of a day's rows by its weekday's: 1.41 to 1.74 times, down to 0.57
_FEW = 5  # rows; where so many are usual, none is a chance of one in 150
_ONE_DAY = timedelta(days=1)
_SAME_DAYS = 3  # so many days of a weekday are needed to know its usual rows
_REPEATS = 0.01  # of the rows offered, beyond the usual
_CHANCE = 4.0  # standard deviations of a count
_LATE = Tolerance(floor=0.1, cap=0.25)  # of the partition's length


def volume(history: History) -> list[Finding]:
    """Rows a day, or rows of a table without partitions, against the median of the earlier partitions.

    Days are compared with the same weekday, once there are three. The figure is the ratio of the greater to the
    smaller. A difference that may be chance, up to three standard deviations of a count, is ignored.
    """
    now, earlier = history.now, _comparable(history)
    if not now.rows or not earlier:
        return []
    rates = [_rate(p) for p in earlier]
    usual, logs = median(rates), [math.log2(rate) for rate in rates]
    allowed = _VOLUME.of(movements(logs))
    expected = now.rows * usual / _rate(now)
    moved = 0.0 if _chance(now.rows, expected, 3.0) else abs(math.log2(_rate(now) / usual))
    unit = "rows a day" if now.span else "rows"
    low, high = usual / 2**allowed, usual * 2**allowed
    description = (
        f"{_rate(now):,.4g} {unit} ({now.rows:,} in all); "
        f"{usual:,.4g} are usual, {low:,.4g} to {high:,.4g} are allowed."
    )
    draw = series(unit, [*rates, _rate(now)], low, high)
    return [Finding("rows", 2**moved, 2**allowed, f"{usual:,.0f}", f"{_rate(now):,.0f}", description, draw)]


def no_rows_are_usual(history: History) -> bool:
    """Whether an empty partition is usual: half of the earlier ones were empty or almost empty.

    The first partition may be empty where the table's rows begin in a later one.
    """
    counts = [*(p.rows for p in _comparable(history)), *[0] * history.empty]
    if not counts:
        return history.begins_later or (history.now.span is not None and history.now.span < _ONE_DAY)
    return median(counts) <= _FEW


def _comparable(history: History) -> list[Profile]:
    """The earlier partitions with rows. Where a partition is a day, those of its weekday when there are enough."""
    filled = [p for p in history.earlier if p.rows]
    if history.now.span != _ONE_DAY or history.now.end is None:
        return filled
    same = [p for p in filled if p.end is not None and p.end.weekday() == history.now.end.weekday()]
    return same if len(same) >= _SAME_DAYS else filled


def rows_by_day(history: History) -> list[Finding]:
    """The day whose rows differ most from those of its weekday: a day that is missing, half complete or duplicated.

    The usual rows of a weekday are the median over the earlier partitions. With fewer than three such days, this
    partition's days count too. Differences that may be chance, up to four standard deviations of a count, are ignored.
    """
    event = history.event or ""
    profiles = [p for p in [*history.earlier, history.now] if event in p.columns and p.columns[event].days]
    if len(profiles) < 2 or profiles[-1] is not history.now or history.now.rows < ENOUGH:
        return []
    months = [_days(p, event) for p in profiles]
    walked = [
        max(0.0, *(_off(*day) for day in _compared(months[:i], months[i]).values())) for i in range(1, len(months))
    ]
    days, more = _compared(months[:-1], months[-1]), _DAY.of(walked[:-1])

    def strain(day: date) -> float:
        """A holiday's rows may go down to the cap from the first month on; no day has a reason to have more."""
        off = _off(*days[day])
        return off / more if off > 0 else -off / _DAY.cap

    worst = max(days, key=strain)
    (rows, usual), off = days[worst], _off(*days[worst])
    others = sum(strain(day) > 1 for day in days) - 1
    description = (
        f"{worst:%a %d %B %Y} has {counted(rows, 'row')}; {usual:,.0f} are usual on such a day, and {2**-_DAY.cap:.2f} "
        f"to {2**more:.2f} times as many are allowed."
    )
    if others > 0:
        description += f" {counted(others, 'more day differs', 'more days differ')} too much."
    before, now = f"{usual:,.0f} rows", f"{worst}: {rows:,} rows"
    came, expected = zip(*days.values(), strict=True)
    draw = pairs("rows of each day", [f"{day:%d}" for day in days], expected, came)
    allowed = more if off > 0 else _DAY.cap
    return [Finding(event, 2 ** abs(off), 2**allowed, before, now, description, draw)]


def _days(profile: Profile, event: str) -> dict[date, int]:
    """The rows of every day from the partition's first to its last; 0 for a day without rows."""
    counted = {date.fromisoformat(day): rows for day, rows in profile.columns[event].days.items()}
    first, last = min(counted), max(counted)
    if profile.span and profile.end:
        first, last = (profile.end - profile.span).date(), (profile.end - timedelta(microseconds=1)).date()
    return {day: counted.get(day, 0) for day in (first + timedelta(days=n) for n in range((last - first).days + 1))}


def _compared(earlier: Sequence[dict[date, int]], days: dict[date, int]) -> dict[date, tuple[int, float]]:
    """The rows of each day, with the usual rows of its weekday."""
    usual = []
    for weekday in range(7):
        counts = [rows for month in earlier for day, rows in month.items() if day.weekday() == weekday]
        if len(counts) < _SAME_DAYS:
            counts += [rows for day, rows in days.items() if day.weekday() == weekday]
        usual.append(median(counts) if counts else 0.0)
    return {day: (rows, usual[day.weekday()]) for day, rows in days.items()}


def _off(rows: int, usual: float) -> float:
    """log2 of the ratio; 0 where the difference may be chance."""
    if _chance(rows, usual, _CHANCE):
        return 0.0
    return math.log2((rows + 1) / (usual + 1))


def _chance(rows: float, usual: float, deviations: float) -> bool:
    """Whether two counts may differ by chance."""
    return abs(rows - usual) <= deviations * math.sqrt(max(rows, usual))


def repeats(history: History) -> list[Finding]:
    """The share of rows that repeat an earlier key or row: equal rows are dropped, conflicting ones rejected."""
    now, earlier = history.now, [p for p in history.earlier if p.offered]
    if now.offered < ENOUGH or not earlier:
        return []
    shares = [p.repeated / p.offered for p in earlier]
    share, usual = now.repeated / now.offered, median(shares)
    allowed = usual + _REPEATS
    description = (
        f"{now.repeated:,} of {counted(now.offered, 'row')} ({share:.2%}) repeat earlier ones; {usual:.2%} are usual, "
        f"and up to {allowed:.2%} are allowed."
    )
    draw = series("share of rows that repeat earlier ones", [*shares, share], 0.0, allowed)
    return [Finding("rows", share, allowed, f"{usual:.2%}", f"{share:.2%}", description, draw)]


def freshness(history: History) -> list[Finding]:
    """The age of the newest row when the last file arrived, against the usual age. A great age is late or cut off data.

    The unit is the length of the partition. No clock is read, so a replay of history gives the same. By chance, the
    newest of n rows is four nths older.
    """
    now, span = history.now, history.now.span
    ages = [age for p in history.earlier if (age := _age(p)) is not None]
    age = _age(now)
    if age is None or span is None or not ages:
        return []
    shares = [a / span for a in ages]
    usual, allowed = median(shares), _LATE.of(movements(shares)) + _CHANCE / max(now.rows, 1)
    late = max(0.0, age / span - usual)
    description = (
        f"The newest row was {_in_words(age)} old when the last file arrived; {_in_words(usual * span)} are usual, "
        f"and {_in_words(allowed * span)} more are allowed."
    )
    draw = series(
        "age of the newest row, in partitions", [*shares, age / span], min(*shares, age / span), usual + allowed
    )
    return [Finding("newest row", late, allowed, _in_words(usual * span), _in_words(age), description, draw)]


def _age(profile: Profile) -> timedelta | None:
    return profile.arrived - profile.newest if profile.arrived and profile.newest else None


def _in_words(span: timedelta) -> str:
    hours = span / timedelta(hours=1)
    return f"{hours:,.1f} hours" if abs(hours) < 72 else f"{hours / 24:,.1f} days"


def _rate(profile: Profile) -> float:
    days = profile.span / timedelta(days=1) if profile.span else 1.0
    return profile.rows / days
