"""The graph of lineage by itself."""

from datetime import UTC, datetime
from typing import Any

from ml_platform.lake.recipes import Read
from ml_platform.state.lineage import Graph, Node

NOW = datetime(2024, 1, 1, tzinfo=UTC)


def node(asset: str, key: str, kind: str = "features", **changes: Any) -> Node:
    fields: dict[str, Any] = {"partition": "1", "output": "", "rows": 1, "version": None, "stands": True, "reads": 1}
    return Node(kind, asset, content_key=key, run_id="r", recorded_at=NOW, **{**fields, **changes})


def place(asset: str, key: str) -> Read:
    return Read(asset, "1", key)


CHAIN = [
    node("raw/t", "f", "file"),
    node("validated/t", "v"),
    node("p/features", "x"),
    node("p/decision", "d", "decision"),
]
LINKS = [
    (place("validated/t", "v"), place("raw/t", "f")),
    (place("p/features", "x"), place("validated/t", "v")),
    (place("p/decision", "d"), place("p/features", "x")),
]


def test_a_walk_goes_both_ways_nearest_first_and_stops_where_it_is_told() -> None:
    graph = Graph(CHAIN, LINKS)
    assert [n.asset for n in graph.upstream(place("p/decision", "d"))] == ["p/features", "validated/t", "raw/t"]
    assert [n.asset for n in graph.downstream(place("raw/t", "f"))] == ["validated/t", "p/features", "p/decision"]
    stopping = graph.upstream(place("p/decision", "d"), past=lambda n: n.asset != "p/features")
    assert [n.asset for n in stopping] == ["p/features"]


def test_what_read_something_that_was_made_again_is_stale_all_the_way_down() -> None:
    again = [*CHAIN, node("validated/t", "v2")]
    again[1] = node("validated/t", "v", stands=False)
    graph = Graph(again, LINKS)
    states = {(n.asset, n.content_key): graph.state(n.address) for n in again}
    assert states == {
        ("raw/t", "f"): "stands",
        ("validated/t", "v"): "superseded",
        ("validated/t", "v2"): "stands",
        ("p/features", "x"): "stale",
        ("p/decision", "d"): "stale",
    }
    assert graph.state(place("validated/t", "never")) == "unknown"


def test_the_same_bytes_made_again_make_nothing_stale() -> None:
    sets = [
        node("p/training_set", "old", stands=False, output="digest"),
        node("p/training_set", "new", output="digest"),
    ]
    graph = Graph([*sets, node("p/candidate", "c")], [(place("p/candidate", "c"), place("p/training_set", "old"))])
    assert graph.state(place("p/candidate", "c")) == "stands"


def test_a_replaced_file_makes_stale_what_did_not_read_the_newer_content() -> None:
    files = [node("raw/t", "f", "file", stands=False), node("raw/t", "f2", "file")]
    both = [(place("validated/t", "v2"), place("raw/t", key)) for key in ("f", "f2")]
    graph = Graph([*files, node("validated/t", "v"), node("validated/t", "v2", partition="2")], LINKS[:1])
    assert graph.state(place("validated/t", "v")) == "stale"
    assert Graph([*files, node("validated/t", "v2")], both).state(place("validated/t", "v2")) == "stands"


def test_a_circle_in_a_damaged_table_ends() -> None:
    circle = [(place("a", "1"), place("b", "1")), (place("b", "1"), place("a", "1"))]
    graph = Graph([node("a", "1"), node("b", "1")], circle)
    assert len(graph.upstream(place("a", "1"))) == 2
    assert graph.state(place("a", "1")) == "stands"
