"""A Dagster project of somebody else: a package with a `defs` folder, and what its owners put there."""

import importlib
import sys
import warnings
from pathlib import Path

import dagster as dg

DECLARED = "ml_platform_tests.declarations.trips_and_failing_churn"  # trip_delay and churn
SHARING = "ml_platform_tests.declarations.two_over_trips"  # trip_delay and trip_length, over the same tables


CONFIG = """[tool.dg]
directory_type = "project"

[tool.dg.project]
root_module = "shop"
"""


def project(root: Path, components: dict[str, str]) -> Path:
    """Components by folder with the address that each names; the `defs` folder of the new project `shop`."""
    defs = root / "src" / "shop" / "defs"
    defs.mkdir(parents=True)
    for package in (defs.parent, defs):
        (package / "__init__.py").touch()
    (root / "pyproject.toml").write_text(CONFIG)
    for folder, address in components.items():
        component(defs / folder, address)
    return defs


def component(folder: Path, address: str) -> None:
    folder.mkdir()
    attributes = f"attributes:\n  pipeline: {address}\n"
    (folder / "defs.yaml").write_text(f"type: ml_platform.PipelineComponent\n\n{attributes}")


def loaded(defs: Path) -> dg.Definitions:
    """The project's definitions as a fresh process reads them."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
        del sys.modules[name]
    importlib.invalidate_caches()
    sys.path.insert(0, str(defs.parents[1]))
    try:
        module = importlib.import_module("shop.defs")
        with warnings.catch_warnings():
            for early in (dg.PreviewWarning, dg.BetaWarning):  # of how Dagster itself reads a folder
                warnings.simplefilter("ignore", early)
            definitions = dg.ComponentTree.from_module(defs_module=module, project_root=defs.parents[2]).build_defs()
        dg.Definitions.validate_loadable(definitions)
    finally:
        sys.path.remove(str(defs.parents[1]))
    return definitions
