"""ml_platform runs a declared model in production, from landed files to a monitored champion.

The names of a declaration are imported from here. Each is loaded on first use, so `import ml_platform` is cheap.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ml_platform.notebook.opening import open
    from ml_platform.orchestration.component import PipelineComponent
    from ml_platform.orchestration.lake_duckdb import LakeDuckDB
    from ml_platform.orchestration.lake_io import LakeIOManager
    from ml_platform.spec.automl import AutoML
    from ml_platform.spec.completeness import Marker, Watermark
    from ml_platform.spec.composed_trainers import Calibrated, Choose
    from ml_platform.spec.examples import Examples, Label
    from ml_platform.spec.features import Derived, Latest, Lookup, Since, TimeSince, Window
    from ml_platform.spec.gates import (
        AtLeast,
        AtMost,
        BeatsBaseline,
        Latency,
        NoWorseThanBaseline,
        NoWorseThanChampion,
        OverfitGap,
        Parity,
        Reproduction,
        Size,
    )
    from ml_platform.spec.hashed_text import Hashed
    from ml_platform.spec.leak_gates import Leakage, Provenance
    from ml_platform.spec.monitoring import Drift
    from ml_platform.spec.partitions import Daily, Hourly, Monthly, Weekly
    from ml_platform.spec.pipeline import ModelPipeline
    from ml_platform.spec.plausibility import Plausible
    from ml_platform.spec.quantiles import Quantiles
    from ml_platform.spec.scikit_learn import ScikitLearn
    from ml_platform.spec.search_space import FloatRange, IntRange, OneOf
    from ml_platform.spec.searched_trainers import Grid, Tuned
    from ml_platform.spec.selection import Select
    from ml_platform.spec.sources import Dlt, Files, Frames, Objects, Sql
    from ml_platform.spec.tables import Table
    from ml_platform.spec.training import LightGBM, Linear, Retrain, Split, XGBoost
    from ml_platform.spec.transforms import Imputed, Log, OneHot, Reduced, Scaled, TargetEncoded

__version__ = "0.1.0"

_HOMES = {
    "notebook.opening": ("open",),
    "orchestration.component": ("PipelineComponent",),
    "orchestration.lake_duckdb": ("LakeDuckDB",),
    "orchestration.lake_io": ("LakeIOManager",),
    "spec.completeness": ("Marker", "Watermark"),
    "spec.composed_trainers": ("Calibrated", "Choose"),
    "spec.examples": ("Examples", "Label"),
    "spec.features": ("Derived", "Latest", "Lookup", "Since", "TimeSince", "Window"),
    "spec.gates": (
        "AtLeast",
        "AtMost",
        "BeatsBaseline",
        "Latency",
        "NoWorseThanBaseline",
        "NoWorseThanChampion",
        "OverfitGap",
        "Parity",
        "Reproduction",
        "Size",
    ),
    "spec.hashed_text": ("Hashed",),
    "spec.leak_gates": ("Leakage", "Provenance"),
    "spec.monitoring": ("Drift",),
    "spec.partitions": ("Daily", "Hourly", "Monthly", "Weekly"),
    "spec.pipeline": ("ModelPipeline",),
    "spec.plausibility": ("Plausible",),
    "spec.quantiles": ("Quantiles",),
    "spec.scikit_learn": ("ScikitLearn",),
    "spec.search_space": ("FloatRange", "IntRange", "OneOf"),
    "spec.automl": ("AutoML",),
    "spec.searched_trainers": ("Grid", "Tuned"),
    "spec.selection": ("Select",),
    "spec.sources": ("Dlt", "Files", "Frames", "Objects", "Sql"),
    "spec.tables": ("Table",),
    "spec.training": ("LightGBM", "Linear", "Retrain", "Split", "XGBoost"),
    "spec.transforms": ("Imputed", "Log", "OneHot", "Reduced", "Scaled", "TargetEncoded"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
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
    "__version__",
    "open",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"ml_platform.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    """All public names, loaded or not. Dagster finds the component among them."""
    return sorted({*globals(), *__all__})
