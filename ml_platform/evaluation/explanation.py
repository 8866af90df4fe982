"""What a model looks at."""

from collections import defaultdict


def importance(model_text: str) -> dict[str, float]:
    """Each feature's share of the total gain of all splits, greatest first, read from a LightGBM model text.

    A feature that no split uses is 0; a model without a split gives zeros.
    """
    names: list[str] = []
    gain: dict[str, float] = defaultdict(float)
    used: list[int] = []
    for line in model_text.splitlines():
        key, _, values = line.partition("=")
        if key == "feature_names":
            names = values.split()
        elif key == "split_feature":
            used = [int(value) for value in values.split()]
        elif key == "split_gain":
            for feature, value in zip(used, values.split(), strict=True):
                gain[names[feature]] += float(value)
        elif key == "end of trees":
            break
    total = sum(gain.values()) or 1.0
    return dict(sorted(((name, gain[name] / total) for name in names), key=lambda item: (-item[1], item[0])))
