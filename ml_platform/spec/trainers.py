"""Which module of `ml_platform.models` implements a declared trainer, by the name of its word."""

PLAIN = {"LightGBM": "lightgbm", "XGBoost": "xgboost", "Linear": "linear", "ScikitLearn": "sklearn"}
SEARCHED = {"Tuned": "searched", "Grid": "searched", "AutoML": "searched"}
TRAINERS = {
    **PLAIN,
    "Choose": "choose",
    "Calibrated": "calibrated",
    "Quantiles": "quantiles",
    **SEARCHED,
    "Selected": "selected",
    "Transformed": "transformed",
}
