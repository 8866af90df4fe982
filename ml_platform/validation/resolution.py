"""Which versions of a row there were, and since when: corrections, replaced files, duplicates, conflicts (S6, S35).

Files arrive one after another, in the order of (arrival, path); each arrival is a step. After a step
the standing files are the newest version of each path, and each *offers* its rows. A key has one
current content at a time:

- it stays as long as a standing file offers it (an equal row elsewhere is a duplicate);
- "quarantine": other content from another path is refused while the current content is offered;
- "latest": a row that is new or changed in the arriving file becomes current;
- content that no standing file offers any more gives way to what the arriving file offers, else to
  the offer that has stood longest ("quarantine") or that came last ("latest"), else to nothing.

The first content a key ever has is known as declared; each later one is a correction, known from its
arrival or its declared known_at, whichever is later.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

Ints = npt.NDArray[np.int64]
NONE = -1


@dataclass(frozen=True)
class Step:
    """One file version arriving. `path` numbers the paths from 0; `position` the versions of a path."""

    path: int
    position: int


@dataclass(frozen=True)
class Resolved:
    """Row versions, each as the number of the offered row it consists of.

    began: the step at which a correction became current; -1 for the first content of a key.
    ended: the step at which it was superseded; -1 while current. by: the row version (index into
    these arrays) that took its place; -1 when nothing did.
    refused and duplicates: offered rows of standing files that are not current; winners: the current
    row that each refused one clashes with.
    """

    rows: Ints
    began: Ints
    ended: Ints
    by: Ints
    refused: Ints
    winners: Ints
    duplicates: Ints


def resolve(
    offers: pl.DataFrame, steps: Sequence[Step], key: Sequence[str], content: Sequence[str], *, latest: bool
) -> Resolved:
    """`offers` has one row per valid row of each step, with the column `_step`, in the order of steps.

    Within a step a key comes once. `content` includes `key`.
    """
    ids = _identified(offers, key)
    count = offers.select(pl.len().over(*key)).to_series().to_numpy()
    where = offers["_step"].to_numpy()
    last = {step.path: i for i, step in enumerate(steps)}
    final = np.array([i == last[step.path] for i, step in enumerate(steps)], dtype=bool)
    simple = (count == 1) & final[where]
    rows = np.flatnonzero(simple)
    contested = np.flatnonzero(~simple)
    if not len(contested):
        none = np.empty(0, dtype=np.int64)
        blank = np.full(len(rows), NONE)
        return Resolved(rows, blank, blank, blank, none, none, none)
    contents = _identified(offers[contested], content)
    machine = _Machine(ids[contested], contents, where[contested], steps, latest)
    machine.run()
    return machine.result(rows, contested)


def _identified(frame: pl.DataFrame, columns: Sequence[str]) -> Ints:
    """For each row the number of the first row that is equal in `columns`; nulls are equal."""
    number = pl.Series("_number", np.arange(frame.height))
    return frame.with_columns(number).select(pl.col("_number").first().over(*columns)).to_series().to_numpy()


class _Machine:
    """The contested keys, stepped through arrivals; one vectorised pass a step."""

    def __init__(self, keys: Ints, contents: Ints, at: Ints, steps: Sequence[Step], latest: bool) -> None:
        unique, self.key = np.unique(keys, return_inverse=True)
        self.content, self.at, self.steps, self.latest = contents, at, steps, latest
        paths = max(step.path for step in steps) + 1
        size = len(unique)
        self.offer = np.full((paths, size), NONE)  # the row that each path offers for each key
        self.since = np.full((paths, size), NONE)  # the step at which that content was first offered
        self.current = np.full(size, NONE)  # the row version that is current
        self.ever = np.zeros(size, dtype=bool)
        self.rows: list[Ints] = []
        self.began: list[Ints] = []
        self.ended: list[Ints] = []
        self.by: list[Ints] = []
        self.version_count = 0

    def run(self) -> None:
        # A version's content is an offered row's; there are at most as many versions as offers and drops.
        order = np.argsort(self.at, kind="stable")
        bounds = np.searchsorted(self.at[order], np.arange(len(self.steps) + 1))
        self.version_row = np.full(2 * len(self.key) + 1, NONE)
        self.version_began = np.full(2 * len(self.key) + 1, NONE)
        self.version_ended = np.full(2 * len(self.key) + 1, NONE)
        self.version_by = np.full(2 * len(self.key) + 1, NONE)
        for i, step in enumerate(self.steps):
            self._arrive(i, step.path, order[bounds[i] : bounds[i + 1]])

    def _arrive(self, i: int, path: int, rows: Ints) -> None:
        old = self.offer[path].copy()
        new = np.full(len(old), NONE)
        new[self.key[rows]] = rows
        changed = self._contents(old) != self._contents(new)
        self.offer[path] = new
        self.since[path] = np.where(changed, np.where(new == NONE, NONE, i), self.since[path])
        now = self._current_contents()
        offered = self._contents(new)
        switch = changed & (new != NONE) & (offered != now) & self.latest
        # Whether the current content is still offered matters only where this path offered it until now.
        lost = changed & (now != NONE) & (self._contents(old) == now) & ~switch
        if lost.any():
            at = np.flatnonzero(lost)
            supported = (self._contents(self.offer[:, at]) == now[at]).any(axis=0)
            lost[at[supported]] = False
        begin = switch | (lost & (new != NONE)) | ((now == NONE) & (new != NONE))
        target = np.where(begin, new, NONE)
        heirless = np.flatnonzero(lost & (new == NONE))
        if len(heirless):
            target[heirless] = self._heir(heirless)
        self._close_and_begin(i, lost | begin, target)

    def _heir(self, keys: Ints) -> Ints:
        offers, since = self.offer[:, keys], self.since[:, keys].astype(float)
        absent = offers == NONE
        if self.latest:
            pick = np.argmax(np.where(absent, -1.0, since), axis=0)
        else:
            pick = np.argmin(np.where(absent, np.inf, since), axis=0)
        return np.asarray(offers[pick, np.arange(len(keys))])

    def _close_and_begin(self, i: int, which: npt.NDArray[np.bool_], target: Ints) -> None:
        keys = np.flatnonzero(which)
        previous = self.current[keys]
        fresh = target[keys] != NONE
        numbers = np.where(fresh, self.version_count + np.cumsum(fresh) - 1, NONE)
        born = numbers[fresh]
        self.version_row[born] = target[keys][fresh]
        self.version_began[born] = np.where(self.ever[keys][fresh], i, NONE)
        ended = previous[previous != NONE]
        self.version_ended[ended] = i
        self.version_by[ended] = numbers[previous != NONE]
        self.current[keys] = numbers
        self.ever[keys] |= fresh
        self.version_count += len(born)

    def _contents(self, rows: Ints) -> Ints:
        return np.where(rows == NONE, NONE, self.content[rows])

    def _current_contents(self) -> Ints:
        rows = np.where(self.current == NONE, NONE, self.version_row[self.current])
        return self._contents(rows)

    def result(self, simple: Ints, contested: Ints) -> Resolved:
        offers = self.offer
        now = self._current_contents()
        there = offers != NONE
        contents = self._contents(offers)
        equal, other = there & (contents == now), there & (contents != now)
        winners = np.where(self.current == NONE, NONE, self.version_row[self.current])
        keys = np.nonzero(other)[1]
        # Of the equal offers one is the row itself: its own, or that of the first path that restates it.
        representative = np.where(
            (equal & (offers == winners)).any(axis=0), winners, offers[equal.argmax(axis=0), np.arange(offers.shape[1])]
        )
        doubles = offers[equal & (offers != representative)]
        begun, blank = slice(0, self.version_count), np.full(len(simple), NONE)
        by = self.version_by[begun]
        return Resolved(
            rows=np.concatenate([simple, contested[self.version_row[begun]]]),
            began=np.concatenate([blank, self.version_began[begun]]),
            ended=np.concatenate([blank, self.version_ended[begun]]),
            by=np.concatenate([blank, np.where(by == NONE, NONE, by + len(simple))]),
            refused=contested[offers[other]],
            winners=contested[winners[keys]],
            duplicates=contested[doubles],
        )
