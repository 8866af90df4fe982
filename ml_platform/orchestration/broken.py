"""Declarations that do not load, as assets: the code location loads without them and shows what is wrong."""

import re
from collections.abc import Iterable, Sequence

import dagster as dg

from ml_platform.escaping import lines, markdown_text
from ml_platform.spec.declarations import Broken

GROUP = "broken_declarations"


def broken_definitions(broken: Iterable[Broken]) -> dg.Definitions:
    """One external asset for each name that does not load, with every error under that name. Nothing materializes it.

    A key has letters, digits and underscores only, so several names may share one.
    """
    by_key: dict[str, list[Broken]] = {}
    for one in broken:
        for key in dict.fromkeys(re.sub(r"\W", "_", name) for name in one.names or (one.address,)):
            by_key.setdefault(key, []).append(one)
    return dg.Definitions(assets=[_asset(key, several) for key, several in by_key.items()])


def _asset(key: str, broken: Sequence[Broken]) -> dg.AssetSpec:
    sentences = (f"{one.error.where}: {one.error.problem}" for one in broken)
    remedies = (one.error.remedy for one in broken)
    errors = "\n\n".join(markdown_text(text) for both in zip(sentences, remedies, strict=True) for text in both)
    return dg.AssetSpec(
        key=[key, "declaration"],
        group_name=GROUP,
        description=f"**This declaration does not load, so the pipeline has no assets, jobs and sensors here.**\n\n"
        f"{errors}\n\nReload the code location when it is corrected.",
        tags={"ml_platform/declaration": "broken"},
        metadata={
            "module": "\n".join(one.address for one in broken),
            **{
                name: "\n".join(lines(getattr(one.error, name)) for one in broken)
                for name in ("where", "problem", "remedy")
            },
        },
    )
