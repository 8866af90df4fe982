"""The trainers that are of one library each."""

from ml_platform.spec.scikit_learn import ScikitLearn
from ml_platform.spec.training import LightGBM, Linear, XGBoost

PlainTrainer = LightGBM | XGBoost | Linear | ScikitLearn
