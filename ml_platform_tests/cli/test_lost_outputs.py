"""Stored outputs that are lost: `status` names them and the remedy, and is silent once they are back."""

import shutil
from pathlib import Path

from ml_platform_tests.cli.terminal import invoke


def test_lost_artifacts_are_named_until_a_run_makes_them_again_and_are_no_change_of_the_declaration(
    platform: Path,
) -> None:
    before = invoke("status", "trip_delay").stderr
    assert "missing or damaged" not in before
    shutil.rmtree(platform / "artifacts")
    said = " ".join(invoke("status", "trip_delay").stderr.split())
    assert "missing or damaged: training set of 2024-01, candidate of 2024-01" in said
    assert "`ml-platform run trip_delay` makes them again" in said and "from before a change" not in said
    assert invoke("run", "trip_delay").exit_code == 0
    assert invoke("status", "trip_delay").stderr == before
