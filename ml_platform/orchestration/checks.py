"""The checks of an asset as Dagster declares them."""

from collections.abc import Iterable

import dagster as dg


def check_specs(key: list[str], named: Iterable[tuple[str, str]]) -> list[dg.AssetCheckSpec]:
    """One check spec for each (name, description).

    Checks have no partitions of their own, also where their asset has: Dagster's pages show a partitioned check as
    failed as long as it stands failed for any partition, and a check that failed in January and passes in February
    needs nobody. The newest evaluation counts, and its metadata names the partition.
    """
    return [dg.AssetCheckSpec(name, asset=key, description=about) for name, about in named]
