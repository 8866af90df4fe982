"""What flows into what, from left to right: boxes in layers, every line around the boxes between its ends."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from ml_platform.escaping import one_line
from ml_platform.plots import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Tone = Literal["plain", "marked", "past"]

# Inches. A letter of the title takes about .07 in whatever sans-serif the reader has, with some to spare.
_LETTER, _LINE, _PAD, _APART, _BETWEEN, _THREAD = 0.075, 0.17, 0.12, 0.26, 0.55, 0.1


@dataclass(frozen=True)
class Box:
    """A title and further lines. `tone`: "marked" is the subject of the plot, "past" what does not stand any more."""

    name: str
    lines: tuple[str, ...]
    tone: Tone = "plain"

    @property
    def width(self) -> float:
        """In inches, so that its longest line fits."""
        return max(1.0, _LETTER * max(map(len, self.lines)) + 2 * _PAD)

    @property
    def height(self) -> float:
        """In inches."""
        return _LINE * len(self.lines) + _PAD


def flow(boxes: Sequence[Box], links: Sequence[tuple[str, str]]) -> bytes:
    """The boxes with lines from the first to the second name of every link, as SVG; the same for the same values.

    A link that would close a circle is drawn and does not count for the layers.
    """
    named = {box.name: box for box in boxes}
    links = [link for link in dict.fromkeys(links) if link[0] != link[1] and set(link) <= set(named)]
    columns, threads = _columns(named, links)
    widths = [max(named[name].width if name in named else _THREAD for name in column) for column in columns]
    heights = [sum(_height(named, name) for name in column) + _APART * (len(column) - 1) for column in columns]
    width, height = sum(widths) + _BETWEEN * (len(columns) - 1), max(heights)
    positions: dict[str, tuple[float, float, float]] = {}  # left edge, middle height, right edge
    x = 0.0
    for column, wide, high in zip(columns, widths, heights, strict=True):
        top = (height + high) / 2
        for name in column:
            own = _height(named, name)
            positions[name] = (x, top - own / 2, x + wide)
            top -= own + _APART
        x += wide + _BETWEEN

    def draw(axes: "Axes") -> None:
        axes.set(xlim=(-0.1, width + 0.1), ylim=(-0.1, height + 0.1))
        axes.axis("off")
        for thread in threads:
            _line(axes, [positions[name] for name in thread], named[thread[0]].tone, named[thread[-1]].tone)
        for box in boxes:
            _box(axes, box, *positions[box.name])

    return canvas.svg(draw, width=width + 0.3, height=height + 0.3)


def _columns(
    boxes: Mapping[str, Box], links: Sequence[tuple[str, str]]
) -> tuple[list[list[str]], list[tuple[str, ...]]]:
    """The names of each layer from top to bottom, and every link with the points that it passes on its way."""
    layer = _layers(list(boxes), links)
    columns: list[list[str]] = [[] for _ in range(max(layer.values(), default=0) + 1)]
    for name in boxes:
        columns[layer[name]].append(name)
    threads = []
    for source, target in links:
        between = range(layer[source] + 1, layer[target])
        points = [f"{source} → {target} {number}" for number in between]
        for number, point in zip(between, points, strict=True):
            columns[number].append(point)
        threads.append((source, *points, target))
    _untangle(columns, threads)
    return columns, threads


def _layers(names: Sequence[str], links: Sequence[tuple[str, str]]) -> dict[str, int]:
    """How far right each box is: one more than the furthest that flows into it."""
    sources: dict[str, list[str]] = {name: [s for s, target in links if target == name] for name in names}
    layer: dict[str, int] = {}

    def of(name: str, above: frozenset[str]) -> int:
        if name not in layer:
            before = [of(source, above | {name}) for source in sources[name] if source not in above | {name}]
            layer[name] = max(before, default=-1) + 1
        return layer[name]

    for name in names:
        of(name, frozenset())
    return layer


def _untangle(columns: list[list[str]], threads: Sequence[tuple[str, ...]]) -> None:
    """Order each layer by the middle of its neighbours, to and fro, so that few lines cross."""
    beside: dict[str, list[str]] = {}
    for thread in threads:
        for one, next_ in pairwise(thread):
            beside.setdefault(one, []).append(next_)
            beside.setdefault(next_, []).append(one)
    for sweep in range(6):
        for column in columns if sweep % 2 == 0 else reversed(columns):
            spot = {name: row / max(1, len(names) - 1) for names in columns for row, name in enumerate(names)}
            middle = {
                name: sum(spot[n] for n in beside.get(name, [name])) / len(beside.get(name, [name])) for name in column
            }
            column.sort(key=lambda name: middle[name])


def _height(boxes: Mapping[str, Box], name: str) -> float:
    return boxes[name].height if name in boxes else _THREAD


def _box(axes: "Axes", box: Box, x: float, y: float, x_end: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    edge = {"plain": canvas.BLUE, "marked": canvas.ORANGE, "past": canvas.GREY}[box.tone]
    fill = {"plain": "#eff4fe", "marked": "#fff4e5", "past": "#f6f7f9"}[box.tone]
    bottom = y - box.height / 2
    style: Any = "round,pad=0,rounding_size=0.06"
    dashes = "--" if box.tone == "past" else "-"
    axes.add_patch(
        FancyBboxPatch((x, bottom), x_end - x, box.height, boxstyle=style, ec=edge, fc=fill, lw=1, ls=dashes, zorder=2)
    )
    for number, line in enumerate(box.lines):
        title = number == 0
        axes.text(
            (x + x_end) / 2,
            bottom + box.height - _PAD / 2 - _LINE * (number + 0.5),
            one_line(line),
            ha="center",
            va="center",
            fontsize=8.5 if title else 7.5,
            weight="bold" if title else "normal",
            color=canvas.QUIET if box.tone == "past" or not title else canvas.INK,
            zorder=3,
        )


def _line(axes: "Axes", points: Sequence[tuple[float, float, float]], begins: Tone, ends: Tone) -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    spots: list[tuple[float, float]] = [(points[0][2], points[0][1])]
    codes: list[Any] = [Path.MOVETO]
    for before, (x, y, _) in pairwise(points):
        start, bend = (before[2], before[1]), (x - before[2]) / 2
        if spots[-1] != start:
            spots.append(start)
            codes.append(Path.LINETO)
        spots += [(start[0] + bend, start[1]), (x - bend, y), (x, y)]
        codes += [Path.CURVE4] * 3
    marked = begins == ends == "marked"
    axes.add_patch(
        FancyArrowPatch(
            path=Path(spots, codes),
            arrowstyle="-|>",
            mutation_scale=7,
            color=canvas.ORANGE if marked else canvas.GREY,
            lw=1.4 if marked else 0.8,
            zorder=1,
        )
    )
