"""Saves a LightGBM model for `mlflow models serve`: `mlflow_model.py MODEL.txt FOLDER`, with MLflow's Python."""

import sys

import lightgbm
import mlflow.lightgbm

mlflow.lightgbm.save_model(lightgbm.Booster(model_file=sys.argv[1]), sys.argv[2], pip_requirements=[])
