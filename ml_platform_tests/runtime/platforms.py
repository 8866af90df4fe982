"""A small platform whose records and rows tell each other: for tests of backups."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ml_platform.lake.blobs import file_hash
from ml_platform.lake.transaction import Author, stage, write
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.state import ledger
from ml_platform.state.results import Result
from ml_platform.state.stores import Stores, after

ASSET = "raw/numbers"


def opened(settings: Settings) -> Workspace:
    return Workspace.open(settings, {})


def put(stores: Stores, number: int) -> None:
    """Rows of a number, with a record that names a blob and a report page."""
    lake, state, author = stores.lake, stores.state, Author(ASSET, str(number), f"key of {number}", "run")
    digest = stores.blobs.put_bytes(b"blob %d" % number)
    page = stores.settings.reports / "numbers" / f"{number}.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(f"<p>{number}</p>")
    files = {page.relative_to(stores.settings.data).as_posix(): file_hash(page)}
    with write(lake, author) as tx:
        tx.append("raw", "numbers", stage(lake, f"SELECT {number} AS v FROM range(20)"), partition=str(number))
        record = partial(ledger.record, state, author, rows=20, result=Result(), output=digest, files=files)
        after(tx, state, record)


def recorded(stores: Stores) -> list[int]:
    """The numbers that are on record."""
    return sorted(int(partition) for _, partition in ledger.latest(stores.state, ASSET))


def stored(stores: Stores) -> list[int]:
    """The numbers whose rows, blobs and pages are there and whole."""
    rows = stores.lake.rows("SELECT v FROM raw.numbers GROUP BY v HAVING count(*) = 20 ORDER BY v")
    records = ledger.latest(stores.state, ASSET)
    return [
        number
        for (number,) in rows
        if (record := records.get((ASSET, str(number)))) is not None
        and stores.blobs.whole(record.output)
        and all(file_hash(stores.settings.data / name) == digest for name, digest in record.files.items())
    ]


def numbers(settings: Settings) -> Sequence[int]:
    """The numbers of a platform that opens; what is on record is stored."""
    workspace = opened(settings)
    try:
        there = stored(workspace)
        assert there == recorded(workspace)
        return there
    finally:
        workspace.close()


def content(folder: Path) -> dict[str, str]:
    """Every file of a data folder by its hash, but for locks and notes."""
    passing = ("write.lock", "write.holder", "removal.lock", "lake.json", ".sqlite-wal", ".sqlite-shm")
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(passing))
    return {path.relative_to(folder).as_posix(): file_hash(path) for path in files}


def note(path: Path, **changes: object) -> None:
    """Change keys of a JSON file."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
