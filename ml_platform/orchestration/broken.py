"""Declarations that do not load, as assets: the code location loads without them and shows what is wrong."""

import re
from collections.abc import Iterable

import dagster as dg

from ml_platform.spec.declarations import Broken

GROUP = "broken_declarations"


def broken_definitions(broken: Iterable[Broken]) -> dg.Definitions:
    """One external asset for each declaration that does not load. Nothing materializes it."""
    return dg.Definitions(assets=[_asset(name, one) for one in broken for name in one.names or (one.address,)])


def _asset(name: str, one: Broken) -> dg.AssetSpec:
    error = one.error
    return dg.AssetSpec(
        key=[re.sub(r"\W", "_", name), "declaration"],
        group_name=GROUP,
        description=f"**This declaration does not load, so the pipeline has no assets, jobs and sensors here.**\n\n"
        f"{error.where}: {error.problem}\n\n{error.remedy}\n\nReload the code location when it is mended.",
        tags={"ml_platform/declaration": "broken"},
        metadata={"module": one.address, "where": error.where, "problem": error.problem, "remedy": error.remedy},
    )
