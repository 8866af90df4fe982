"""What a command imports before it answers: the budget that keeps `--help` quick on any machine."""

import subprocess
import sys

HEAVY = {"dagster", "duckdb", "polars", "dataframely", "lightgbm", "pyarrow", "sqlalchemy"}


def imported(*words: str) -> set[str]:
    """The top-level packages that a command loads, in a process of its own."""
    program = (
        "import sys; from ml_platform.cli.main import app; "
        f"app({list(words)!r}, standalone_mode=False); sys.stderr.write(' '.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stderr.split()}


def test_help_loads_nothing_that_computes() -> None:
    assert not imported("--help") & HEAVY
    assert not imported("run", "--help") & HEAVY


def test_listing_pipelines_opens_no_lake_and_loads_no_dagster() -> None:
    assert not imported("pipelines") & {"dagster", "lightgbm", "duckdb"}
