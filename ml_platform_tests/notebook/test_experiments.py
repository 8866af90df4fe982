"""An experiment from a notebook: expressions as values, and a result that shows itself."""

import shutil
from pathlib import Path

import polars as pl
import pytest

import ml_platform
from ml_platform.errors import DeclarationError


def test_an_experiment_is_tried_and_listed_from_python(february: Path, tmp_path: Path) -> None:
    shutil.copytree(february, tmp_path / "data")
    with ml_platform.open(tmp_path / "data") as platform:
        pipeline, stages = platform["trip_delay"], list[str]()
        result = pipeline.experiment({"trainer.num_leaves": 5}, drop=["km"], name="<b>", tell=stages.append)
        assert stages == ["training", "comparing"] and not result.reused
        assert result.comparisons.filter(metric="roc_auc", slice="")["value"].item() == result.metrics["roc_auc"]
        assert "passed" in result.gates["outcome"].to_list()
        assert repr(result).startswith("Run 1 of trip_delay (num_leaves=5; exclude=['driver', 'km'])")
        assert "<table>" in result._repr_html_() and "<b>" not in result._repr_html_()
        assert pipeline.experiment({"trainer.num_leaves": 5}, drop=["km"]).reused
        later = pipeline.experiment({"examples.label": pl.col("late") > 5})
        assert later.comparisons.height == 0 and "against" not in repr(later)
        assert pipeline.runs.filter(kind="experiment")["run"].to_list() == ["2", "1"]
        with pytest.raises(DeclarationError, match="num_leafs"):
            pipeline.experiment({"trainer.num_leafs": 5})
