"""The append-only log of champion changes; promotion re-reads the verdicts (S26).

The champion at a moment is that of the last entry by (effective_at, seq) with effective_at at or before it. A manual
promotion takes effect at the greatest effective_at in the log, so it holds now and until a later partition promotes
another version.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, select

from ml_platform.errors import DataBlocked, GateWaits, NotFoundError, PromotionRefused, RollbackRefused
from ml_platform.state.database import State
from ml_platform.state.log_entries import append
from ml_platform.state.objections import objections_of
from ml_platform.state.schema import promotions as table
from ml_platform.state.versions import version as find_version

Action = Literal["promoted", "rolled_back", "kept"]


@dataclass(frozen=True)
class Promotion:
    """One entry. `version` serves from `effective_at`; None only for "kept" without a champion.

    `previous` is the champion before it. For "kept" both are the champion that stays. `overrides` names the failed
    checks on its data that a person passed over; empty where there were none.
    """

    seq: int
    pipeline: str
    version: int | None
    action: Action
    previous: int | None
    partition: str
    effective_at: datetime
    reason: str
    actor: str
    run_id: str
    recorded_at: datetime
    overrides: str = ""


_SELECTED = [table.c[field.name] for field in fields(Promotion)]


def history(state: State, pipeline: str) -> list[Promotion]:
    """The log of a pipeline in the order of writing."""
    chosen = select(*_SELECTED).where(table.c.pipeline == pipeline).order_by(table.c.seq)
    return list(state.once(f"promotions of {pipeline}", lambda: [Promotion(*row) for row in state.rows(chosen)]))


def champion_at(state: State, pipeline: str, moment: datetime | None = None) -> int | None:
    """The version that serves at `moment`, inclusive; None as moment: after every entry; None found: no champion."""
    moments, versions = state.once(f"champions of {pipeline}", lambda: _timeline(changed(state, pipeline)))
    position = len(moments) if moment is None else bisect_right(moments, moment)
    return versions[position - 1] if position else None


def changed(state: State, pipeline: str) -> list[Promotion]:
    """The entries that change the champion, in the order in which they take effect."""
    chosen = select(*_SELECTED).where(table.c.pipeline == pipeline, table.c.action != "kept")
    return changes([Promotion(*row) for row in state.rows(chosen.order_by(table.c.seq))])


def _timeline(log: list[Promotion]) -> tuple[list[datetime], list[int | None]]:
    """The moments at which the champion changes, in order, and the version that serves from each."""
    entries = changes(log)
    return [entry.effective_at for entry in entries], [entry.version for entry in entries]


def serving_at(log: list[Promotion], moment: datetime | None = None) -> int | None:
    """The version that serves at a moment, by a log that was read already."""
    serving = _serving(log, moment)
    return serving.version if serving else None


def promote(
    state: State,
    pipeline: str,
    version: int,
    required_gates: Mapping[str, str],
    *,
    partition: str,
    effective_at: datetime | None = None,
    reason: str,
    actor: str,
    run_id: str = "",
    by_hand: bool = False,
    data_blocks: Sequence[str] = (),
    waited: bool = False,
) -> Promotion:
    """Make a version the champion from `effective_at` on, if every required gate has a verdict and none failed.

    `required_gates` maps the key of each gate that blocks to its phrase. A gate that warns is not required (S24).

    Idempotent: the entry that says the same already is returned, unless another promotion of the partition
    came after it, which this one replaces. A version that the partition promoted later than `effective_at` serves from
    that later moment again. `by_hand` is a person's decision:
    it takes effect at the greatest effective_at in the log, whatever was given (only in an empty log then, or now), and
    may bring back a version that was rolled back; it cannot pass over a verdict.

    `data_blocks` says which failed checks stand on the version's data, one phrase each (S37). They refuse the
    promotion, but not a person's: the entry records what was passed over. `waited`: the version was kept waiting
    before. It is then not promoted over another that came to serve since.

    Raises PromotionRefused with every reason, DataBlocked where there are data blocks among them, GateWaits where
    nothing but a missing measurement stands in the way, and NotFoundError for a version that does not exist.
    """
    find_version(state, pipeline, version)
    with state.writing() as connection:
        log = history(state, pipeline)
        moment = _now_in(state, log) if effective_at is None or (by_hand and log) else effective_at
        undone = _undone(log, version)
        if undone is not None and not by_hand:
            problem = f"it was rolled back by {undone.actor} ({undone.reason}), so only a person promotes it again"
            raise PromotionRefused(pipeline, version, [problem])
        if not by_hand:
            moment = max([moment, *_moments(log, version, partition)])
        serving = _serving(log, moment)
        newer = _newer(log, version, partition) if waited and not by_hand else None
        if newer is not None:
            problem = f"it waited, and {pipeline}@{newer.version} was {newer.action.replace('_', ' ')} in the meantime"
            raise PromotionRefused(pipeline, version, [problem])
        own = [e for e in log if (e.action, e.partition, e.effective_at) == ("promoted", partition, moment)]
        if not by_hand and serving not in own:  # what a person decided since stands
            for entry in own:
                if entry.version == version:
                    return entry
        if serving is not None and serving.version == version:
            return serving
        objections = objections_of(state, pipeline, version, required_gates)
        refusals = [why for why, _ in objections]
        if data_blocks and not by_hand:
            raise DataBlocked(pipeline, version, [*data_blocks, *refusals])
        if refusals:
            refused = GateWaits if all(waits for _, waits in objections) else PromotionRefused
            raise refused(pipeline, version, refusals)
        before = serving.version if serving else None
        now, overrides = state.stamp(), "; ".join(data_blocks)
        entry = Promotion(
            0, pipeline, version, "promoted", before, partition, moment, reason, actor, run_id, now, overrides
        )
        return _append(connection, entry)


def keep(
    state: State, pipeline: str, *, partition: str, effective_at: datetime, reason: str, actor: str, run_id: str = ""
) -> Promotion:
    """Record that the champion stays, and why. Idempotent per partition and reason."""
    with state.writing() as connection:
        log = history(state, pipeline)
        for entry in log:
            if (entry.action, entry.partition, entry.effective_at, entry.reason) == (
                "kept",
                partition,
                effective_at,
                reason,
            ):
                return entry
        serving = _serving(log, effective_at)
        stays = serving.version if serving else None
        now = state.stamp()
        entry = Promotion(0, pipeline, stays, "kept", stays, partition, effective_at, reason, actor, run_id, now)
        return _append(connection, entry)


def note_departure(state: State, pipeline: str, *, arrival: str, reason: str, actor: str) -> Promotion:
    """Record that a person promoted a version to another environment, which changes no champion here.

    arrival: names the entry of the other log; it stands as `run_id`. The entry that names it already is returned.
    """
    with state.writing() as connection:
        log = history(state, pipeline)
        for entry in log:
            if (entry.action, entry.run_id) == ("kept", arrival):
                return entry
        serving, moment = _serving(log, None), _now_in(state, log)
        stays = serving.version if serving else None
        entry = Promotion(0, pipeline, stays, "kept", stays, "", moment, reason, actor, arrival, state.stamp())
        return _append(connection, entry)


def rollback(
    state: State, pipeline: str, *, why: str, actor: str, to: int | None = None, run_id: str = ""
) -> Promotion:
    """Go back to the champion before this one, or to the earlier champion `to`; effective at once.

    A second rollback goes back one further, never to what was just left. Raises NotFoundError
    for a version that never was the champion, RollbackRefused without a reason, and when there is no earlier one.
    """
    if not why.strip():
        raise RollbackRefused(f"{pipeline} is not rolled back: no reason was given.", remedy='Give one with --why "…".')
    with state.writing() as connection:
        log = history(state, pipeline)
        standing = _standing(log)
        served = sorted({e.version for e in changes(log) if e.version is not None})
        others = [f"{pipeline}@{version}" for version in served if version != standing[-1]]
        if to is not None and served and to not in served:
            remedy = f"{pipeline}@{standing[-1]} is the first champion."
            raise NotFoundError("earlier champion", f"{pipeline}@{to}", others, remedy=remedy)
        if len(served) < 2 or (to is None and len(standing) < 2):
            current = f"{pipeline}@{standing[-1]} is the first champion" if standing else f"{pipeline} has no champion"
            raise RollbackRefused(
                f"{current}: there is nothing to go back to.",
                remedy=f"Promote a version: `ml-platform promote {pipeline}@N`.",
            )
        target = standing[-2] if to is None else to
        if target == standing[-1]:
            problem = f"{pipeline}@{target} is the champion already."
            raise RollbackRefused(problem, remedy=f"Earlier champions: {', '.join(others)}.")
        now, last, moment = state.stamp(), log[-1].partition, _now_in(state, log)
        entry = Promotion(0, pipeline, target, "rolled_back", standing[-1], last, moment, why, actor, run_id, now)
        return _append(connection, entry)


def changes(log: list[Promotion]) -> list[Promotion]:
    """The entries that change the champion, in the order in which they take effect."""
    return sorted((e for e in log if e.action != "kept"), key=lambda e: (e.effective_at, e.seq))


def _serving(log: list[Promotion], moment: datetime | None) -> Promotion | None:
    """The entry that made the champion of `moment`."""
    due = [e for e in changes(log) if moment is None or e.effective_at <= moment]
    return due[-1] if due else None


def _moments(log: list[Promotion], version: int, partition: str) -> list[datetime]:
    """From when the version was to serve by its promotions of the partition: one that was late stays so."""
    mine = ("promoted", version, partition)
    return [e.effective_at for e in log if (e.action, e.version, e.partition) == mine]


def _newer(log: list[Promotion], version: int, partition: str) -> Promotion | None:
    """What came to serve since the partition was first decided: a later version, or what a person chose.

    A candidate of an earlier partition that waited, too, is neither.
    """
    waited = next((e for e in log if e.action == "kept" and e.partition == partition), None)
    if waited is None:
        return None
    since = [
        e
        for e in changes(log)
        if (e.effective_at, e.seq) > (waited.effective_at, waited.seq)
        and not (e.action == "promoted" and "" < e.partition < partition)
    ]
    return since[-1] if since and since[-1].version != version else None


def _standing(log: list[Promotion]) -> list[int]:
    """The champions that were not rolled back, the current one last."""
    stack: list[int] = []
    for entry in changes(log):
        assert entry.version is not None  # only "kept" entries may have none
        if entry.action == "rolled_back" and entry.version in stack:
            del stack[stack.index(entry.version) + 1 :]
            continue
        if entry.version in stack:
            stack.remove(entry.version)
        stack.append(entry.version)
    return stack


def _undone(log: list[Promotion], version: int) -> Promotion | None:
    """The rollback from `version`, unless the version was promoted again since."""
    last = None
    for entry in log:
        if entry.action == "rolled_back" and entry.previous == version:
            last = entry
        elif entry.action != "kept" and entry.version == version:
            last = None
    return last


def _now_in(state: State, log: list[Promotion]) -> datetime:
    return max(e.effective_at for e in log) if log else state.stamp()


def _append(connection: Connection, entry: Promotion) -> Promotion:
    return replace(entry, seq=append(connection, table, asdict(entry)))
