"""What every gate says of itself. Key, names and words are pinned: verdicts of lakes that exist are found by them."""

from dataclasses import replace
from typing import get_args

import pytest

from ml_platform.evaluation.gates.registry import evaluator_of
from ml_platform.spec.canonical import canonical
from ml_platform.spec.declared_gate import DeclaredGate
from ml_platform.spec.gates import (
    AtLeast,
    AtMost,
    BeatsBaseline,
    Gate,
    Latency,
    Leakage,
    NoWorseThanBaseline,
    NoWorseThanChampion,
    OverfitGap,
    Parity,
    Provenance,
    Reproduction,
    Size,
    with_always_judged,
)
from ml_platform_tests import scenario

GATES: list[tuple[Gate, str, str, str, str]] = [
    (
        AtLeast("roc_auc", 0.68),
        "e68b8f21b9f19792ca59944a8b6113ba7a8c8f9d8bcca3fdd2e37e3d03d820e1",
        "roc_auc_at_least_0_68",
        "roc_auc at least 0.68",
        "A floor for the metric on the holdout: data later than everything that the model was trained on.",
    ),
    (
        AtLeast("roc_auc", 0.62, by="origin"),
        "c24728498dd9b4a9410e9e020380e13da9041e52db23cafa4bb7fad067c512cb",
        "roc_auc_at_least_0_62_by_origin",
        "roc_auc at least 0.62 for each origin",
        "A floor for the metric on the holdout: data later than everything that the model was trained on.",
    ),
    (
        AtMost("log_loss", 0.5),
        "5e37e25ba838c54a72b9a7522ad9978705d6608e5d8bab61e2cb967ab99df847",
        "log_loss_at_most_0_5",
        "log_loss at most 0.5",
        "A ceiling for the metric on the holdout: data later than everything that the model was trained on.",
    ),
    (
        NoWorseThanChampion("roc_auc", tolerance=0.01),
        "95c3c3cec499e3b49837cbc9fb403367fb784345fdb0cd0d476aeb3d713e3f0a",
        "roc_auc_no_worse_than_champion",
        "roc_auc no worse than the champion's by 0.01",
        "The candidate and the version that serves are compared on the same rows, so that what they share cancels.",
    ),
    (
        NoWorseThanBaseline("roc_auc", tolerance=0.01),
        "6ae09312d8487d01a7b3b612bccd804df8b993700f9303c5980e1bf2083fd086",
        "roc_auc_no_worse_than_baseline",
        "roc_auc not shown worse than a linear baseline's by more than 0.01",
        "A linear model of the same columns costs little to train, serve and explain; a model has to be worth more.",
    ),
    (
        BeatsBaseline("roc_auc", margin=0.01),
        "124f9e1c267ce6528f9f486a388e0d221a5067983bf5e8a1a8c33883e36c4265",
        "roc_auc_beats_baseline",
        "roc_auc shown better than a linear baseline's by more than 0.01",
        "A model that is not shown to beat a line does not pay for what it costs to train, serve and explain.",
    ),
    (
        OverfitGap("roc_auc", at_most=0.1),
        "e602a43ffcf05bdab20b4ce454734db951d9eaa395888a2ba31f965656b8544e",
        "roc_auc_overfit_gap",
        "roc_auc on train better than on holdout by at most 0.1",
        "A model that is much better on what it has seen than on what it has not has learnt by heart.",
    ),
    (
        Latency(p99_ms=5),
        "3b305d9f2c6719e74de911a1c6b150636bf74288bfbb0420a259d2d54d7c4aa1",
        "latency",
        "p99 of scoring one row at most 5 ms",
        "How long somebody waits for one prediction.",
    ),
    (
        Size(mb=20),
        "4975f4426e4c6ce31562a7216a4087eade59519d44facf04d996c1d80b52cd14",
        "size",
        "bundle at most 20 MB",
        "What every service that serves the model has to load.",
    ),
    (
        Leakage(),
        "1889ebceeefd8b7d086c9c53399db2fb8205928d4415cf3d2c2f06d9f7927a2c",
        "leakage",
        "no feature alone reaches 0.95 and the model stays below 0.99",
        "What predicts too well usually knows the answer: a column written after the fact.",
    ),
    (
        Provenance(),
        "876ab6703b6121ecb8e77d9046395ee7bdf442ed54461c7ab1de73a55d27c2a9",
        "provenance",
        "no input or clock is made of the outcome",
        "Raw columns are drawn anew, one at a time, and `clean` runs again: what moves together with the label knows "
        "the answer.",
    ),
    (
        Reproduction(),
        "7f620f25129ab3118a5195c56c759fb2919851e678a755e07789a84d7085b86c",
        "reproduction",
        "training again gives the same bytes",
        "The model is trained again from its stored training set in a fresh process; the bytes must agree.",
    ),
    (
        Parity(),
        "9728f59b1e4f8472121a075a83ff5a174c13a829da92ef19b3a4b405fbfd33cf",
        "parity",
        "2000 examples replayed through the online store give the same bits",
        "Examples are answered as a service does, singly and together, and must get the same bits as in batch.",
    ),
]


@pytest.mark.parametrize(("gate", "key", "short_name", "phrase", "why"), GATES, ids=[name for _, _, name, *_ in GATES])
def test_a_gate_keeps_its_key_its_names_and_its_words(
    gate: Gate, key: str, short_name: str, phrase: str, why: str
) -> None:
    assert (gate.key, gate.short_name, gate.phrase, gate.why) == (key, short_name, phrase, why)


@pytest.mark.parametrize("gate", [gate for gate, *_ in GATES], ids=[name for _, _, name, *_ in GATES])
def test_a_severity_is_no_part_of_the_key(gate: Gate) -> None:
    assert gate.severity == ("warn" if isinstance(gate, OverfitGap) else "block")
    changed = replace(gate, severity="block" if gate.severity == "warn" else "warn")
    assert changed.key == gate.key and canonical([changed]) == canonical([gate])


def test_how_the_undecided_is_settled_is_part_of_the_key_unless_it_is_the_default() -> None:
    plain = NoWorseThanChampion("roc_auc", tolerance=0.01)
    assert NoWorseThanChampion("roc_auc", tolerance=0.01, undecided="point").key == plain.key
    keys = {NoWorseThanChampion("roc_auc", 0.01, undecided=settled).key for settled in ("point", "pass", "fail")}
    assert len(keys) == 3


def test_the_default_number_of_replayed_examples_is_no_part_of_the_key_and_a_declared_one_is() -> None:
    assert Parity().key == Parity(examples=50).key  # the default of older lakes
    assert canonical([Parity()]) == canonical([Parity(examples=50)])
    assert len({Parity(examples=count).key for count in (20, 50, 5_000)}) == 3


def test_a_gate_that_only_warns_is_judged_and_not_required() -> None:
    pipeline = scenario.trips(gates=[AtLeast("roc_auc", 0.6), Size(mb=5, severity="warn"), OverfitGap("roc_auc", 0.1)])
    phrases = set(pipeline.required_gates.values())
    assert "roc_auc at least 0.6" in phrases and len(pipeline.all_gates) == len(phrases) + 2
    assert phrases.isdisjoint({"bundle at most 5 MB", "roc_auc on train better than on holdout by at most 0.1"})


def test_every_gate_is_in_the_table_above_and_can_be_measured() -> None:
    assert {type(gate) for gate, *_ in GATES} == set(get_args(Gate))
    for gate, *_ in GATES:
        assert evaluator_of(gate).gate is type(gate)


def test_a_gate_without_words_cannot_be_declared() -> None:
    class Nameless(DeclaredGate):
        pass

    with pytest.raises(TypeError, match=r"phrase.*why"):
        Nameless()  # type: ignore[abstract]  # what is tested


def test_only_a_bound_on_the_whole_holdout_is_one_for_other_rows() -> None:
    bounds = [AtLeast("roc_auc", 0.68), AtMost("log_loss", 0.5), AtLeast("roc_auc", 0.62, by="origin"), Size(mb=20)]
    assert [gate.bound for gate in bounds] == [0.68, 0.5, None, None]
    assert [gate.sliced_by for gate in bounds] == [None, None, "origin", None]
    assert [gate.judged_metric for gate in bounds] == ["roc_auc", "log_loss", "roc_auc", None]


def test_one_metric_may_have_several_floors_and_one_gate_of_any_other_kind() -> None:
    assert AtLeast("roc_auc", 0.6).subject != AtLeast("roc_auc", 0.7).subject
    assert NoWorseThanChampion("roc_auc").subject == NoWorseThanChampion("roc_auc", tolerance=0.1).subject
    assert Latency(p99_ms=5).subject == Latency(p99_ms=9).subject


def test_what_is_always_judged_follows_the_declared_gates_and_is_not_judged_twice() -> None:
    declared = [Leakage(feature=0.9), Size(mb=5)]
    assert [gate.short_name for gate in with_always_judged(declared)] == [
        "leakage",
        "size",
        "provenance",
        "parity",
        "reproduction",
    ]
    always = (Leakage(), Provenance(), Parity(), Reproduction())
    assert [gate.key for gate in with_always_judged([])] == [gate.key for gate in always]
