"""The picture of what flows into what: every box once, whatever the links."""

from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.plots.flow import Box, _columns, flow

NAMES = st.sampled_from("abcdefgh")


@given(links=st.lists(st.tuples(NAMES, NAMES), max_size=20))
def test_every_box_has_one_place_and_lines_go_right_where_no_circle_forbids(links: list[tuple[str, str]]) -> None:
    boxes = {name: Box(name, (name,)) for name in "abcdefgh"}
    links = [link for link in dict.fromkeys(links) if link[0] < link[1]]  # by the alphabet: no circle
    columns, threads = _columns(boxes, links)
    layer = {name: number for number, column in enumerate(columns) for name in column}
    assert sum(map(len, columns)) == len(layer) == len(boxes) + sum(len(thread) - 2 for thread in threads)
    assert [(thread[0], thread[-1]) for thread in threads] == links
    for thread in threads:
        assert [layer[point] for point in thread] == list(range(layer[thread[0]], layer[thread[-1]] + 1))


@settings(max_examples=10, deadline=None)
@given(links=st.lists(st.tuples(NAMES, NAMES), max_size=12))
def test_circles_strangers_and_boxes_alone_are_drawn_all_the_same(links: list[tuple[str, str]]) -> None:
    boxes = [Box(name, (f"title {name}", "one line"), "past" if name == "c" else "plain") for name in "abcdef"]
    drawn = flow(boxes, links)
    ElementTree.fromstring(drawn.decode())
    assert all(drawn.count(f">title {name}<".encode()) == 1 for name in "abcdef")
    assert flow(boxes, links) == drawn
