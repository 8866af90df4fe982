"""Which module implements a declared trainer."""

# The name of a word → its module in `ml_platform.models`.
TRAINERS = {"LightGBM": "lightgbm", "XGBoost": "xgboost", "Linear": "linear", "ScikitLearn": "sklearn"}
