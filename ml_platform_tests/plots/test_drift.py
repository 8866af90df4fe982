"""The picture of drift by feature: what it says, and that the same figures give the same bytes."""

import re

import numpy as np
import pytest

from ml_platform.plots.answers import recalls
from ml_platform.plots.drift import drift_by_feature
from ml_platform.plots.importance import importance


def test_each_feature_is_named_with_its_figures() -> None:
    drawn = drift_by_feature(["short", "a" * 50], np.array([0.3, 9.0]), np.array([0.6, 0.4]), 0.25).decode()
    assert (
        "short" in drawn and "PSI 0.30, 60% of the importance" in drawn and "PSI 9.00, 40% of the importance" in drawn
    )
    assert "a" * 16 + "…" + "a" * 17 in drawn and "a" * 40 not in drawn


_BESIDE = re.compile(r'font-size: ([0-9.]+)px;[^>]*text-anchor: start;[^>]*? x="([0-9.]+)"[^>]*>([^<]*)</text>')


@pytest.mark.parametrize("name", ["x", "a" * 50])
@pytest.mark.parametrize("share", [0.02, 0.65, 1.0])
def test_what_stands_beside_the_longest_bar_is_not_cut(name: str, share: float) -> None:
    drawn = {
        "drift": drift_by_feature([name, "y"], np.array([9.0, 0.1]), np.array([share, 1 - share]), 0.25),
        "importance": importance({name: share, "y": 1 - share}),
        "recalls": recalls({name: (share, None, 1.0, 12_345), "y": (0.0, 0.0, 0.1, 3)}),
    }
    for plot, picture in drawn.items():
        width = float(re.findall(r'<svg [^>]*width="([0-9.]+)pt"', picture.decode(), re.DOTALL)[0])
        beside = _BESIDE.findall(picture.decode())
        assert beside, plot
        for size, left, text in beside:  # letters of the widest usual font are .58 of its height
            assert float(left) + len(text.rstrip()) * float(size) * 0.58 <= width, (plot, text)


def test_the_same_figures_give_the_same_bytes() -> None:
    figures = (["x", "y"], np.array([0.1, 0.2]), np.array([0.5, 0.5]), 0.25)
    assert drift_by_feature(*figures) == drift_by_feature(*figures)


def test_no_feature_is_an_empty_picture() -> None:
    assert drift_by_feature([], np.array([]), np.array([]), 0.25).startswith(b"<?xml")
