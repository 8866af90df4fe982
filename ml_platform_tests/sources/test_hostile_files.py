"""One file never stops its table: hostile files of many kinds, each beside a good one, in one lake."""

import dataclasses
import errno
import gzip
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from polars.exceptions import PanicException

from ml_platform.authoring.opened import opened
from ml_platform.errors import FileRefused, LakeError, SourceUnavailable
from ml_platform.lake.storable import storable
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.sources import arriving, column_values, raw
from ml_platform.sources.faults import refusal
from ml_platform.sources.file_reading import read
from ml_platform.sources.landed import landed, strays
from ml_platform.sources.raw import ingest
from ml_platform.sources.scan import pending, refused
from ml_platform.spec.sources import Files
from ml_platform.spec.tables import Table
from ml_platform_tests.ingestion_sandbox import Customer, IngestionSandbox, customers
from ml_platform_tests.sources.hostile_files import ARRAYS, CSV, GOOD, LINES, PACKED, PARQUET, PARQUETS, Hostile

GROUPS = {
    "csv": (CSV, "good.csv", GOOD),
    "packed": (PACKED, "good.csv.gz", gzip.compress(GOOD)),
    "parquet": (PARQUETS, "good.parquet", PARQUET),
    "arrays": (ARRAYS, "good.json", b'[{"id": 1, "name": "Ada"}]'),
    "lines": (LINES, "good.ndjson", b'{"id": 1, "name": "Ada"}\n'),
}
FORMATS: dict[str, Any] = {"csv": "csv", "packed": "csv", "parquet": "parquet", "arrays": "json", "lines": "ndjson"}
KINDS = [pytest.param(group, one, id=one.file) for group, (kinds, _, _) in GROUPS.items() for one in kinds]

LIMITS = {"max_file_bytes": 30_000_000}


@dataclasses.dataclass
class Outcome:
    """What a run said of the hostile files of a group, by path, and which good files it took in."""

    messages: dict[str, str]
    again: dict[str, str]  # what status and doctor say afterwards
    taken: list[str]
    rows: int


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory, empty_lake: Path) -> Iterator[dict[str, Outcome]]:
    """Every group landed in one lake and was validated: a hostile file, a good one, the next hostile file, …"""
    settings = Settings(data=tmp_path_factory.mktemp("hostile") / "data", threads=2, **LIMITS)
    shutil.copytree(empty_lake, settings.lake)
    with closing(Workspace.open(settings, {})) as stores:
        yield {group: _outcome(IngestionSandbox(stores), group) for group in GROUPS}


def _outcome(sandbox: IngestionSandbox, group: str) -> Outcome:
    kinds, good, content = GROUPS[group]
    suffix = Path(good).suffix
    table = Table(
        group, Files(f"{group}/*" if group == "packed" else f"{group}/*{suffix}", format=FORMATS[group]), Customer
    )
    for number, one in enumerate(kinds):
        sandbox.put(f"{group}/{number:02}-{good}", content)
        one.write(sandbox.landing / group)

    def grow(path: str) -> None:
        if "growing" in path:
            (sandbox.landing / path).write_bytes(GOOD + b"3,Jo")

    settings = sandbox.stores.settings
    report = ingest(sandbox.stores, table, "run", on_file=grow)
    [validated] = sandbox.run(table)
    sandbox.check_nothing_lost(table, [validated])
    stray = {one.path: one.why for one in strays(settings, [table]) if one.path.startswith(f"{group}/")}
    messages = {one.path: one.error for one in [*report.refused, *report.waiting]} | stray
    again = {one.path: one.error for one in refused(sandbox.state, table)} | stray
    return Outcome(messages, again, report.ingested, validated.result.rows)


@pytest.mark.parametrize(("group", "one"), KINDS)
def test_a_hostile_file_is_named_with_place_and_remedy(outcomes: dict[str, Outcome], group: str, one: Hostile) -> None:
    outcome = outcomes[group]
    assert one.said in outcome.messages[f"{group}/{one.file}"]
    assert outcome.taken == [f"{group}/{number:02}-{GROUPS[group][1]}" for number in range(len(GROUPS[group][0]))]


@pytest.mark.parametrize("group", GROUPS)
def test_status_and_doctor_name_what_the_run_named(outcomes: dict[str, Outcome], group: str) -> None:
    outcome = outcomes[group]
    growing = {"csv/growing.csv"} & set(outcome.messages)
    assert outcome.again.keys() >= outcome.messages.keys() - growing
    assert len(outcome.messages) == len(GROUPS[group][0]) and outcome.rows
    for path, message in outcome.messages.items():
        assert path not in outcome.taken and (path in message or path in outcome.again), message


def test_a_pipe_is_refused_and_waits_for_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.csv")
    with pytest.raises(FileRefused, match=r"a\.csv: it is no regular file"):
        read(tmp_path / "a.csv", "a.csv", Files("a.csv"))
    with pytest.raises(FileRefused, match=r"a\.csv: it is no regular file"), opened(tmp_path / "a.csv"):
        pass


@pytest.mark.parametrize("nested", [False, True])
def test_dates_that_the_lake_would_give_back_to_nobody_refuse_their_file_only(
    sandbox: IngestionSandbox, nested: bool
) -> None:
    table = customers(source=Files("customers/*.parquet"))
    (sandbox.landing / "customers").mkdir(parents=True)
    for number, name in enumerate(("a", "far", "z")):
        days = pl.Series("day", (-(2**31), 0) if name == "far" else (0, 2**31 - 1), dtype=pl.Int32).cast(pl.Date)
        rows = pl.DataFrame({"id": [number, number + 10], "name": name, "day": days})
        rows = rows.with_columns(pl.struct(pl.concat_list("day")).alias("day")) if nested else rows
        rows.write_parquet(sandbox.landing / "customers" / f"{name}.parquet")
    [far] = sandbox.ingest(table).refused
    assert "customers/far.parquet ('day'): a date is before 5877642-06-25 (BC)" in far.error
    sandbox.run(table)
    assert sandbox.validated(table)["name"].unique().sort().to_list() == ["a", "z"]


def test_a_value_that_stops_a_commit_refuses_its_file_only(
    sandbox: IngestionSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(column_values, "_FIRST_DAY", -(2**31))  # so that the lake itself has to refuse it
    monkeypatch.setattr(raw, "_BATCH_SECONDS", 1e9)  # all in one commit, however busy the machine is
    table = customers(source=Files("customers/*.parquet"))
    (sandbox.landing / "customers").mkdir(parents=True)

    def put(*names: str) -> None:
        for name in names:
            days = pl.Series((0, -(2**31) if name == "far" else 1), dtype=pl.Int32).cast(pl.Date)
            rows = pl.DataFrame({"id": [ord(name[0]), -ord(name[0])], "name": name, "day": days})
            rows.write_parquet(sandbox.landing / "customers" / f"{name}.parquet")

    put("a")
    sandbox.ingest(table)
    put("b", "far", "z")
    report = sandbox.ingest(table)
    assert (report.ingested, report.rows) == (["customers/b.parquet", "customers/z.parquet"], 4)
    [far] = report.refused
    assert far.path == "customers/far.parquet" and "date field value out of range" in far.error
    assert pending(sandbox.state, table).nothing and refused(sandbox.state, table)[0].path == far.path
    [validated] = sandbox.run(table)
    assert validated.result.rows == 6


def always(rows: pl.DataFrame) -> pl.DataFrame:
    return always(rows)


def clean(rows: pl.DataFrame) -> pl.DataFrame:
    """Of some contents it makes what no function should."""
    match rows["name"][0]:
        case "deep":
            return always(rows)
        case "large":
            raise MemoryError
        case "panic":
            raise PanicException("called `Option::unwrap()` on a `None` value")
    return rows


def test_whatever_clean_raises_is_about_its_file_and_the_others_go_on(sandbox: IngestionSandbox) -> None:
    table = customers(clean=clean)
    for number, name in enumerate(("deep", "Ada", "large", "Grace", "panic", "Joan")):
        sandbox.put(f"customers/{name}.csv", f"id,name\n{number},{name}\n")
    [report] = sandbox.run(table)
    assert sandbox.validated(table)["name"].to_list() == ["Ada", "Grace", "Joan"]
    said = {one.path: one.error for one in report.refused}
    assert said == {one.path: one.error for one in refused(sandbox.state, table)}
    for name, words in (("deep", "RecursionError"), ("large", "MemoryError"), ("panic", "PanicException")):
        assert f"clean raised {words}" in said[f"customers/{name}.csv"]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (RecursionError("x"), "nested too deeply, as was noticed while it was read. Write what is inside as text"),
        (PanicException("not yet\nimplemented"), "PanicException while it was read: not yet. Write it anew"),
        (KeyError("\x1b[31m"), "KeyError while it was read: '\\x1b[31m'. Write it anew"),
    ],
)
def test_an_error_that_nobody_foresaw_names_the_file(fault: BaseException, said: str) -> None:
    refusal_of_it = refusal("orders/a.csv", fault, "it was read")
    assert str(refusal_of_it).startswith("orders/a.csv: ") and said in str(refusal_of_it)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (MemoryError(), "not enough memory or room to spill while it was read. The next run tries again. Raise ML_PL"),
        (duckdb.OutOfMemoryException("could not allocate 1 GB"), "while it was read (could not allocate 1 GB)"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "Cannot allocate memory, while it was read. The next run"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error, while it was read. The next run"),
    ],
)
def test_what_the_machine_lacks_refuses_no_file(fault: Exception, said: str) -> None:
    with pytest.raises(SourceUnavailable) as raised:
        refusal("orders/a.csv", fault, "it was read")
    assert str(raised.value).startswith("orders/a.csv: ") and said in str(raised.value)


def test_a_file_for_which_memory_was_short_is_not_on_record_and_read_by_the_next_run(
    sandbox: IngestionSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def starved(frame: pl.DataFrame) -> pl.DataFrame:
        if "Grace" in frame["name"].to_list():
            raise MemoryError
        return storable(frame)

    sandbox.put("customers/a.csv", "id,name\n1,Ada\n")
    sandbox.put("customers/g.csv", "id,name\n2,Grace\n")
    monkeypatch.setattr(arriving, "storable", starved)
    report = sandbox.ingest(customers())
    assert (report.ingested, report.refused) == (["customers/a.csv"], [])
    [waiting] = report.waiting
    assert waiting.path == "customers/g.csv" and "not enough memory" in waiting.error
    assert pending(sandbox.state, customers()).paths == ["customers/g.csv"]
    monkeypatch.setattr(arriving, "storable", storable)
    assert sandbox.ingest(customers()).ingested == ["customers/g.csv"]


@pytest.mark.parametrize("fault", [LakeError("x"), SourceUnavailable("a", "x"), duckdb.IOException("x")])
def test_an_error_of_the_lake_or_source_is_blamed_on_no_file(fault: Exception) -> None:
    if isinstance(fault, FileRefused):
        assert refusal("a.csv", fault, "it was read") is fault
        return
    with pytest.raises(type(fault)):
        refusal("a.csv", fault, "it was read")


@contextmanager
def _folder_for_everybody() -> Iterator[Path]:
    """A folder that other users may look into, unlike those of pytest."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_what_may_not_be_read_is_named_and_hides_no_other_file() -> None:
    with _folder_for_everybody() as folder:
        settings, table = Settings(data=folder), customers(source=Files("customers/**/*.csv"))
        for path in ("a.csv", "open/b.csv", "shut/c.csv", "unread.csv"):
            file = settings.landing / "customers" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(GOOD)
        (settings.landing / "customers" / "unread.csv").chmod(0)
        (settings.landing / "customers" / "shut").chmod(0)
        root = os.geteuid() == 0
        if root:  # whom no permission stops
            os.seteuid(65534)
        try:
            assert list(landed(settings, table)) == [f"customers/{n}" for n in ("a.csv", "open/b.csv", "unread.csv")]
            assert [(one.path, one.why) for one in strays(settings, [table])] == [
                ("customers/shut", "cannot be looked into (Permission denied): what is there counts as gone")
            ]
            with pytest.raises(FileRefused, match=r"it cannot be opened: Permission denied\. Make it readable"):
                read(settings.landing / "customers" / "unread.csv", "customers/unread.csv", Files("unread.csv"))
        finally:
            if root:
                os.seteuid(0)
            (settings.landing / "customers" / "shut").chmod(0o755)
