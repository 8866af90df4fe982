"""One search as a page: it needs no other file, and all text on it is escaped."""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from ml_platform.escaping import html_text, page_without_script
from ml_platform.plots import searches as plots
from ml_platform.views.run_page import STYLE, picture, table
from ml_platform.views.searches import is_higher_better, points_of


def page(row: Mapping[str, Any]) -> str:
    """The page of a search in full (`views.searches.search_in_full`)."""
    title = f"Search {row['search']} of {row['pipeline']}"
    facts = ("status", "ended_by", "wanted", "done", "pruned", "failed", "metric", "declared", "best", "best_trial")
    parts = [f"<h1>{html_text(title)}</h1>", table(["", ""], ([name, row[name]] for name in (*facts, "on_holdout")))]
    if row["parameters"]:
        parts += ["<h2>Chosen</h2>", table(["parameter", "value"], [[k, v] for k, v in row["parameters"].items()])]
    if points := points_of(row):
        draw = partial(plots.progress, row["metric"], points, higher_is_better=is_higher_better(row))
        parts.append(picture(draw, f"{row['metric']} of the trials"))
    if row["importance"]:
        parts.append(picture(partial(plots.parameter_importance, row["importance"]), "which parameters mattered"))
    if row["constraints"]:
        heads = ["gate", "missed by trials", "chosen"]
        parts += ["<h2>Constraints</h2>"]
        parts.append(table(heads, [[one["gate"], one["missed"], one["chosen"]] for one in row["constraints"]]))
    listed = [
        [one["number"], one["status"], one["value"], json.dumps(one["parameters"]), one["seconds"], one["reason"]]
        for one in row["list"]
    ]
    parts += ["<h2>Trials</h2>", table(["trial", "status", "value", "parameters", "seconds", "reason"], listed)]
    return page_without_script(title, STYLE, "".join(parts))
