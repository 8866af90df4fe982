"""The checks of an asset as Dagster declares them."""

import warnings
from collections.abc import Iterable

import dagster as dg

from ml_platform.orchestration.partitions import partitions_of
from ml_platform.spec.partitions import Partitions


def check_specs(key: list[str], named: Iterable[tuple[str, str]], slices: Partitions | None) -> list[dg.AssetCheckSpec]:
    """One check spec for each (name, description), partitioned like its asset.

    Dagster 1.13 warns at every start that partitioned checks are a preview. The warning is of use only when
    upgrading Dagster, so it is suppressed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return [
            dg.AssetCheckSpec(name, asset=key, description=about, partitions_def=partitions_of(slices))
            for name, about in named
        ]
