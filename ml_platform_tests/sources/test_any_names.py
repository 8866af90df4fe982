"""Any path and name works, or is refused by name: data folder, landing subfolders, files, markers."""

import os
import shutil
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import ValidationError

from ml_platform.lake.maintenance import maintain
from ml_platform.lake.query import ask
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.sources.landed import strays
from ml_platform.sources.landing import land
from ml_platform.sources.withdrawing import withdraw
from ml_platform.spec.completeness import Marker
from ml_platform.spec.sources import Files
from ml_platform.state.attached import attach
from ml_platform.state.publishing import publish
from ml_platform_tests.ingestion_sandbox import IngestionSandbox, readings

# Words of Python's, DuckLake's and the shell's templates; quotes; signs of URLs; other scripts; much of everything.
FOLDERS = [
    "{} {0} {table} %s %(x)s ${home} {a,b}",
    'it\'s "quoted" `here` and; there & so | on # 100%20 ~',
    " blanks at both ends ",
    "Ünïcödé 日本語 😀 e\u0301",
    "two\nlines\tand a tab",
    "n" * 200,
]
ROWS = "sensor,at,value\n" + "".join(f"s{n},2013-0{1 + n % 3}-03T0{n % 10}:00:00Z,{n % 90}\n" for n in range(30_000))


def test_a_data_folder_may_have_any_name(tmp_path: Path, empty_lake: Path) -> None:
    settings, table = Settings(data=tmp_path.joinpath(*FOLDERS), threads=2), readings()
    shutil.copytree(empty_lake, settings.lake)
    (tmp_path / "a.csv").write_text(ROWS)
    land(settings, table, [tmp_path / "a.csv"])
    with closing(Workspace.open(settings, {})) as stores:
        sandbox = IngestionSandbox(stores)
        reports = sandbox.run(table)
        assert sum(report.result.rows for report in reports) == 30_000 and len(reports) == 3
        assert maintain(stores.lake).orphans_removed == 0
        assert all(report.unchanged for report in sandbox.run(table))
    with closing(Workspace.open_for_reading(settings, {})) as stores:
        attach(stores.lake)
        joined = "SELECT count(*) AS n FROM validated.readings v JOIN state.files f ON f.file_id = v._file"
        assert ask(stores.lake, joined).frame["n"].to_list() == [30_000]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (os.fsdecode(b"\xff"), "is not UTF-8"),
        ("a[1]", r"holds \*, \? or \["),
        ("a*", r"holds \*, \? or \["),
        ("back\\slash", r"holds \\, which DuckDB takes for the end of a folder's name"),
        ("{DATA_PATH}", "holds {DATA_PATH}, which DuckLake fills in"),
    ],
)
def test_a_data_folder_that_the_readers_cannot_open_is_refused_by_name(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Settings(data=tmp_path / name)


# Beside the names of `test_files_of_any_name_are_read_each_once`, which stand in one folder.
NAMES = [
    *FOLDERS,
    "-rf",
    "{DATA_PATH}",
    "back\\slash",
    "[ab]*?",
    "a,b",
    "=1+1",
    "a..",
    "\x1b[31mred",
    "\u202etxt",
    "n" * 251,
]


def test_landing_subfolders_and_files_may_have_any_name(sandbox: IngestionSandbox, tmp_path: Path) -> None:
    settings, table = sandbox.stores.settings, readings(source=Files("readings/**/*.csv"))
    names = [os.fsdecode(b"\xff\xfe"), *NAMES]
    for number, name in enumerate(names):
        folder = tmp_path / "exports" / name[:100]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name[:251]}.csv").write_text(f"sensor,at,value\ns{number},2013-01-03T00:00:00Z,1\n")
    landed = land(settings, table, [tmp_path / "exports"])
    assert [one.outcome for one in landed] == ["landed"] * len(names)
    assert strays(settings, [table]) == []
    report = sandbox.ingest(table)
    assert (len(report.ingested), report.refused, report.waiting) == (len(names), [], [])
    [validated] = sandbox.run(table)
    assert validated.result.rows == len(names)
    publish(sandbox.stores)
    published = sandbox.lake.rows("SELECT path FROM lineage.files")
    assert len(published) == len(names) and ("readings/{ DATA_PATH}/{ DATA_PATH}.csv",) in published
    for path in report.ingested[::2]:
        assert withdraw(sandbox.state, settings, table.name, path, why="a test", actor="").rows == 1
    [validated] = sandbox.run(table)
    assert validated.result.rows == len(names) // 2
    assert land(settings, table, [tmp_path / "exports"])[0].outcome == "landed"  # taken back
    [validated] = sandbox.run(table)
    assert validated.result.rows == len(names)


def test_a_path_that_is_too_long_for_the_system_is_named_and_hides_no_other(sandbox: IngestionSandbox) -> None:
    settings, table = sandbox.stores.settings, readings(source=Files("readings/**/*.csv"))
    sandbox.put("readings/a.csv", "sensor,at,value\ns1,2013-01-03T00:00:00Z,1\n")
    here = os.open(settings.landing / "readings", os.O_RDONLY)
    for _ in range(20):  # 5,000 bytes, more than a system call takes
        os.mkdir("x" * 250, dir_fd=here)
        deeper = os.open("x" * 250, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(os.open("b.csv", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    assert sandbox.ingest(table).ingested == ["readings/a.csv"]
    [stray] = strays(settings, [table])
    assert "cannot be looked into (File name too long)" in stray.why


@pytest.mark.parametrize("path", ["done/{partition}", "done [1]/{table} {partition}*?", "{}/{0}{partition}"])
def test_a_marker_may_have_any_name(sandbox: IngestionSandbox, path: str) -> None:
    marker = Marker(path)
    table = readings(complete=marker)
    sandbox.put(marker.of("2013-01"), "")
    sandbox.put("done 1/other", "")
    assert [one.path for one in strays(sandbox.stores.settings, [table])] == ["done 1/other"]
    assert [file.name for file in sandbox.landing.glob(marker.pattern)] == [Path(marker.of("2013-01")).name]
