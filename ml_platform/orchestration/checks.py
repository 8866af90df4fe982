"""The checks of an asset as Dagster declares them."""

import warnings
from collections.abc import Iterable

import dagster as dg

from ml_platform.orchestration.partitions import partitions_of
from ml_platform.spec.partitions import Partitions


def check_specs(key: list[str], named: Iterable[tuple[str, str]], slices: Partitions | None) -> list[dg.AssetCheckSpec]:
    """One spec for each (name, what it looks at), by partition like its asset.

    Dagster 1.13 calls partitioned checks a preview, once a check at every start; that is for whoever
    upgrades Dagster, not for whoever runs it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return [
            dg.AssetCheckSpec(name, asset=key, description=about, partitions_def=partitions_of(slices))
            for name, about in named
        ]
