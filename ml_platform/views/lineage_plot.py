"""Plots a lineage story. All partitions of an asset share one box unless the story separates them."""

from collections.abc import Iterator
from typing import Any

from ml_platform.lake.recipes import Read
from ml_platform.naming import counted
from ml_platform.plots.flow import Box, flow
from ml_platform.spec.partitions import WHOLE, spanned
from ml_platform.state.lineage import Graph, Node
from ml_platform.state.results import passes_on

Story = dict[str, Any]


def lineage_plot(lineage: Graph, story: Story) -> bytes:
    """The nodes of a story that carry data, and the edges between them, as SVG."""
    marked = set(_marked(lineage, story))
    groups: dict[str, list[Read]] = {}
    home: dict[Read, str] = {}
    for address in dict.fromkeys(_addresses(story)):
        node = lineage.nodes.get(address)
        if node is None or not passes_on(node.kind):
            continue
        apart = "past" if not node.stands else "marked" if address in marked else "plain"
        name = f"{node.asset} {apart}"
        if "contents" in story and node.kind == "file":
            name = f"{name} {node.content_key}"  # the contents of one path are what is compared
        groups.setdefault(name, []).append(address)
        home[address] = name
    boxes = [_box(lineage, story, name, addresses, marked) for name, addresses in groups.items()]
    links = [(home[read], home[address]) for address in home for read in lineage.reads.get(address, []) if read in home]
    return flow(boxes, sorted(links))


def _addresses(story: Story) -> Iterator[Read]:
    """Every node of a story."""
    for part in ("prediction", "features"):
        if part in story:
            yield _address(story[part])
    if "version" in story:
        yield _version(story["version"])
    for part in ("reads", "trained_on", "made_of", "scored", "files"):
        for entry in story.get(part, []):
            yield _address(entry)
            yield from map(_address, entry.get("files", []))
    for content in story.get("contents", []):
        yield _address(content)
        yield from map(_address, content["built"])


def _version(entry: Story) -> Read:
    return Read(f"{entry['version'].partition('@')[0]}/candidate", entry["partition"], entry["content_key"])


def _address(entry: Story) -> Read:
    if "path" in entry:
        return Read(f"raw/{entry['table']}", entry["path"], entry["sha256"])
    return Read(entry["asset"], entry["partition"], entry["content_key"])


def _marked(lineage: Graph, story: Story) -> Iterator[Read]:
    """The subject of the story: a prediction with its version and source row, a version, or a file."""
    if "prediction" in story:
        yield from (_address(story["prediction"]), _address(story["features"]))
        for origin in story["rows"]:
            yield Read(f"raw/{origin['table']}", origin["file"], origin["sha256"])
            example = (f"validated/{origin['table']}", origin["partition"])
            yield from (_address(read) for read in story["reads"] if (read["asset"], read["partition"]) == example)
    if "version" in story:
        yield _version(story["version"])
    for content in story.get("contents", []):
        yield _address(content)


def _box(lineage: Graph, story: Story, name: str, addresses: list[Read], marked: set[Read]) -> Box:
    nodes = [lineage.nodes[address] for address in addresses]
    lines = _lines(nodes)
    if "prediction" in story and _address(story["prediction"]) in addresses:
        lines = ["prediction", story["prediction"]["key"], f"score {story['prediction']['score']:.4g}"]
    if not nodes[0].stands:
        return Box(name, (*lines, "replaced since"), "past")
    return Box(name, tuple(lines), "marked" if addresses[0] in marked else "plain")


def _lines(nodes: list[Node]) -> list[str]:
    """The lines of a box: a title, and what distinguishes these nodes of an asset from others."""
    kind, (_, _, thing), several = nodes[0].kind, nodes[0].asset.partition("/"), len(nodes) > 1
    if kind == "file":
        names = sorted(node.partition.rpartition("/")[2] for node in nodes)
        if several:
            return [f"{thing}: {len(names)} files", f"{names[0]} …", names[-1]]
        return [names[0], f"sha256 {nodes[0].content_key[:12]}"]
    months = [spanned(node.partition for node in nodes)] if nodes[0].partition != WHOLE else []
    if kind == "version":
        numbers = sorted(int((node.version or "@0").partition("@")[2]) for node in nodes)
        listed = [f"@{number}" for number in numbers]
        if len(numbers) > 2 and numbers[-1] - numbers[0] == len(numbers) - 1:
            listed = [f"{listed[0]} … {listed[-1]}"]
        title = f"version{'s' if several else ''} {', '.join(listed)}"
        return [title, *(f"trained after {span}" for span in months)]
    if kind == "training_set":  # of several the sum would count examples again and again
        return ["training sets" if several else "training set", *months, *([] if several else [_rows(nodes)])]
    return [f"validated {thing}" if kind == "validated" else thing, *months, _rows(nodes)]


def _rows(nodes: list[Node]) -> str:
    return counted(sum(node.rows for node in nodes), "row")
