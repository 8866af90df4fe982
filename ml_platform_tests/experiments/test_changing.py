"""A declaration with other values: by path, by pattern, and with errors that name both."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as st

from ml_platform import Linear
from ml_platform.errors import DeclarationError
from ml_platform.experiments import declared
from ml_platform.experiments.changing import variants
from ml_platform.experiments.values import split_setting, value_of
from ml_platform.features.definition import FeatureDefinition
from ml_platform.spec.features import Window
from ml_platform_tests import scenario
from ml_platform_tests.examples import tries


def changes(*settings: str, drop: tuple[str, ...] = ()) -> dict[str, object]:
    base = scenario.trips()
    (one,) = variants(base, settings, drop)
    return {c.path: c.after for c in declared.differences(declared.flat(base), declared.flat(one.model))}


def test_a_path_reaches_trainer_split_label_features_and_gates() -> None:
    assert changes("trainer.num_leaves=63") == {"trainer.num_leaves": 63}
    assert changes("trainer.extra.lambda_l1=0.5") == {"trainer.extra.lambda_l1": 0.5}
    assert changes("split.holdout=7d") == {"split.holdout": "7d"}
    assert changes("examples.exclude=[driver, km]") == {"examples.exclude": ["driver", "km"]}
    assert list(changes("features.traffic.max_age=3h")) == ["features.traffic__jam"]
    assert changes("gates.0.floor=0.7").keys() == {"gates.roc_auc_at_least_0_6", "gates.roc_auc_at_least_0_7"}


def test_a_word_can_take_the_place_of_another_and_be_set_further() -> None:
    assert changes("trainer=Linear(l2=2.0)")["trainer.kind"] == "Linear"
    assert changes("trainer=Linear", "trainer.l2=3")["trainer.l2"] == 3.0
    nested = changes("trainer=Choose([LightGBM(num_leaves=5), Linear()])", "trainer.trainers.0.num_leaves=9")
    assert (nested["trainer.trainers.0.num_leaves"], nested["trainer.trainers.1.kind"]) == (9, "Linear")
    (one,) = variants(scenario.trips(), values={"trainer": Linear(), "examples.label": pl.col("late") > 30})
    assert isinstance(one.model.trainer, Linear)


def test_transforms_are_one_value_and_lose_the_columns_that_are_dropped() -> None:
    written = "[Scaled(['km', 'hour'], by='range'), TargetEncoded('zone')]"
    assert changes(f"transforms={written}") == {"transforms": written}
    assert changes(f"transforms={written}", "transforms.1.smoothing=5")["transforms"].endswith("smoothing=5.0)]")  # type: ignore[attr-defined]  # a text
    (one,) = variants(scenario.trips(), [f"transforms={written}"], ["hour", "zone"])
    assert [transform.written() for transform in one.model.transforms] == ["Scaled('km', by='range')"]
    with pytest.raises(DeclarationError, match=r"transforms.*no column 'wings'"):
        changes("transforms=[Log('wings')]")


def test_several_values_make_one_variant_for_each_combination() -> None:
    several = variants(scenario.trips(), ["trainer.num_leaves=3,5", "trainer.learning_rate=0.1,0.2"])
    seen = [(one.model.trainer.num_leaves, one.model.trainer.learning_rate) for one in several]  # type: ignore[union-attr]  # LightGBM
    assert seen == [(3, 0.1), (3, 0.2), (5, 0.1), (5, 0.2)]


@pytest.mark.parametrize(
    ("setting", "messages"),
    [
        ("trainer.num_leafs=3", ["trainer.num_leafs", "Did you mean 'num_leaves'?", "learning_rate"]),
        ("trainer.num_leaves=1", ["trainer.num_leaves", "greater than or equal to 2"]),
        ("trainer.num_leaves=many", ["trainer.num_leaves", "not a whole number"]),
        ("split.holdout=0.3", ["split.holdout", "a span and a share"]),
        ("features.9.max_age=3h", ["features.9.max_age", "0 (Derived)", "1 (drivers)"]),
        ("tables.0.description=x", ["tables.0.description", "reads the validated rows as they are"]),
        ("retrain.every=2", ["retrain.every", "when a training takes place"]),
        ("trainer.extra.lambda_l1=b'x'", ["trainer.extra.lambda_l1", "numbers, texts and lists"]),
        ("trainer=LightGBM(extra={'lambda_l1': 1j})", ["extra", "numbers, texts and lists"]),
        ("trainer=Linaer()", ["trainer", "Did you mean 'Linear'?"]),
        ("trainer=Prophet2()", ["trainer", "no word 'Prophet2'", "There are", "LightGBM"]),
        ("trainer=Linear(l2=open('x'))", ["trainer", "cannot be read"]),
        ("examples.label=pl.col('late') > 5", ["examples.label", "Give it from Python"]),
        ("num_leaves", ["no PATH=VALUE"]),
    ],
)
def test_what_cannot_be_set_is_refused_with_the_path_and_what_is_allowed(setting: str, messages: list[str]) -> None:
    with pytest.raises(DeclarationError) as refused:
        variants(scenario.trips(), [setting])
    assert [words for words in messages if words not in str(refused.value)] == []


def test_a_dropped_input_is_excluded_and_a_dropped_feature_is_gone() -> None:
    (one,) = variants(scenario.trips(), (), ["km", "traffic__*", "*_count_7d*"])
    assert list(one.model.model_columns) == ["zone", "hour", "drivers__years", "trips__late_mean_7d_by_driver"]
    assert list(one.data.model_columns) == list(scenario.trips().model_columns), (
        "the training set has them all the same"
    )


def test_a_pattern_that_fits_nothing_and_one_that_another_feature_needs_are_refused() -> None:
    with pytest.raises(DeclarationError, match=r"--drop-feature wether\S*: it fits no column.*traffic__jam"):
        variants(scenario.trips(), (), ["wether__*"])
    base = scenario.trips()
    from dataclasses import replace

    from ml_platform import Derived

    reading = replace(base, features=[*base.features, Derived(late_hour=pl.col("hour") > 20)])
    with pytest.raises(DeclarationError, match="needs what is dropped"):
        variants(reading, (), ["hour"])


@trying(max_examples=tries(40), deadline=None)
@given(
    st.sets(st.sampled_from(["mean", "count", "std"]), min_size=1),
    st.sets(st.sampled_from(["1d", "7d", "3h"]), min_size=1),
    st.data(),
)
def test_a_window_without_outputs_declares_exactly_the_others_with_the_same_values(
    aggregates: set[str], spans: set[str], data: st.DataObject
) -> None:
    window = Window("trips", by="driver", of="late", agg=sorted(aggregates), over=sorted(spans))  # type: ignore[arg-type]  # texts
    dropped = data.draw(st.sets(st.sampled_from(window.outputs)))
    left = window.without(dropped)
    assert sorted(name for one in left for name in one.outputs) == sorted(set(window.outputs) - dropped)

    def forms(features: list[Window]) -> dict[str, object]:
        from dataclasses import replace

        definition = FeatureDefinition.of(replace(scenario.trips(), features=features, gates=[]))
        return dict(definition.outputs)

    if left:
        whole = forms([window])
        assert forms(list(left)) == {name: whole[name] for one in left for name in one.outputs}


def test_values_are_split_at_commas_outside_of_brackets_and_quotes() -> None:
    assert split_setting("a.b=[x, y],'p,q',Linear(l2=1)") == ("a.b", ["[x, y]", "'p,q'", "Linear(l2=1)"])
    assert value_of("null", "x") is None and value_of("True", "x") is True
