"""What can be imported from `ml_platform`, listed by hand: a word that comes or goes is meant."""

import ml_platform

WORDS = [
    "AtLeast",
    "AtMost",
    "AutoML",
    "BeatsBaseline",
    "Calibrated",
    "Choose",
    "Daily",
    "Derived",
    "Dlt",
    "Drift",
    "Examples",
    "Files",
    "FloatRange",
    "Frames",
    "Grid",
    "Hashed",
    "Hourly",
    "Imputed",
    "IntRange",
    "Label",
    "LakeDuckDB",
    "LakeIOManager",
    "Latency",
    "Latest",
    "Leakage",
    "LightGBM",
    "Linear",
    "Log",
    "Lookup",
    "Marker",
    "ModelPipeline",
    "Monthly",
    "NoWorseThanBaseline",
    "NoWorseThanChampion",
    "Objects",
    "OneHot",
    "OneOf",
    "OverfitGap",
    "Parity",
    "PipelineComponent",
    "Plausible",
    "Provenance",
    "Quantiles",
    "Reduced",
    "Reproduction",
    "Retrain",
    "Scaled",
    "ScikitLearn",
    "Select",
    "Since",
    "Size",
    "Split",
    "Sql",
    "Table",
    "TargetEncoded",
    "TimeSince",
    "Tuned",
    "Watermark",
    "Weekly",
    "Window",
    "XGBoost",
    "open",
]


def test_the_public_surface_is_listed_by_hand() -> None:
    assert sorted(ml_platform.__all__) == sorted(["__version__", *WORDS])


def test_every_word_can_be_imported_and_says_what_it_is() -> None:
    for word in WORDS:
        assert getattr(ml_platform, word).__doc__, word


def test_a_word_that_does_not_exist_is_an_attribute_error() -> None:
    assert not hasattr(ml_platform, "Windows")
