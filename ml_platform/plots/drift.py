"""Drift by feature, as bars that add up to the weighted figure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ml_platform.plots.canvas import BLUE, ORANGE, QUIET, end_beside, svg
from ml_platform.plots.importance import shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LONGEST = 34  # characters of a name
_WIDTH = 6.4  # inches


def drift_by_feature(
    names: Sequence[str], psi: npt.NDArray[np.float64], importance: npt.NDArray[np.float64], threshold: float
) -> bytes:
    """One bar a feature, first on top: what it adds to the weighted figure, its PSI (at most 1) by its importance."""
    parts = importance * np.minimum(psi, 1.0)

    def draw(axes: "Axes") -> None:
        positions = np.arange(len(names))[::-1]
        axes.barh(positions, parts, height=0.62, color=[ORANGE if moved > threshold else BLUE for moved in psi])
        texts = [
            f"  PSI {moved:.2f}, {share:.0%} of the importance" for moved, share in zip(psi, importance, strict=True)
        ]
        for position, part, text in zip(positions, parts, texts, strict=True):
            axes.text(part, position, text, va="center", fontsize=8, color=QUIET)
        axes.set_yticks(positions, [shortened(name, _LONGEST) for name in names])
        axes.set_xlim(0, max(0.016, end_beside(axes, parts.tolist(), texts, 8, width=_WIDTH)))
        axes.set_xlabel(f"part of the weighted drift; orange: PSI above {threshold:g}")
        axes.grid(visible=False, axis="y")

    return svg(draw, width=_WIDTH, height=0.9 + 0.24 * max(len(names), 3))
