"""Row versions equal a naive version, written row by row from SEMANTICS (S6, S35), on generated arrivals."""

from dataclasses import dataclass

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.validation.resolution import Step, resolve
from ml_platform_tests.examples import tries


@dataclass
class NaiveVersion:
    content: int
    row: tuple[int, int]  # step, key: the row it consists of
    began: int  # -1: the first content of its key, known as declared
    ended: int = -1
    by: "NaiveVersion | None" = None


def naive(arrivals: list[tuple[int, dict[int, int]]], latest: bool) -> tuple[dict[int, list[NaiveVersion]], set, set]:
    """One key at a time, one arrival at a time; arrivals are (path, key → content)."""
    history: dict[int, list[NaiveVersion]] = {}
    refused, doubles = set(), set()
    for key in sorted({k for _, rows in arrivals for k in rows}):
        offers: dict[int, tuple[int, int, int]] = {}  # path → content, first offered at, offered at
        versions: list[NaiveVersion] = []
        current: NaiveVersion | None = None
        for step, (path, rows) in enumerate(arrivals):
            before = offers.pop(path, None)
            restated = before is not None and rows.get(key) == before[0]
            if key in rows:
                offers[path] = (rows[key], before[1] if restated else step, step)
            wanted = None
            offered = [content for content, _, _ in offers.values()]
            if latest and key in rows and not restated and (current is None or rows[key] != current.content):
                wanted = (rows[key], step)
            elif current is not None and current.content in offered:
                continue
            elif key in rows and not restated:
                wanted = (rows[key], step)
            elif offers and current is not None:
                pick = max if latest else min
                content, _, at = pick(offers.values(), key=lambda offer: offer[1])
                wanted = (content, at)
            if wanted is None and current is None:
                continue
            new = None if wanted is None else NaiveVersion(wanted[0], (wanted[1], key), step if versions else -1)
            if current is not None:
                current.ended, current.by = step, new
            current = new
            if new is not None:
                versions.append(new)
        history[key] = versions
        equal = [(at, key) for content, _, at in offers.values() if current and content == current.content]
        doubles |= {row for row in equal if row != (current.row if current and current.row in equal else equal[0])}
        refused |= {(at, key) for content, _, at in offers.values() if current and content != current.content}
    return history, refused, doubles


rows_of_a_file = st.dictionaries(st.integers(0, 4), st.integers(0, 2), max_size=5)  # key → content
files = st.lists(st.tuples(st.integers(0, 2), rows_of_a_file), min_size=1, max_size=7)


@settings(max_examples=tries(300), deadline=None)
@given(files, st.booleans())
def test_row_versions_equal_the_naive_ones(arrivals: list[tuple[int, dict[int, int]]], latest: bool) -> None:
    positions: dict[int, int] = {}
    steps = []
    for path, _ in arrivals:
        steps.append(Step(path, positions.get(path, 0)))
        positions[path] = positions.get(path, 0) + 1
    rows = [(i, key, content) for i, (_, offered) in enumerate(arrivals) for key, content in offered.items()]
    offers = pl.DataFrame(rows, schema={"_step": pl.Int64, "key": pl.Int64, "content": pl.Int64}, orient="row")
    found = resolve(offers, steps, ["key"], ["key", "content"], latest=latest)
    place = [(step, key) for step, key, _ in rows]
    versions = [(place[r], int(b), int(e)) for r, b, e in zip(found.rows, found.began, found.ended, strict=True)]
    successors = {versions[i][:2]: versions[by][:2] for i, by in enumerate(found.by) if by >= 0}
    history, refused, doubles = naive(arrivals, latest)
    expected = [v for versions in history.values() for v in versions]
    assert sorted(versions) == sorted((v.row, v.began, v.ended) for v in expected)
    assert successors == {(v.row, v.began): (v.by.row, v.by.began) for v in expected if v.by}
    assert sorted(place[r] for r in found.refused) == sorted(refused)
    assert len(found.duplicates) == len(doubles)
    current = {v.row[1]: v.content for v in expected if v.ended == -1}
    contents = [content for _, _, content in rows]
    for loser, winner in zip(found.refused, found.winners, strict=True):
        assert contents[winner] == current[place[loser][1]] != contents[loser]
    standing = {path: offered for path, offered in arrivals}
    assert sum(map(len, standing.values())) == len(current) + len(found.refused) + len(found.duplicates)
