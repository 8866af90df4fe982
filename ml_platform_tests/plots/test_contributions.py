"""The picture of what moved one prediction."""

from ml_platform.plots.contributions import TOP, contributions


def test_the_greatest_contributions_are_drawn_whatever_their_sign() -> None:
    drawn = contributions({"raises": 2.0, "lowers": -3.0, **{f"small{n}": 0.01 * n for n in range(TOP)}}).decode()
    assert "raises" in drawn and "lowers" in drawn and "small9" in drawn and "small1<" not in drawn


def test_the_same_figures_give_the_same_bytes_and_none_an_empty_picture() -> None:
    assert contributions({"x": 0.1, "y": -0.2}) == contributions({"y": -0.2, "x": 0.1})
    assert contributions({}).startswith(b"<?xml")
