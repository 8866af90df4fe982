"""Lineage stories as trees on the terminal. Partitions of an asset share a line."""

from collections.abc import Iterable
from typing import Any

from rich.text import Text
from rich.tree import Tree

from ml_platform.cli.output import cell
from ml_platform.naming import counted
from ml_platform.spec.partitions import spanned

Story = dict[str, Any]


def of_prediction(story: Story) -> Tree:
    """From a prediction to the version and the rows behind it."""
    row, features, rows = story["prediction"], story["features"], story["rows"]
    decided = f" ({row['class']})" if row["class"] is not None else ""
    at = f" at {cell(row['at'])}" if row["at"] else ""
    tree = _tree(f"prediction of {row['key']}{at}: {row['score']:.4g}{decided}")
    if row["run_id"] is not None:
        _add(tree, f"predictions {row['partition']}{_unless_standing(row['state'])}, run {row['run_id']}")
    if row["others"]:
        _add(tree, f"the newest of {row['others'] + 1} predictions of this key")
    _groups(_version(tree, story["version"]), story["trained_on"])
    stood = _unless_standing(features["state"])
    branch = _add(tree, f"feature row in features {features['partition']}{stood}", bold=True)
    if features["stored"] is False:  # None: nothing is declared
        _add(branch, "the declared features changed since: the version's own were computed from the same rows")
    if features["values"] is None:
        _add(branch, "the row is gone: the partition was recomputed without it")
    for origin in rows:
        part = _add(branch, f"the example: validated/{origin['table']} {origin['partition']}")
        file = _add(part, f"{origin['file']}, row {origin['row']:,}{_unless_standing(origin['status'])}")
        _add(file, f"sha256 {origin['sha256'][:12]}, arrived {cell(origin['arrival'].replace(microsecond=0))}")
    if story["reads"]:
        window = _add(branch, "inputs that its features may read")
        for asset, reads in _by_asset(story["reads"]).items():
            part = _add(window, f"{asset} {_partitions(reads)}{_states(reads)}")
            for file in {(f["path"], f["sha256"]): f for read in reads for f in read["files"]}.values():
                _add(part, _file(file))
    return tree


def of_version(story: Story) -> Tree:
    """From a version down to the files."""
    tree = _tree(f"what {story['version']['version']} was made of")
    branch = _version(tree, story["version"])
    _groups(branch, [node for node in story["made_of"] if node["kind"] != "file"])
    tables: dict[str, list[Story]] = {}
    for file in story["files"]:
        tables.setdefault(file["table"], []).append(file)
    for table, files in tables.items():
        part = _add(branch, f"raw/{table}: {_count(len(files), 'file')}")
        for file in files:
            _add(part, _file(file))
    if story["scored"]:
        _add(tree, f"scored predictions {_partitions(story['scored'])}{_states(story['scored'])}")
    return tree


def of_file(story: Story) -> Tree:
    """From every content of a file to what was built on it."""
    tree = _tree(story["file"])
    if story["landing"] not in (None, "taken in"):
        states = {"waits": "holds newer content, which is not ingested yet", "gone": "no longer has the file"}
        _add(tree, f"the landing folder {states[story['landing']]}")
    for content in story["contents"]:
        arrived = cell(content["arrival"].replace(microsecond=0))
        title = f"content {content['version']}: sha256 {content['sha256'][:12]}, arrived {arrived}, {content['status']}"
        branch = _add(tree, title, bold=True)
        if content["error"]:
            _add(branch, content["error"])
        _groups(branch, [built for built in content["built"] if built["kind"] not in ("version", "verdicts")])
        for version in content["versions"]:
            _add(branch, _service(version))
        if not content["built"]:
            _add(branch, "nothing was built on it")
    return tree


def _version(tree: Tree, version: Story) -> Tree:
    branch = _add(tree, f"version {_service(version)}", bold=True)
    if version["gates"]:
        _add(branch, f"{version['gates_passed']} of {counted(version['gates'], 'gate')} passed")
    _add(branch, f"bundle {version['bundle'][:12]}")
    parts = ", ".join(f"{rows:,} {part}" for part, rows in version["examples"].items() if rows is not None)
    if version["decided_at"]:
        _add(branch, f"decided at {cell(version['decided_at'])}")
    return _add(branch, f"training set {version['training_set'][:12]}: {parts}")


def _service(version: Story) -> str:
    since = f" since {cell(version['promoted'])}" if version["promoted"] else ""
    service = f"serves{since}" if version["serves"] else "never served"
    if version["until"]:
        service = f"served {cell(version['promoted'])} to {cell(version['until'])}"
    if version["until"] and version["until"] == version["promoted"]:  # the past was recomputed
        service = f"replaced as of {cell(version['until'])}"
    return f"{version['version']}, trained after {version['partition']}: {service}"


def _groups(tree: Tree, nodes: list[Story]) -> None:
    for asset, group in _by_asset(nodes).items():
        if group[0]["kind"] == "file":
            _add(tree, f"{asset}: {_count(len(group), 'file')}, {_ends([node['partition'] for node in group])}")
        else:
            _add(tree, f"{asset} {_partitions(group)}{_states(group)}")


def _by_asset(nodes: Iterable[Story]) -> dict[str, list[Story]]:
    by_asset: dict[str, list[Story]] = {}
    for node in nodes:
        by_asset.setdefault(node["asset"], []).append(node)
    return by_asset


def _partitions(nodes: list[Story]) -> str:
    return spanned(node["partition"] for node in nodes)


def _states(nodes: list[Story]) -> str:
    """How many nodes are superseded, stale or unknown, as a suffix."""
    counts = {state: sum(node["state"] == state for node in nodes) for state in ("superseded", "stale", "unknown")}
    phrases = [state if len(nodes) == 1 else f"{n} of {len(nodes)} {state}" for state, n in counts.items() if n]
    return f" ({', '.join(phrases)})" if phrases else ""


def _unless_standing(state: str) -> str:
    return "" if state == "stands" else f" ({state})"


def _file(file: Story) -> str:
    return f"{file['path']}: sha256 {file['sha256'][:12]}{_unless_standing(file['status'])}"


def _ends(paths: list[str]) -> str:
    return ", ".join(paths) if len(paths) < 3 else f"{min(paths)} … {max(paths)}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _tree(text: str) -> Tree:
    return Tree(_line(text, bold=True), guide_style="dim")


def _add(tree: Tree, text: str, *, bold: bool = False) -> Tree:
    return tree.add(_line(text, bold=bold))


def _line(text: str, *, bold: bool = False) -> Text:
    return Text(cell(text), style="bold" if bold else "not bold", no_wrap=True, overflow="ellipsis")
