"""`try` and `runs`: what people see of experiments, and what programs get."""

import csv
import io
import subprocess
from pathlib import Path

import pytest

from ml_platform.discovery import find
from ml_platform_tests.cli.terminal import invoke, invoke_json

NAME = "trip_delay"


def test_experiments_are_tried_listed_shown_compared_annotated_and_removed(platform: Path, tmp_path: Path) -> None:
    tried = invoke(
        "try", NAME, "--set", "trainer.num_leaves=3,5", "--months", "2024-02", "--name", "fewer <b>leaves</b>"
    )
    assert tried.exit_code == 0, tried.output
    assert "changed: num_leaves=3" in tried.stdout and "gates passed" in tried.stdout
    renamed = invoke("try", NAME, "--set", "trainer.num_leaves=5", "--through", "2024-02", "--name", "other")
    assert "Run 2 was on record before, and keeps its name: fewer <b>leaves</b>." in " ".join(renamed.stderr.split())
    (again,) = invoke_json("try", NAME, "--set", "trainer.num_leaves=5", "--through", "2024-02", "--tag", "small")
    assert again["reused"] and again["run"] == "2" and again["tags"] == ["small"]

    rows = invoke_json("runs", NAME)
    assert {row["run"] for row in rows} >= {"1", "2", "trip_delay@1", "trip_delay@2"}
    assert [row["run"] for row in invoke_json("runs", NAME, "--tag", "small")] == ["2"]
    assert [row["run"] for row in invoke_json("runs", NAME, "--where", "kind=experiment", "--sort", "num_leaves")] == [
        "1",
        "2",
    ]
    assert invoke("runs", NAME, "--columns", "run,num_leaves,roc_auc").exit_code == 0
    listed = list(csv.DictReader(io.StringIO(invoke("runs", NAME, "--csv", "--where", "run=2").stdout)))
    assert [(row["run"], row["num_leaves"]) for row in listed] == [("2", "5")], "the columns are remembered"
    assert "training set" in invoke("runs", NAME, "--group").stdout
    assert invoke("runs", NAME, "--where", "leaves>1").exit_code == 2
    assert invoke("runs", NAME, "--where", "leaves").exit_code == 2

    assert invoke("runs", "note", "2", "is <i>fine</i>").exit_code == 0
    shown = invoke("runs", "show", "2")
    assert "trainer.num_leaves" in shown.stdout and "is <i>fine</i>" in shown.stdout
    page = tmp_path / "page.html"
    compared = invoke_json("runs", "compare", "1", "2", "--html", str(page))
    lines = {(line["section"], line["name"]): (line["first"], line["second"]) for line in compared["differences"]}
    assert lines["declaration", "trainer.num_leaves"] == (3, 5)
    assert ("metrics", "roc_auc") in lines
    text = page.read_text()
    assert "fewer &lt;b&gt;leaves" in text and "<b>leaves" not in text and "is &lt;i&gt;fine" in text
    assert "data:image/svg+xml" in text and "http" not in text.replace("http-equiv", "")
    with_version = invoke("runs", "compare", "1", "trip_delay@2", "--html", str(page))
    value = invoke_json("runs", "show", "trip_delay@2")["value"]
    values = f"<tr><td>value</td><td>{compared['first']['value']:.6g}</td><td>{value:.6g}</td></tr>"
    assert f"<tr><td>metric</td><td>roc_auc</td><td>roc_auc</td></tr>{values}" in page.read_text()
    assert page.read_text().count("data:image/svg+xml") == 3, "ROC, calibration and segments"
    assert with_version.exit_code == 0 and "num_leaves" in with_version.stdout
    assert "that of trip_delay@2 is not on record" in with_version.stderr and "runs show 1`" in with_version.stderr

    assert invoke("runs", "tag", "2", "=1+1", "@sum").exit_code == 0
    shown = invoke("runs", NAME, "--csv", "--columns", "run,tags,changes").stdout
    assert "\n2,'=1+1; '@sum; small,num_leaves=5\n" in shown, "a spreadsheet runs no formula"
    assert "runs meets the conditions" in invoke("runs", NAME, "--where", "name=no such").stdout

    assert invoke("runs", "remove", "1").exit_code == 0
    assert invoke("runs", "show", "1").exit_code == 2
    assert "1" not in {row["run"] for row in invoke_json("runs", NAME)}


def test_mistakes_in_try_name_the_path_and_what_is_allowed(shared_platform: Path) -> None:
    refused = invoke("try", NAME, "--set", "trainer.num_leafs=3")
    assert refused.exit_code == 1 and "Did you mean 'num_leaves'?" in refused.stderr
    assert invoke("try", "trip_dela").exit_code == 2
    assert invoke("try", NAME, "--drop-feature", "wether__*").exit_code == 1


def test_a_run_becomes_a_patch_that_git_applies(
    platform: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = tmp_path / "code" / "town.py"
    declared.parent.mkdir()
    scenario = Path(__file__).parents[1] / "scenario" / "monthly_trips.py"
    head = scenario.read_text().split("def trips(")[0]
    declared.write_text(head + DECLARATION)
    monkeypatch.syspath_prepend(str(declared.parent))
    monkeypatch.setenv("ML_PLATFORM_PIPELINES", '["town"]')
    monkeypatch.chdir(declared.parent)
    words = ("--set", "trainer.num_leaves=5", "--set", "split.validation=3d", "--drop-feature", "traffic__*")
    (tried,) = invoke_json("try", NAME, *words, "--drop-feature", "trips__late_count*", "--drop-feature", "km")
    patch = invoke("runs", "patch", tried["run"])
    assert patch.exit_code == 0, patch.output
    subprocess.run(["git", "apply", "-"], input=patch.stdout, text=True, check=True, cwd=declared.parent)
    namespace: dict[str, object] = {"__name__": "patched"}
    exec(compile(declared.read_text(), str(declared), "exec"), namespace)
    from ml_platform.experiments.declared import flat

    now = flat(namespace["trip_delay"])  # type: ignore[arg-type]  # a pipeline
    assert now["trainer.num_leaves"] == 5 and now["split.validation"] == "3d"
    assert [name for name in now if name.startswith("features.")] == [
        "features.hour",
        "features.drivers__years",
        "features.trips__late_mean_7d_by_driver",
    ]
    assert now["examples.exclude"] == ["driver", "km"] and "# chosen by hand" in declared.read_text()
    assert find is not None


DECLARATION = """
trainer = LightGBM(num_leaves=7, rounds=15, learning_rate=0.2, min_data_in_leaf=10)  # chosen by hand

trip_delay = ModelPipeline(
    "trip_delay",
    description="Whether a trip arrives more than ten minutes late.",
    owners=["team:town"],
    partitions=MONTHS,
    tables=[trips_, traffic, drivers],
    examples=Examples(
        "trips", key="trip", at="ordered_at", inputs=["driver", "zone", "km"], exclude=["driver"],
        label=pl.col("late") > 10,
    ),
    features=[
        Derived(hour=pl.col("ordered_at").dt.hour()),
        Lookup("drivers", on="driver", take=["years"]),
        Latest("traffic", on="zone", take=["jam"], max_age="12h"),
        Window("trips", by="driver", of="late", agg=["mean", "count"], over=["7d"]),
    ],
    trainer=trainer,
    split=Split(validation="2d", holdout="9d"),
    gates=[AtLeast("roc_auc", 0.6), NoWorseThanChampion("roc_auc", tolerance=0.2), Size(mb=5)],
    retrain=Retrain(every=1, min_examples=200),
)
"""
