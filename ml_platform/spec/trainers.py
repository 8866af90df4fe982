"""Which module implements a declared trainer."""

TRAINERS = {"LightGBM": "lightgbm", "Linear": "linear"}  # the name of a word → its module in `ml_platform.models`
