"""The model card."""

from datetime import UTC, datetime
from typing import Any

from ml_platform.evaluation.card import model_card

from ml_platform.evaluation.gates.measuring import judge
from ml_platform.evaluation.intervals import Interval
from ml_platform.spec.gates import AtLeast, Size
from ml_platform.state.versions import Version
from ml_platform_tests.evaluation.candidates import candidate

MOMENT = datetime(2013, 4, 1, tzinfo=UTC)
VERSION = Version(
    pipeline="delays",
    content_key="c0",
    partition="2013-03",
    training_set="5e7",
    bundle="b0",
    bounds={"train": {"first": "2013-01-01", "last": "2013-03-10", "rows": 70_000}},
    decided_at=MOMENT,
    parameters={"num_leaves": 31},
    metrics={},
    environment={"libraries": {"lightgbm": "4.6"}, "python": "3.11.7"},
    code_version="abc",
    durations={},
    run_id="r1",
    version=3,
    created_at=MOMENT,
)


def test_the_card_tells_data_metrics_gates_slices_and_limits() -> None:
    verdicts = [v for g in (AtLeast("roc_auc", 0.6, by="origin"), Size(mb=1)) for v in judge(g, candidate())]
    card = model_card(
        VERSION,
        description="Will it land late?",
        owners=["team:operations"],
        metrics={"roc_auc": Interval(0.74512, 0.7401, 0.7502), "f1": Interval(None, None, None)},
        verdicts=verdicts,
        features={"hour": None, "temp": MOMENT},
        importance={"hour": 0.75, "temp": 0.25},
        limits=["Not for other airports."],
    )
    assert card.startswith("# delays@3\n\nWill it land late?\n")
    for line in (
        "| roc_auc | 0.7451 | 0.7401 to 0.7502 |",
        "| f1 | – | – |",
        "| train | 2013-01-01 | 2013-03-10 | 70,000 |",
        "| hour | 75.0% |",
        "| 2013-04-01 00:00 UTC | temp |",
        "- Not for other airports.",
        "| num_leaves | 31 |",
        "| lightgbm | 4.6 |",
        "| python | 3.11.7 |",
    ):
        assert line in card.splitlines()
    assert "| bundle at most 1 MB | 1.5 | 1 | **failed** |" in card
    part = next(verdict for verdict in verdicts if verdict.slice == "origin=EWR")
    assert "## Parts of the gates" in card and f"| {part.gate} | origin=EWR | roc_auc |" in card
    assert "| hour | 2013" not in card


def test_what_is_not_there_has_no_section_and_a_bar_does_not_break_a_table() -> None:
    nothing: dict[str, Any] = {"metrics": {}, "verdicts": [], "features": {}, "importance": {}}
    card = model_card(VERSION, description="a", owners=["team:a|b"], **nothing)
    assert "## Gates" not in card and "## Limits" not in card and "team:a\\|b" in card
