"""Which version of a row counts (S6): one order for features, the inputs of examples, and labels.

Of the versions of a key that are usable at a moment, the one counts that became usable last, then the newest by
arrival, then the one that stands longer, then by the path of its file, then by its row there. An input is usable from
its arrival on. The id of a file is a hash, so nothing is ordered by it.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ml_platform.naming import literal, quoted

if TYPE_CHECKING:
    from ml_platform.state.database import State

PATH, ROW = "_path", "_row"
# Ascending: from the oldest version to the newest. A version that stands has no end.
_AGE = ("_arrival", "coalesce(_superseded_at, TIMESTAMPTZ 'infinity')", PATH, ROW)


def validated(state: "State", table: str, *, keyed: bool) -> str:
    """What to select a validated table from: with `_path` where it has no key, since ties are broken by it."""
    return f"validated.{quoted(table)}" if keyed else with_paths(state, table)


def with_paths(state: "State", table: str) -> str:
    """A query of `validated.<table>` with `_path`, the path of each row's file. The order below reads it."""
    from ml_platform.state.files import versions  # serving orders versions too, and has no state

    return with_paths_of(table, {version.file_id: version.path for version in versions(state, table)})


def with_paths_of(table: str, path_by_file: Mapping[str, str]) -> str:
    """The same, for who knows the path of each file id already."""
    ids, paths = (
        f"unnest([{', '.join(map(literal, texts))}]::VARCHAR[])"
        for texts in (path_by_file.keys(), path_by_file.values())
    )
    return (
        f"SELECT v.*, f.path AS {PATH} FROM validated.{quoted(table)} v "
        f"LEFT JOIN (SELECT {ids} AS file_id, {paths} AS path) f ON v._file = f.file_id"
    )


def newest_first() -> str:
    """ORDER BY for the versions of one key that may count at a moment: the one that counts comes first."""
    return ", ".join(f"{part} DESC" for part in ("_usable_at", *_AGE))


def as_of(at: str) -> str:
    """ORDER BY for the versions of one example, whose inputs are known at `at`: the one that counts comes first.

    An input is usable from the arrival of its version on, whatever the row's known_at. It is the newest version
    that had arrived by `at`, otherwise the oldest.
    """
    arrived = f"_arrival <= {at}"
    newest = [f"CASE WHEN {arrived} THEN {part} END DESC" for part in _AGE]
    return ", ".join([f"{arrived} DESC", *newest, *_AGE])
