"""Which module of `ml_platform.models` implements a declared trainer, by the name of its word."""

PLAIN = {"LightGBM": "lightgbm", "XGBoost": "xgboost", "Linear": "linear", "ScikitLearn": "sklearn"}
TRAINERS = {
    **PLAIN,
    "Choose": "choose",
    "Calibrated": "calibrated",
    "Quantiles": "quantiles",
    "Tuned": "searched",
    "Grid": "searched",
    "Selected": "selected",
    "Transformed": "transformed",
}
