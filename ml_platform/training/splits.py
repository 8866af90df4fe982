"""Which part an example is in: train, validation or holdout (S18)."""

from collections.abc import Sequence
from datetime import datetime

from ml_platform.naming import literal, quoted
from ml_platform.spec.durations import microseconds
from ml_platform.spec.training import Split

PARTS = ("train", "validation", "holdout")
_DIGITS = 13  # hex digits of the hash that are used: 52 bits, exact in a double


def part_sql(split: Split, decided_at: datetime, at: str | None, keys: Sequence[str]) -> str:
    """A SQL expression over an example's columns that gives the name of its part.

    By time: holdout = [d - holdout, d), validation the span before it, train all before. By
    shares: the place of a seeded MD5 between 0 and 1, of the group or, where there is none or it
    is null, of the key. An example keeps its part whatever else is in the data.
    """
    if split.timed:
        assert at is not None  # the declaration guarantees it
        holdout, validation = microseconds(str(split.holdout)), microseconds(str(split.validation))
        moment = f"TIMESTAMPTZ {literal(decided_at.isoformat())}"
        return (
            f"CASE WHEN {quoted(at)} >= {moment} - to_microseconds({holdout}) THEN 'holdout' "
            f"WHEN {quoted(at)} >= {moment} - to_microseconds({holdout + validation}) THEN 'validation' "
            f"ELSE 'train' END"
        )
    low = float(split.holdout)
    high = low + float(split.validation)
    share = f"({hashed_share_sql(split, keys)})"
    return (
        f"CASE WHEN {share} < {low!r}::DOUBLE THEN 'holdout' "
        f"WHEN {share} < {high!r}::DOUBLE THEN 'validation' ELSE 'train' END"
    )


def hashed_share_sql(split: Split, keys: Sequence[str], salt: str = "") -> str:
    """A SQL expression for the place of an example between 0 and 1, equal for a whole group; `salt` gives another."""
    own = " || ".join(f"{_text(key)} || chr(31)" for key in keys)
    text = (
        own
        if split.group is None
        else f"CASE WHEN {quoted(split.group)} IS NULL THEN 'k' || {own} ELSE 'g' || {_text(split.group)} END"
    )
    seed = f"{split.seed}{salt}"
    digest = f"md5({literal(seed)} || chr(31) || {text})"
    return f"('0x' || left({digest}, {_DIGITS}))::BIGINT::DOUBLE / {float(16**_DIGITS)!r}"


def _text(column: str) -> str:
    return f"{quoted(column)}::VARCHAR"
