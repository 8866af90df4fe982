"""The commands about when a model is trained again."""

from pathlib import Path

import pytest

from ml_platform_tests.cli.terminal import invoke, invoke_json


def test_decisions_are_listed_newest_first_with_their_evidence(shared_platform: Path) -> None:
    rows = invoke_json("decisions", "trip_delay")
    assert [(row["partition"], row["outcome"]) for row in rows] == [("2024-02", "triggered"), ("2024-01", "triggered")]
    assert list(rows[0]) == [
        "pipeline",
        "partition",
        "decided_at",
        "outcome",
        "reason",
        "policy",
        "evidence",
        "run_id",
        "recorded_at",
        "counts",
    ]
    assert rows[0]["evidence"]["since_triggered"] == 1 and rows[0]["policy"]["every"] == 1
    shown = invoke("decisions", "trip_delay").stdout
    assert "2024-02" in shown and "triggered" in shown and "reason" in shown
    assert "has no decision yet: `ml-platform run churn`" in invoke("decisions", "churn").stdout


def test_what_was_to_be_trained_already_is_not_forced(platform: Path) -> None:
    told = invoke_json("retrain", "trip_delay", "--why", "again")
    assert (told["partition"], told["outcome"], told["new"]) == ("2024-02", "triggered", False)
    said = invoke("retrain", "trip_delay", "--why", "again").stderr
    assert "nothing changed" in said and "made trip_delay@2" in said and "starts the training" not in said
    assert len(invoke_json("decisions", "trip_delay")) == 2


def test_after_a_change_the_past_stands_and_a_model_of_it_is_asked_for_once(
    platform: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_PLATFORM_PIPELINES", '["ml_platform_tests.declarations.trips_retuned"]')
    told = invoke("run", "trip_delay").stderr
    assert "nothing was launched" in told
    assert "2 settled partitions keep predictions, decisions and models from before a change" in " ".join(told.split())
    assert "`ml-platform run trip_delay --recompute`" in invoke("status", "trip_delay").stderr.replace("\n", " ")
    asked = invoke_json("retrain", "trip_delay", "--why", "smaller trees")
    assert (asked["partition"], asked["outcome"], asked["new"]) == ("2024-02", "manual", True)
    again = invoke("retrain", "trip_delay", "--why", "smaller trees").stderr
    assert "nothing changed" in again and "`ml-platform run trip_delay` starts the training" in again


def test_a_held_back_month_is_forced_once_by_name(platform: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ml_platform_tests.declarations import trips_on_request
    from ml_platform_tests.world import world

    monkeypatch.setenv("ML_PLATFORM_PIPELINES", '["ml_platform_tests.declarations.trips_on_request"]')
    monkeypatch.setenv("LOGNAME", "ada")
    made = world(platform, trips_on_request.trip_delay)
    made.run(recompute=True)
    made.close()
    told = invoke_json("retrain", "trip_delay", "--why", "the bridge is closed", "--partition", "2024-02")
    assert list(told) == ["pipeline", "partition", "outcome", "reason", "new"]
    assert (told["outcome"], told["reason"], told["new"]) == ("manual", "ada: the bridge is closed", True)
    assert invoke_json("retrain", "trip_delay", "--why", "once more")["new"] is False
    newest = invoke_json("decisions", "trip_delay")[0]
    assert newest["evidence"]["manual"] == {"by": "ada", "why": "the bridge is closed", "replaces": ""}
    assert newest["counts"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["retrain", "trip_delay"], 2, "--why"),
        (["retrain", "trip_delay", "--why", " "], 2, "the reason is empty"),
        (["retrain", "trip_delay", "--why", "x", "--partition", "2031-01"], 2, "There is no month '2031-01'"),
        (["retrain", "trip_delay", "--why", "x", "--partition", "2024-04"], 1, "has no decision for 2024-04"),
        (["retrain", "churn", "--why", "x"], 1, "has no decision yet"),
        (["decisions", "chrun"], 2, "There is no pipeline 'chrun'"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(
    shared_platform: Path, words: list[str], code: int, message: str
) -> None:
    result = invoke(*words)
    assert result.exit_code == code
    assert message in " ".join(result.stderr.replace("│", " ").split())
