"""Files that a landing folder should never hold, of many kinds. Each says in which words a run names it."""

import gzip
import io
import json
import os
import random
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

GOOD = b"id,name\n1,Ada\n2,Grace\n"


@dataclass(frozen=True)
class Hostile:
    """A file: its name, how it is put there, and what the message about it says."""

    file: str
    put: bytes | Callable[[Path], object]
    said: str

    def write(self, folder: Path) -> None:
        path = folder / self.file
        if isinstance(self.put, bytes):
            path.write_bytes(self.put)
        else:
            self.put(path)


def _zip(*members: tuple[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return packed.getvalue()


def _zip_with(changes: dict[int, int]) -> bytes:
    """A zip of one file in whose headers bytes are changed, by their place after the name of the signature's fields."""
    packed = bytearray(_zip(("a.csv", GOOD)))
    central = packed.index(b"PK\x01\x02")
    for place, value in changes.items():
        packed[place] = packed[central + place + 2] = value
    return bytes(packed)


def _parquet(frame: pl.DataFrame) -> bytes:
    packed = io.BytesIO()
    frame.write_parquet(packed, compression="uncompressed", statistics=False)
    return packed.getvalue()


PARQUET = _parquet(pl.DataFrame({"id": range(100), "name": [f"Ada {n}" for n in range(100)]}))


def _with_bad_page() -> bytes:
    packed = io.BytesIO()
    pl.DataFrame({"id": range(5000), "name": [f"Ada {n}" for n in range(5000)]}).write_parquet(packed)
    content = bytearray(packed.getvalue())
    dice = random.Random(0)
    for place in range(200, len(content) // 2, 7):
        content[place] = dice.randrange(256)
    return bytes(content)


def _with_bad_footer() -> bytes:
    begin = len(PARQUET) - 8 - int.from_bytes(PARQUET[-8:-4], "little")
    return PARQUET[:begin] + bytes(60) + PARQUET[begin + 60 :]


def _many_equal_rows(path: Path) -> None:
    """Six million equal values in some kilobytes."""
    rows = pl.repeat("Ada", 100_000, dtype=pl.String, eager=True)
    pl.DataFrame({f"c{n}": rows for n in range(60)}).write_parquet(path)


def _deep_parquet(path: Path) -> None:
    kind = pa.int64()
    for _ in range(70):
        kind = pa.struct([("a", kind)])
    pq.write_table(pa.table({"id": pa.nulls(1, kind)}), path)


def _long_line(path: Path) -> None:
    path.write_bytes(b"id,name\n1," + b"x" * 20_000_000)


def _wide(path: Path) -> None:
    path.write_bytes(b",".join(b"c%d" % n for n in range(100_000)) + b"\n")


def _sparse(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(1 << 36)


def _bomb(path: Path) -> None:
    """Some kilobytes that become 33 million bytes."""
    block = GOOD + b"3,Ada\n" * 170_000
    if path.suffix == ".gz":
        with gzip.open(path, "wb", 1) as stream:
            for _ in range(33):
                stream.write(block)
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.csv", "w") as stream:
            for _ in range(33):
                stream.write(block)


CSV = [
    Hostile("empty.csv", b"", "the file is empty"),
    Hostile("mark only.csv", b"\xef\xbb\xbf", "the file is empty"),
    Hostile("zero bytes.csv", b"id,name\n1,A\0da\n", "(byte 11, line 2): there is a zero byte"),
    Hostile("utf-16.csv", GOOD.decode().encode("utf-16"), "(byte 0): the file is UTF-16"),
    Hostile("utf-16 without mark.csv", GOOD.decode().encode("utf-16-be"), "UTF-16 without a mark"),
    Hostile("latin-1.csv", "id,name\n1,Zoë\n".encode("latin-1"), "(byte 12, line 2): byte 0xeb is not UTF-8"),
    Hostile("two encodings.csv", "id,name\n1,Zoë\n".encode() + b"2,Zo\xeb\n", "(byte 19, line 3): byte 0xeb"),
    Hostile("binary.csv", bytes(range(256)) * 40, "(byte "),
    Hostile("open quote.csv", b'id,name\n1,"Ada\n2,Grace\n', "(line 2): a quote is opened and never closed"),
    Hostile("open header.csv", b'"id,name\n1,Ada\n', "(line 1): the header cannot be read"),
    Hostile("short line.csv", b"id,name\n1\n", "(line 2): 1 cells where the header has 2"),
    Hostile("long line.csv", b"id,name\n1,Ada,x\n", "(line 2): 3 cells where the header has 2"),
    Hostile("names twice.csv", b"id,name,id\n1,Ada,1\n", "(line 1): column names come twice: 'id'"),
    Hostile("wide.csv", _wide, "(line 1): it has 100,000 columns"),
    Hostile("20 MB line.csv", _long_line, "(line 2): a line is longer than 8,000,000 bytes"),
    Hostile("filled in.csv", b"id,name\n1,a {SNAPSHOT_ID}\n", "('name'): a text or name holds a word such as"),
    Hostile("filled in name.csv", b"id,name,{DATA_PATH}\n1,Ada,2\n", "('{DATA_PATH}'): a text or name holds"),
    Hostile("gzip.csv", gzip.compress(GOOD), "(byte 0): the file is gzip"),
    Hostile("sparse.csv", _sparse, "(68,719,476,736 bytes): it holds more than 30,000,000 bytes"),
    Hostile("growing.csv", GOOD, "it changed while it was read"),
    Hostile("folder.csv", Path.mkdir, "is a folder and is named like a file"),
    Hostile("nowhere.csv", lambda path: path.symlink_to("nobody"), "is a link to a file that is not there"),
    Hostile("loop.csv", lambda path: path.symlink_to(path.name), "cannot be looked at (Too many levels of symbolic"),
    Hostile("pipe.csv", os.mkfifo, "is no regular file"),
]
PACKED = [
    Hostile("bomb.csv.gz", _bomb, "unpacked bytes): it holds more than 30,000,000 bytes"),
    Hostile("bomb.csv.zip", _bomb, "unpacked bytes): it holds more than 30,000,000"),
    Hostile("cut.csv.gz", gzip.compress(GOOD * 99)[:-9], "unpacked bytes): the gzip stream is truncated"),
    Hostile("sum.csv.gz", gzip.compress(GOOD)[:-8] + bytes(8), "not a sound gzip file: CRC check failed"),
    Hostile("garbage behind.csv.gz", gzip.compress(GOOD) + b"garbage", "not a sound gzip file"),
    Hostile("no gzip.csv.gz", GOOD, "not a sound gzip file"),
    Hostile("away.csv.zip", _zip(("../../a.csv", GOOD)), "a file for another folder, '../../a.csv'"),
    Hostile("many.csv.zip", _zip(*((f"{n}.csv", GOOD) for n in range(1000))), "1000 files instead of one"),
    Hostile("none.csv.zip", _zip(), "0 files instead of one"),
    Hostile("locked.csv.zip", _zip_with({6: 1}), "Pack it without a password"),
    Hostile("method.csv.zip", _zip_with({8: 99}), "not a sound zip file: That compression method"),
    Hostile("cut.csv.zip", _zip(("a.csv", GOOD))[:-30], "not a sound zip file"),
]
PARQUETS = [
    Hostile("magic.parquet", b"id,n" + PARQUET[4:], "(byte 0): not a Parquet file"),
    Hostile("cut.parquet", PARQUET[:-10], "the Parquet file is truncated"),
    Hostile("footer.parquet", _with_bad_footer(), "the Parquet file cannot be read"),
    Hostile("footer too long.parquet", PARQUET[:-8] + b"\xff\xff\xff\x7fPAR1", "the Parquet file cannot be read"),
    Hostile("page.parquet", _with_bad_page(), "the Parquet file cannot be read"),
    Hostile("bomb.parquet", _many_equal_rows, "(100,000 rows of 60 columns): it holds more than"),
    Hostile("deep.parquet", _deep_parquet, "(the schema): lists and objects are nested more than 64 deep"),
]
ARRAYS = [
    Hostile("deep.json", b"[" * 100_000 + b"]" * 100_000, "(the array): lists and objects are nested more than 64"),
    Hostile("deep enough.json", b'[{"id":' * 40 + b"1" + b"}]" * 40, "nested more than 64 deep"),
    Hostile("twice.json", b'[{"id": 1, "name": "Ada", "id": 2}]', "the field 'id' comes twice in one object"),
    Hostile("nan.json", b'[{"id": NaN, "name": "Ada"}]', "NaN is not a JSON number"),
    Hostile("digits.json", b'[{"id": ' + b"9" * 5000 + b', "name": "Ada"}]', "not JSON"),
    Hostile("half a character.json", b'[{"id": 1, "name": "\\ud800"}]', "is half of a character"),
    Hostile("cut.json", b'[{"id": 1, "name": "Ada"}, {"id"', "(the array): not JSON"),
    Hostile("number.json", b"5", "(line 1): a int where an object should be"),
    Hostile("not utf-8.json", b'[{"id": 1, "name": "\xff"}]', "(byte 20, line 1): byte 0xff is not UTF-8"),
    Hostile("object.json", b'{"total": 1, "rows": [{"id": 1}]}', "it is one JSON object"),
]
LINES = [
    Hostile("cut.ndjson", b'{"id": 1, "name": "Ada"}\n{"id": 2, "na', "(line 2): not JSON"),
    Hostile("infinite.ndjson", b'{"id": 1, "name": "Ada"}\n{"id": -Infinity}\n', "(line 2): not JSON: -Infinity"),
    Hostile("too large.ndjson", b'{"id": 1, "name": "Ada"}\n{"id": 1e999}\n', "(line 2): not JSON: the number 1e999"),
    Hostile("digits.ndjson", b'{"id": 1}\n{"id": ' + b"9" * 40 + b"}\n", "(line 2): not JSON: the number 9999"),
    Hostile("deep.ndjson", b'{"id": 1}\n' + b'{"a":' * 500 + b"1" + b"}" * 500, "(line 2): lists and objects"),
    Hostile("twice.ndjson", b'{"id": 1, "name": "Ada", "name": "Eva"}\n', "(line 1): the field 'name' comes twice"),
    Hostile(
        "filled in.ndjson",
        b'{"id": 1, "name": "Ada", "more": [{"b": [], "a": [{"x": "{AUTHOR}"}]}]}\n',
        "('more'): a text or name holds",
    ),
    Hostile("types.ndjson", b'{"id": [1]}\n{"id": 2}\n', "the objects do not fit one table"),
    Hostile(
        "names.ndjson",
        b"\n".join(json.dumps({f"c{n}_{m}": m for m in range(100)}).encode() for n in range(150)),
        "it has 10,100 columns",
    ),
]
