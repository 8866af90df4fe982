"""Landing files: nothing is overwritten without a word, folders are kept, and what nobody reads is named."""

import errno
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ml_platform.errors import DeclarationError, IngestionError, LakeError
from ml_platform.lake.blobs import file_hash
from ml_platform.runtime import retention
from ml_platform.sources.foreseen import foreseen
from ml_platform.sources.landed import sentences, strays
from ml_platform.sources.landing import Landed, land
from ml_platform.sources.scan import pending
from ml_platform.spec.completeness import Marker
from ml_platform.spec.sources import Files
from ml_platform_tests.ingestion_sandbox import IngestionSandbox, customers, readings

DEEP = customers(source=Files("customers/**/*.csv"))


@pytest.fixture
def exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two exports of a program that calls every file alike, and one more; they are in the working directory."""
    folder = tmp_path / "exports"
    for i, month in enumerate(("jan", "feb")):
        (folder / month).mkdir(parents=True)
        (folder / month / "part-0.csv").write_text(f"id,name\n{i},{month}\n")
    (folder / "jan" / "part-1.csv").write_text("id,name\n7,Hedy\n")
    (folder / "jan" / "_SUCCESS").write_text("")
    monkeypatch.chdir(folder)
    return folder


def files_in(folder: Path) -> list[str]:
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


def test_two_files_of_one_name_are_refused_before_anything_is_copied(sandbox: IngestionSandbox, exports: Path) -> None:
    with pytest.raises(IngestionError, match=r"would both land as customers/part-0\.csv") as error:
        land(sandbox.stores.settings, customers(), [exports / "jan/part-0.csv", exports / "feb/part-0.csv"])
    assert "or declare the pattern 'customers/**/*.csv'" in str(error.value)
    assert not sandbox.landing.exists()
    one = exports / "jan/part-0.csv"
    assert len(land(sandbox.stores.settings, customers(), [one, one])) == 1  # one file, named twice


@pytest.mark.parametrize("there", ["jan/part-0.csv", "feb/part-0.csv"])
def test_under_two_stars_a_file_keeps_its_folder(sandbox: IngestionSandbox, exports: Path, there: str) -> None:
    land(sandbox.stores.settings, DEEP, [Path(there)])
    assert files_in(sandbox.landing) == [f"customers/{there}"]


def test_under_two_stars_absolute_paths_keep_what_tells_them_apart(sandbox: IngestionSandbox, exports: Path) -> None:
    land(sandbox.stores.settings, DEEP, [exports / "jan/part-0.csv", exports / "feb/part-0.csv"])
    assert files_in(sandbox.landing) == ["customers/feb/part-0.csv", "customers/jan/part-0.csv"]
    assert sandbox.ingest(DEEP).rows == 2


def test_a_folder_is_landed_with_its_folders_and_what_is_no_file_of_the_table_is_named(
    sandbox: IngestionSandbox, exports: Path
) -> None:
    landed = land(sandbox.stores.settings, DEEP, [exports])
    assert [one for one in landed if one.outcome == "skipped"] == [Landed(exports / "jan/_SUCCESS", "skipped")]
    assert files_in(sandbox.landing) == [
        f"customers/{part}" for part in ("feb/part-0.csv", "jan/part-0.csv", "jan/part-1.csv")
    ]
    with pytest.raises(IngestionError, match=r"would both land as customers/part-0\.csv"):
        land(sandbox.stores.settings, customers(), [exports])
    with pytest.raises(IngestionError, match=r"No file in .* is one of readings's files"):
        land(sandbox.stores.settings, readings(source=Files("readings/*.ndjson")), [exports])


def test_a_pattern_with_one_star_for_a_folder_keeps_that_folder(sandbox: IngestionSandbox, exports: Path) -> None:
    table = customers(source=Files("customers/*/part-*.csv"))
    land(sandbox.stores.settings, table, [exports / "jan/part-0.csv"])
    land(sandbox.stores.settings, table, [Path("feb/part-0.csv")])
    assert files_in(sandbox.landing) == ["customers/feb/part-0.csv", "customers/jan/part-0.csv"]


def test_a_link_lands_under_its_own_name(sandbox: IngestionSandbox, exports: Path) -> None:
    (exports / "latest.csv").symlink_to(exports / "jan/part-0.csv")
    [landed] = land(sandbox.stores.settings, customers(), [exports / "latest.csv"])
    assert landed.path.name == "latest.csv" and not landed.path.is_symlink()


def test_other_content_that_stands_is_replaced_on_purpose_only(sandbox: IngestionSandbox, exports: Path) -> None:
    table, settings = customers(), sandbox.stores.settings
    [first] = land(settings, table, [exports / "jan/part-0.csv"])
    assert first.outcome == "landed"
    [again] = land(settings, table, [exports / "jan/part-0.csv"])
    assert again.outcome == "unchanged"
    with pytest.raises(IngestionError, match=r"Other content stands as customers/part-0\.csv.*--replace"):
        land(settings, table, [exports / "jan/part-1.csv", exports / "feb/part-0.csv"])
    assert files_in(sandbox.landing) == ["customers/part-0.csv"]
    [other] = land(settings, table, [exports / "feb/part-0.csv"], replace=True)
    assert other.outcome == "replaced" and "feb" in other.path.read_text()


def test_content_on_record_stands_too_when_its_file_left_the_folder(sandbox: IngestionSandbox, exports: Path) -> None:
    table, settings = customers(), sandbox.stores.settings
    land(settings, table, [exports / "jan/part-0.csv"])
    sandbox.run(table)
    (sandbox.landing / "customers/part-0.csv").unlink()
    with pytest.raises(IngestionError, match="or on record, and would be replaced"):
        land(settings, table, [exports / "feb/part-0.csv"])
    assert [one.outcome for one in land(settings, table, [exports / "jan/part-0.csv"])] == ["landed"]


ODD = [
    "a b",
    "a[1]",
    "a1",
    "x*y",
    "q?",
    "n\nl",
    "{a}",
    "A",
    "a",
    "'q'",
    '"d"',
    "ü",
    "c:\\d",
    "%20",
    "-dash",
    "#h",
    "~t",
]


def test_files_of_any_name_are_read_each_once(sandbox: IngestionSandbox) -> None:
    table = customers()
    for i, name in enumerate(ODD):
        sandbox.put(f"customers/{name}.csv", f"id,name\n{i},{i}\n")
    folder = os.fsencode(sandbox.landing / "customers")
    for i, raw in enumerate((b"\xff", b"\\xff")):  # a name that is not UTF-8, and one that reads like it
        Path(os.fsdecode(folder + b"/" + raw + b".csv")).write_text(f"id,name\n{100 + i},x\n")
    report = sandbox.ingest(table)
    assert report.refused == [] and len(set(report.ingested)) == len(ODD) + 2
    [result] = sandbox.run(table)
    assert result.result.rows == len(ODD) + 2


def test_what_no_table_reads_is_named_with_the_reason(sandbox: IngestionSandbox) -> None:
    table = customers(complete=Marker("done/customers_{partition}"))
    sandbox.put("customers/a.csv", "id,name\n1,Ada\n")
    sandbox.put("customers/out.csv/part-0", "x")
    sandbox.put("customers/b.csv.tmp", "x")
    sandbox.put("customers/.hidden.csv", "x")
    sandbox.put("customers/note.txt", "x")
    sandbox.put("done/customers_2024-01", "")
    (sandbox.landing / "customers/broken.csv").symlink_to("nowhere")
    (sandbox.landing / "linked").symlink_to(sandbox.landing / "customers")
    other = readings(source=Files("customers/a.*", format="csv"))
    assert {stray.path: stray.why for stray in strays(sandbox.stores.settings, [table, other, table])} == {
        "customers/a.csv": "is read by 2 tables, customers, readings",
        "customers/b.csv.tmp": "ends in .tmp, as files do that are still being written",
        "customers/broken.csv": "is a link to a file that is not there",
        "customers/note.txt": "matches the pattern of no declared table",
        "customers/out.csv": "is a folder and is named like a file of the pattern of customers: declare a pattern "
        "that reaches into it",
        "customers/out.csv/part-0": "matches the pattern of no declared table",
        "linked": "is a link to a folder, into which `**` does not go: land its files",
    }
    lines = sentences(strays(sandbox.stores.settings, [table]))
    assert (
        "In the landing folder, 'customers/note.txt', 'customers/out.csv/part-0': each matches the pattern of no"
        in (" ".join(lines))
    )


def test_a_correction_that_keeps_size_and_time_is_noticed(sandbox: IngestionSandbox) -> None:
    table, file = customers(), sandbox.put("customers/a.csv", "id,name\n1,Ada\n")
    times = file.stat()
    sandbox.run(table)
    file.write_text("id,name\n1,Eva\n")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (times.st_size, times.st_mtime_ns)
    assert sandbox.ingest(table).replaced == ["customers/a.csv"]
    sandbox.run(table)
    assert sandbox.validated(table).filter(~sandbox.validated(table)["_superseded_at"].is_not_null())[
        "name"
    ].to_list() == ["Eva"]


def test_a_waiting_file_that_a_run_would_refuse_is_told_before(sandbox: IngestionSandbox) -> None:
    table = customers()
    sandbox.put("customers/a.csv", "id,name\n1,Ada\n")
    sandbox.put("customers/b.csv", "id,naem\n1,Ada\n")
    sandbox.put("customers/c.csv", "id,name,id\n1,Ada,2\n")
    paths = pending(sandbox.state, table).paths
    said = {refusal.path: refusal.error for refusal in foreseen(sandbox.stores.settings, table, paths)}
    assert list(said) == ["customers/b.csv", "customers/c.csv"]
    refused = {refusal.path: refusal.error for refusal in sandbox.ingest(table).refused}
    assert said == refused  # in the same words


@pytest.mark.parametrize(
    ("name", "source", "content"),
    [
        ("a.json", {}, b'[{"id": 1, "name": "Ada"}]'),
        ("a.ndjson", {}, b'{"id": 1, "name": "Ada"}\n'),
        ("a.csv", {"encoding": "utf-16"}, "id,name\n1,Ada\n".encode("utf-16")),
        ("a.csv", {"encoding": "cp1252"}, "id,name,caf\xe9\n1,Ada,2\n".encode("cp1252")),
    ],
)
def test_no_refusal_is_foretold_of_a_waiting_file_that_a_run_reads(
    sandbox: IngestionSandbox, name: str, source: dict[str, str], content: bytes
) -> None:
    path = f"customers/{name}"
    table = customers(source=Files(f"customers/*{Path(name).suffix}", **source))
    sandbox.put(path, content)
    assert foreseen(sandbox.stores.settings, table, pending(sandbox.state, table).paths) == []
    report = sandbox.ingest(table)
    assert (report.ingested, report.refused) == ([path], [])


@pytest.mark.parametrize(
    ("pattern", "read"),
    [
        ("customers/**", ["a.csv", "jan/b.csv", "^.csv"]),
        ("customers/[^a].csv", ["a.csv", "^.csv"]),
        ("customers/[!]a].csv", ["^.csv"]),
        ("customers/[z-a].csv", []),
        ("customers/**/[a-b]?csv", ["a.csv", "jan/b.csv"]),
    ],
)
def test_the_files_that_a_pattern_covers_are_the_files_that_are_read(
    sandbox: IngestionSandbox, pattern: str, read: list[str]
) -> None:
    table, names = customers(source=Files(pattern, format="csv")), ["a.csv", "jan/b.csv", "^.csv"]
    for i, name in enumerate(names):
        sandbox.put(f"customers/{name}", f"id,name\n{i},Ada\n")
    assert [name for name in names if table.source.covers(f"customers/{name}")] == read
    assert sandbox.ingest(table).ingested == sorted(f"customers/{name}" for name in read)


def test_two_stars_within_a_name_are_refused() -> None:
    with pytest.raises(DeclarationError, match="`\\*\\*` is a part of a name"):
        Files("customers/**.csv")


def test_what_land_said_is_there_survives_a_power_failure(
    sandbox: IngestionSandbox, exports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes come before the name, and both before the call ends; folders that are new have names of their own."""
    order: list[str] = []
    sync, replace = os.fsync, Path.replace
    landing_folder = sandbox.landing

    def synced(number: int) -> None:
        path = Path(f"/proc/self/fd/{number}").readlink()
        if path.is_relative_to(landing_folder):
            hidden = path.name.startswith(".")
            order.append("bytes" if hidden else f"{path.relative_to(landing_folder)} synced")
        sync(number)

    def replaced(path: Path, target: Path) -> Path:
        if target.is_relative_to(landing_folder):
            order.append(f"{target.relative_to(landing_folder)} named")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    land(sandbox.stores.settings, DEEP, [exports])
    names = sorted(path.relative_to(exports).as_posix() for path in exports.rglob("*.csv"))
    for name in names:
        at = order.index(f"customers/{name} named")
        assert order[at - 1] == "bytes"
        assert f"{Path('customers', name).parent} synced" in order[at:]
    assert order.index(". synced") < order.index("customers synced"), "the folder itself has its name on the disk"
    order.clear()
    land(sandbox.stores.settings, DEEP, [exports])
    assert not any("named" in step for step in order)
    assert all(f"customers/{name} synced" in order for name in names), "what stood there may not be on the disk"


def test_what_a_killed_landing_left_is_no_stray_and_is_removed_once_it_is_old(sandbox: IngestionSandbox) -> None:
    left = sandbox.put(f"customers/2024/.{'0123456789abcdef' * 2}.tmp", "k")
    own = [sandbox.put(name, "x") for name in ("customers/.hidden.tmp", "customers/a.csv", "customers/b.csv.tmp")]
    assert [stray.path for stray in strays(sandbox.stores.settings, [customers()])] == ["customers/b.csv.tmp"]
    assert retention.sweep(sandbox.stores.settings) == 0
    assert left.exists()
    assert retention.sweep(sandbox.stores.settings, grace=timedelta(0)) == 1
    assert not left.exists()
    assert all(path.exists() for path in own)


def test_a_landing_that_finds_no_room_names_the_disk_and_leaves_no_piece(
    sandbox: IngestionSandbox, exports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", _full)
    with pytest.raises(LakeError, match=f"The disk of {sandbox.landing} is full"):
        land(sandbox.stores.settings, DEEP, [exports])
    assert files_in(sandbox.landing) == []


def _full(_: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


BROKEN = {"source.csv": "id,name\n1,Ada,1\n", "contract.csv": "id\n1\n", "nothing.csv": "id,name\n"}


def test_a_file_of_which_nothing_stands_is_mended_and_landed_again(sandbox: IngestionSandbox, tmp_path: Path) -> None:
    table, settings = customers(), sandbox.stores.settings
    files = [tmp_path / name for name in BROKEN]
    for file in files:
        file.write_text(BROKEN[file.name])
    land(settings, table, files)
    for number, file in enumerate(files):
        file.write_text(f"id,name\n{number},Ada\n")
    with pytest.raises(IngestionError, match="Other content stands"):  # nobody has looked at it yet
        land(settings, table, files)
    sandbox.run(table)
    assert [one.outcome for one in land(settings, table, files)] == ["replaced"] * 3
    sandbox.run(table)
    assert sandbox.validated(table)["id"].to_list() == [0, 1, 2]
    files[0].write_text("id,name\n0,Eva\n")
    with pytest.raises(IngestionError, match=r"Other content stands as customers/source\.csv in"):
        land(settings, table, files)


def test_rows_that_stand_behind_a_refused_correction_are_replaced_on_purpose_only(
    sandbox: IngestionSandbox, tmp_path: Path
) -> None:
    table, settings = customers(), sandbox.stores.settings
    files = [tmp_path / name for name in BROKEN]
    for correction in (False, True):
        for number, file in enumerate(files):
            file.write_text(BROKEN[file.name] if correction else f"id,name\n{number},Ada\n")
        land(settings, table, files, replace=True)
        sandbox.run(table)
    frame = sandbox.validated(table)
    assert frame.filter(frame["_superseded_at"].is_null())["id"].to_list() == [0, 1]
    for file in files:
        file.write_text("id,name\n9,Eva\n")
    for file in files[:2]:
        with pytest.raises(IngestionError, match="Other content stands"):
            land(settings, table, [file])
    land(settings, table, files[2:])  # its correction had ended all rows


def test_a_file_that_lands_at_a_free_place_is_read_once(
    sandbox: IngestionSandbox, exports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[Path] = []

    def noted(path: Path) -> str:
        hashed.append(path)
        return file_hash(path)

    monkeypatch.setattr("ml_platform.sources.landing.file_hash", noted)
    for outcome, readings_of_both in [("landed", 0), ("unchanged", 2)]:
        landed = land(sandbox.stores.settings, customers(), [exports / "jan/part-0.csv"])
        assert ([one.outcome for one in landed], len(hashed)) == ([outcome], readings_of_both)


def test_an_arrival_far_ahead_is_refused_because_all_later_files_would_follow_it(
    sandbox: IngestionSandbox, exports: Path
) -> None:
    for ahead in (timedelta(days=367), timedelta(days=300_000)):
        with pytest.raises(IngestionError, match="lies more than a year ahead"):
            land(sandbox.stores.settings, DEEP, [exports / "jan" / "part-0.csv"], arrived=datetime.now(UTC) + ahead)
    assert not sandbox.landing.exists()
