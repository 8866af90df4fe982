"""Fits tables to the terminal: long text is cut with an ellipsis, numbers never."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

GAP = 2  # spaces between columns


@dataclass(frozen=True)
class Column:
    """A header and its cells as text. A cell is cut to no less than `floor` characters (None: never)."""

    header: str
    cells: Sequence[str]
    right: bool = False
    floor: int | None = None

    @property
    def natural(self) -> int:
        """The width at which nothing is cut."""
        return max(map(cell_len, (self.header, *self.cells)))

    @property
    def narrowest(self) -> int:
        """The smallest useful width."""
        return self.natural if self.floor is None else min(self.natural, max(self.floor, cell_len(self.header)))


def fitted(columns: Sequence[Column], width: int | None) -> list[int]:
    """The widths of the first columns that have room in `width` terminal cells (None: all); at least one column."""
    if width is None:
        return [column.natural for column in columns]
    shown = len(columns)
    while shown > 1 and _total([c.narrowest for c in columns[:shown]]) > width:
        shown -= 1
    widths = [column.natural for column in columns[:shown]]
    floors = [column.narrowest for column in columns[:shown]]
    while (over := _total(widths) - width) > 0:
        slack = [have - least for have, least in zip(widths, floors, strict=True)]
        if not any(slack):
            widths[0] = min(widths[0], width)
            break
        # The widest gives way first, down to the next widest: names stay, sentences are cut.
        giving = max((i for i, spare in enumerate(slack) if spare), key=lambda i: widths[i])
        rivals = [w for i, w in enumerate(widths) if i != giving and slack[i]]
        down_to = max([floors[giving], *(w for w in rivals if w < widths[giving])])
        widths[giving] -= min(over, max(1, widths[giving] - down_to))
    return widths


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)
