"""LightGBM behind the protocol: importance, parameters, and what existing lakes rely on."""

import numpy as np
import pytest

from ml_platform.models.lightgbm import gain_shares


def test_importance_is_the_share_of_gain_that_lightgbm_reports() -> None:
    import lightgbm

    generator = np.random.default_rng(0)
    x = generator.random((500, 3))
    y = x[:, 0] + 0.3 * x[:, 1] > 0.6
    data = lightgbm.Dataset(x, y, feature_name=["strong", "weak", "unused"])
    booster = lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1, "num_leaves": 4}, data, 10)
    gain = dict(zip(booster.feature_name(), booster.feature_importance("gain"), strict=True))
    shares = gain_shares(booster.model_to_string())
    assert next(iter(shares)) == "strong" and sum(shares.values()) == pytest.approx(1)
    assert shares == pytest.approx({name: value / sum(gain.values()) for name, value in gain.items()}, abs=1e-4)


def test_a_model_without_a_split_gives_zeros() -> None:
    assert gain_shares("feature_names=a b\nsplit_feature=\nsplit_gain=\nend of trees\n") == {"a": 0.0, "b": 0.0}
