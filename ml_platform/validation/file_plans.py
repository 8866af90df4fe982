"""Which file versions matter to a partition, in which order, and the content key that follows (S31)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ml_platform.errors import IngestionError
from ml_platform.lake.recipes import Read, Recipe
from ml_platform.spec.canonical import content_key
from ml_platform.spec.partitions import Partitions
from ml_platform.spec.tables import Table
from ml_platform.state.database import State
from ml_platform.state.files import FileVersion
from ml_platform.state.stores import Stores
from ml_platform.validation.resolution import Step
from ml_platform.validation.screenings import Screenings, keys_of, needs_keys, needs_reads, screen_files, screenings

RESOLUTION_VERSION = 1  # raise it when the same screenings would be resolved otherwise
# The same for partitions in which a row can come back, tie with another version, or never be known under `refresh`.
_ORDER_VERSION = 2


@dataclass(frozen=True)
class Plan:
    """The file versions that matter to one partition, in the order in which they arrived."""

    partition: str
    files: list[FileVersion]
    steps: list[Step]
    final: list[bool]  # whether the file stands now


def touched(
    stores: Stores, table: Table, partitions: Partitions | None, keys: Mapping[str, str] | None = None
) -> dict[str, list[str]]:
    """Every partition that some file has rows in, with the file ids that matter to it. Screens what is not screened."""
    keys = needs_keys(stores.state, table) if keys is None else keys
    by_partition = plans(screen_files(stores, table, partitions, keys))
    return {name: [version.file_id for version in plan.files] for name, plan in sorted(by_partition.items())}


def validated_keys(
    state: State, table: Table, partitions: Partitions | None, keys: Mapping[str, str] | None = None
) -> dict[str, str] | None:
    """The content key of every partition that some file has rows in. Reads only.

    None while it cannot be told: a file is not screened, or a table in `needs` is not made.
    """
    recorded = _recorded(state, table, partitions, keys)
    if recorded is None:
        return None
    return {name: key_of(table, recorded.key, plan) for name, plan in sorted(plans(recorded).items())}


def validated_key(
    state: State, table: Table, partitions: Partitions | None, partition: str, keys: Mapping[str, str] | None = None
) -> str | None:
    """The content key of one partition (S31), with or without rows; None as in `validated_keys`, which is cheaper."""
    recorded = _recorded(state, table, partitions, keys)
    if recorded is None:
        return None
    paths = state.once(f"paths of {table.name}", lambda: _paths(recorded)) if keys is None else _paths(recorded)
    return key_of(table, recorded.key, _plan(partition, recorded, paths.get(partition, ())))


def _recorded(
    state: State, table: Table, partitions: Partitions | None, keys: Mapping[str, str] | None
) -> Screenings | None:
    if keys is None:
        return state.once(f"screenings of {table.name}", lambda: _recorded_now(state, table, partitions))
    recorded = screenings(state, table, partitions, keys)
    return None if recorded.waiting else recorded


def _recorded_now(state: State, table: Table, partitions: Partitions | None) -> Screenings | None:
    try:
        keys = needs_keys(state, table)
    except IngestionError:
        return None
    return _recorded(state, table, partitions, keys)


def is_screened(state: State, table: Table, partitions: Partitions | None) -> bool:
    """Whether content keys can be told: every file is screened, and every table in `needs` is made."""
    return _recorded(state, table, partitions, None) is not None


def filled(state: State, table: Table, partitions: Partitions | None) -> set[str]:
    """The partitions that standing files have valid rows in; none while a file is not screened. Reads only."""
    return set(filled_by(state, table, partitions))


def filled_by(state: State, table: Table, partitions: Partitions | None) -> Mapping[str, list[str]]:
    """The same, each with the digests of the screened files that have the rows."""
    return state.once(f"filled partitions of {table.name}", lambda: _filled_by(state, table, partitions))


def _filled_by(state: State, table: Table, partitions: Partitions | None) -> dict[str, list[str]]:
    recorded = _recorded(state, table, partitions, None)
    digests: dict[str, list[str]] = {}
    if recorded is None:
        return digests
    for versions in recorded.standing.values():
        screening = recorded.by_file[versions[-1].file_id]
        for name, counts in screening.partitions.items():
            if counts.rows:
                digests.setdefault(name, []).append(screening.digest)
    return digests


def plans(state: Screenings) -> dict[str, Plan]:
    """The plan of every partition that some standing file has rows in."""
    return {name: _plan(name, state, touching) for name, touching in _paths(state).items()}


def _paths(state: Screenings) -> dict[str, list[str]]:
    """Partition → the standing paths of which some version has rows in it."""
    paths: dict[str, list[str]] = {}
    for path, versions in state.standing.items():
        for name in {name for version in versions for name in state.by_file[version.file_id].partitions}:
            paths.setdefault(name, []).append(path)
    return paths


def _plan(partition: str, state: Screenings, touching: Iterable[str]) -> Plan:
    chains = {path: state.standing[path] for path in touching}
    arriving = sorted((v.arrival, path, i) for path, versions in chains.items() for i, v in enumerate(versions))
    number = {path: i for i, path in enumerate(dict.fromkeys(path for _, path, _ in arriving))}
    return Plan(
        partition,
        [chains[path][i] for _, path, i in arriving],
        [Step(number[path], i) for _, path, i in arriving],
        [i == len(chains[path]) - 1 for _, path, i in arriving],
    )


def validated_recipe(state: State, table: Table, partitions: Partitions | None, partition: str) -> Recipe | None:
    """The recipe of one partition as `build_validated` would follow it; None as in `validated_keys`. Reads only."""
    try:
        needs = needs_reads(state, table)
    except IngestionError:
        return None
    recorded = _recorded(state, table, partitions, keys_of(needs))
    if recorded is None:
        return None
    return recipe_of(table, recorded.key, _plan(partition, recorded, _paths(recorded).get(partition, ())), needs)


def recipe_of(table: Table, base: str, plan: Plan, needs: Mapping[str, Sequence[Read]]) -> Recipe:
    """The files of a plan, each content once, and the partitions of the tables in `needs`; `key_of` hashes both."""
    files = [Read(f"raw/{table.name}", version.path, version.sha256) for version in plan.files]
    reads = [*files, *(read for name in table.needs for read in needs[name])]
    return Recipe(key_of(table, base, plan), tuple(dict.fromkeys(reads)))


def key_of(table: Table, base: str, plan: Plan) -> str:
    """Arrivals count only where they decide something, so that landing elsewhere gives the same key.

    The order of arrival is in the order of the entries. The moment itself is there for replacements,
    where "latest" lets an arrival correct another path's rows, and, declared, for tables without time.
    """
    several = len({step.path for step in plan.steps}) > 1
    ordered_anew = (several and _ordered(table, plan)) or _never_known(table)
    entries = []
    for version, step in zip(plan.files, plan.steps, strict=True):
        decides = step.position > 0 or (table.on_conflict == "latest" and several)
        decides = decides or (table.event_time is None and version.declared)
        entries.append([step.path, version.sha256, version.arrival if decides else None])
    return content_key(
        "validated",
        _ORDER_VERSION if ordered_anew else RESOLUTION_VERSION,
        base,
        plan.partition,
        table.known_at,
        table.refresh,
        table.on_conflict,
        entries,
    )


def _ordered(table: Table, plan: Plan) -> bool:
    """Whether the order of versions may decide: a row may come back from another file, or two arrive at once."""
    comes_back = any(step.position > 0 for step in plan.steps)
    return comes_back or (
        table.on_conflict == "latest" and len({version.arrival for version in plan.files}) < len(plan.files)
    )


def _never_known(table: Table) -> bool:
    """Whether a row may have a null known_at that `refresh` applies to."""
    if table.refresh is None or table.known_at is None:
        return False
    return bool(table.contract.columns()[table.known_at].nullable)
