"""`ml-platform estimates`: its JSON keys (docs/estimates.md), what it cannot see, and mistakes."""

from pathlib import Path

from ml_platform.monitoring.estimation.answer import BLIND
from ml_platform_tests.cli.terminal import invoke, invoke_json


def test_the_json_has_the_documented_keys_and_the_table_says_what_it_cannot_see(shared_platform: Path) -> None:
    answer = invoke_json("estimates", "trip_delay", "--metric", "brier")
    assert " ".join(answer) == "pipeline metric blind_to windows past"
    keys = "partition start version rows estimate low high not_estimable why realised labelled error"
    assert answer["windows"] and all(" ".join(row) == keys for row in answer["windows"])
    assert " ".join(answer["past"]) == "windows mean_absolute_error mean_error covered"
    assert answer["blind_to"] == BLIND
    shown = invoke("estimates", "trip_delay", "--window", "week")
    assert shown.exit_code == 0 and "concept drift" in " ".join(shown.output.split())


def test_another_metric_than_the_tasks_and_a_pipeline_without_partitions_are_mistakes(shared_platform: Path) -> None:
    wrong = invoke("estimates", "trip_delay", "--metric", "mae")
    assert wrong.exit_code != 0 and "no metric of a binary task" in " ".join(wrong.output.split())
    snapshot = invoke("estimates", "churn")
    assert snapshot.exit_code != 0 and "no partitions" in " ".join(snapshot.output.split())
