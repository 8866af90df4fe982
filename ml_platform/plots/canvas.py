"""The canvas of all plots: one style, and the same bytes for the same values."""

import io
import math
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ml_platform.escaping import lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

# Readable on Dagster's light and dark pages: a white ground of their own, few inks, no frame.
INK, QUIET, GRID = "#1f2933", "#6b7785", "#e3e8ee"
BLUE, ORANGE, GREEN, RED, GREY = "#2563eb", "#e07b00", "#15803d", "#dc2626", "#9aa5b1"
_STYLE: Any = {  # matplotlib lists every key in the type
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.edgecolor": GREY,
    "axes.labelcolor": QUIET,
    "axes.titlecolor": INK,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "text.parse_math": False,  # names of columns are no formulas, whatever signs are in them
    "svg.fonttype": "none",  # text stays text: smaller, searchable, and in the reader's own font
    "svg.hashsalt": "ml_platform",  # names inside the file that do not change from run to run
}

WIDTH = 4.6  # inches, of a plot that asks for no other
_EDGE, _LINE, _TICK = 0.14, 0.2, 0.06  # inches: of free ground, for a line of text, for the mark beside a label
_LETTER = 0.58  # width of a letter by its height, in the widest of the usual sans-serif fonts


def svg(draw: Callable[["Axes"], None], *, width: float = WIDTH, height: float = 2.8) -> bytes:
    """What `draw` puts on one pair of axes, as SVG; width and height in inches. No pyplot: nothing is kept."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_STYLE), warnings.catch_warnings():
        # Text stays text, so what matplotlib's own font lacks does not matter.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(width, height), facecolor="white")
        axes = figure.subplots()
        draw(axes)
        left_margin, right_margin, bottom_margin, top_margin = _margins(axes)
        figure.subplots_adjust(
            left_margin / width, bottom_margin / height, 1 - right_margin / width, 1 - top_margin / height
        )
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    # Signs that are not printed would turn what stands around them, and XML has none of the control characters.
    return lines(buffer.getvalue().decode()).encode()


def end_beside(axes: "Axes", ends: Sequence[float], texts: Sequence[str], fontsize: float, *, width: float) -> float:
    """Where the x axis from 0 must end, so that the text beside each bar stays inside of a plot that wide (inches).

    `ends`: where the bars end, and their texts begin. The labels of the y axis must be set before.
    """
    left_margin, right_margin, _, _ = _margins(axes)
    room = width - left_margin - right_margin
    free = [max(room - len(text) * fontsize * _LETTER / 72, room / 10) for text in texts]
    return max((end * room / inches for end, inches in zip(ends, free, strict=True)), default=0.0)


def _margins(axes: "Axes") -> tuple[float, float, float, float]:
    """Room for the labels, in inches: left, right, bottom, top.

    From the number of their letters: matplotlib's own layouts draw everything once to measure it,
    which takes as long as drawing does.
    """
    if not axes.axison:
        return _EDGE, _EDGE, _EDGE, _EDGE
    beside = max((_long(label) for label in axes.get_yticklabels()), default=0.0)
    below = max((_tall(label) for label in axes.get_xticklabels()), default=0.0)
    return (
        _EDGE + _TICK + beside + (_LINE if axes.get_ylabel() else 0.0),
        _EDGE,
        _EDGE + below + (_LINE if axes.get_xlabel() else 0.0),
        _EDGE + (_LINE if axes.get_title(loc="left") else 0.0),
    )


def _long(label: "Text") -> float:
    """How far a line of text reaches to the side, in inches."""
    return len(label.get_text()) * float(label.get_fontsize()) * _LETTER / 72


def _tall(label: "Text") -> float:
    """How far a line of text reaches down, in inches: one that is turned, by a part of its length."""
    turned = math.sin(math.radians(label.get_rotation()))
    return float(label.get_fontsize()) * 1.2 / 72 + _long(label) * turned
