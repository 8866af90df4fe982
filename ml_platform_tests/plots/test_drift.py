"""The picture of drift by feature: what it says, and that the same figures give the same bytes."""

import numpy as np

from ml_platform.plots.drift import drift_by_feature


def test_each_feature_is_named_with_its_figures() -> None:
    drawn = drift_by_feature(["short", "a" * 50], np.array([0.3, 9.0]), np.array([0.6, 0.4]), 0.25).decode()
    assert (
        "short" in drawn and "PSI 0.30, 60% of the importance" in drawn and "PSI 9.00, 40% of the importance" in drawn
    )
    assert "a" * 16 + "…" + "a" * 17 in drawn and "a" * 40 not in drawn


def test_the_same_figures_give_the_same_bytes() -> None:
    figures = (["x", "y"], np.array([0.1, 0.2]), np.array([0.5, 0.5]), 0.25)
    assert drift_by_feature(*figures) == drift_by_feature(*figures)


def test_no_feature_is_an_empty_picture() -> None:
    assert drift_by_feature([], np.array([]), np.array([]), 0.25).startswith(b"<?xml")
