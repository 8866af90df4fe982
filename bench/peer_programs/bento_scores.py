"""The same LightGBM model as a BentoML service; MODEL is its file. Runs with BentoML's Python."""

import os

import bentoml
import lightgbm
import numpy as np


@bentoml.service(workers=1)
class Scores:
    def __init__(self) -> None:
        self.booster = lightgbm.Booster(model_file=os.environ["MODEL"])

    @bentoml.api
    def predict(self, rows: np.ndarray) -> np.ndarray:
        return self.booster.predict(rows, num_threads=1)
