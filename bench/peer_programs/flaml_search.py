"""FLAML alone on a stored training set, with FLAML's Python: `flaml_search.py ROWS COLUMNS TASK METRIC SECONDS`.

It searches on the rows that are no holdout and prints the metric on the holdout as JSON. COLUMNS is a JSON list.
"""

import json
import sys

import polars as pl
from flaml import AutoML
from sklearn.metrics import mean_absolute_error, roc_auc_score, root_mean_squared_error

path, columns, task, metric, seconds = sys.argv[1:]
rows = pl.read_parquet(path)
wanted = [name for name in json.loads(columns) if name in rows.columns]
frame = rows.select(wanted).to_pandas()
for name in frame.columns:
    if frame[name].dtype == object or frame[name].dtype.name in ("str", "string"):
        frame[name] = frame[name].astype("category")
    elif frame[name].dtype == bool:
        frame[name] = frame[name].astype("int8")
label = rows["_label"].to_numpy().astype(float if task == "regression" else int)
holdout = (rows["_part"] == "holdout").to_numpy()
automl = AutoML()
automl.fit(
    frame[~holdout].reset_index(drop=True),
    label[~holdout],
    task="regression" if task == "regression" else "classification",
    metric=metric,
    time_budget=float(seconds),
    seed=0,
    verbose=0,
)
truth = label[holdout]
if task == "regression":
    scores = automl.predict(frame[holdout])
    values = {"rmse": float(root_mean_squared_error(truth, scores)), "mae": float(mean_absolute_error(truth, scores))}
else:
    values = {"roc_auc": float(roc_auc_score(truth, automl.predict_proba(frame[holdout])[:, 1]))}
print(json.dumps({**values, "rows": len(truth), "best": automl.best_estimator, "parameters": automl.best_config}))
