"""Where pictures are drawn: one look for all of them, and the same bytes for the same values."""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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
    "svg.fonttype": "none",  # text stays text: smaller, searchable, and in the reader's own font
    "svg.hashsalt": "ml_platform",  # names inside the file that do not change from run to run
}


def svg(draw: Callable[["Axes"], None], *, width: float = 4.6, height: float = 2.8) -> bytes:
    """What `draw` puts on one pair of axes, as SVG; width and height in inches. No pyplot: nothing is kept."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
        draw(figure.subplots())
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
