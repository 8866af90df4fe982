"""Five pipelines over the same two tables: four that run end to end, and one whose months are made apart.

A table fewer and fewer gates than elsewhere: the time of a repeat goes into statements, not rows.
"""

import polars as pl

from ml_platform import AtLeast, Derived, Lookup, NoWorseThanChampion, Parity, Window
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform_tests import scenario

END_TO_END = ("north", "south", "east", "west")
APART = "apart"
MONTHS = ("2024-01", "2024-02", "2024-03", "2024-04")
ALL_MONTHS = (*MONTHS, "2024-05")  # the file of May completes April
THROUGH = "2024-01"  # how far the four run


def pipelines() -> list[ModelPipeline]:
    """All five."""
    return [trips(name) for name in (*END_TO_END, APART)]


def trips(name: str) -> ModelPipeline:
    """The trips of the scenario without its traffic. No gate depends on the speed of the machine."""
    return scenario.trips(
        name,
        tables=[scenario.trips_, scenario.drivers],
        features=[
            Derived(hour=pl.col("ordered_at").dt.hour()),
            Lookup("drivers", on="driver", take=["years"]),
            Window("trips", by="driver", of="late", agg=["mean", "count"], over=["7d"]),
        ],
        gates=[AtLeast("roc_auc", 0.55), NoWorseThanChampion("roc_auc", tolerance=0.2), Parity(examples=20)],
    )
