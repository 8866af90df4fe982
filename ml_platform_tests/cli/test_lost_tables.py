"""Published tables whose files are lost: `run` fills them anew, and until then `backup` counts them as lost."""

import json
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import polars as pl

from ml_platform.runtime.retention import maintain
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.state.publishing import STREAMS, publish
from ml_platform_tests.cli.terminal import invoke, invoke_json
from ml_platform_tests.damage import table_files

PUBLISHED = sorted({*(stream.target for stream in STREAMS), "lineage.reads"})


def _content(settings: Settings) -> dict[str, pl.DataFrame]:
    with closing(Workspace.open_for_reading(settings, {})) as workspace:
        return {table: workspace.lake.frame(f"SELECT * FROM {table} ORDER BY ALL") for table in PUBLISHED}


def _data_files() -> str:
    findings = json.loads(invoke("doctor", "--json").stdout)
    return next(finding["state"] for finding in findings if finding["name"] == "data files")


def test_a_run_with_nothing_to_launch_fills_lost_tables_anew_and_backups_count_them_until_then(
    platform: Path, tmp_path: Path
) -> None:
    settings, backups = Settings(data=platform, threads=2), str(tmp_path / "backups")
    with closing(Workspace.open(settings, {})) as workspace:
        publish(workspace)
        maintain(workspace, keep_days=7, grace=timedelta(0))  # small tables lie in files from then on
    before = _content(settings)
    whole = invoke_json("backup", backups)["backup"]
    for table in [*PUBLISHED, "platform.profiles"]:
        for path in table_files(settings.lake / "tables", table):
            path.unlink()
    Workspace.open(settings, {}).close()  # sets aside what is damaged
    said = invoke("backup", backups, "--keep", "1", "--json")
    assert said.exit_code == 1
    report = json.loads(said.stdout)
    assert sorted(name.partition(" ")[0] for name in report["lost"]) == sorted([*PUBLISHED, "platform.profiles"])
    assert report["removed"] == []
    done = invoke("run", "trip_delay")
    assert "nothing was launched" in done.stderr.replace("\n", " ")
    after = _content(settings)
    assert all(after[table].equals(rows) for table, rows in before.items())
    assert _data_files() == "ok"
    sound = invoke_json("backup", backups, "--keep", "1")
    assert sound["lost"] == [] and whole in sound["removed"]
