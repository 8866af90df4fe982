"""Files with the awkward columns that people have: each is written, and says what its draft should make of it."""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from ml_platform_tests.authoring.sample_files import write

ROWS = 240
START = datetime(2024, 1, 1, tzinfo=UTC)
SOME = [f"{START + timedelta(hours=7 * n):%Y-%m-%d %H:%M:%S}" for n in range(ROWS)]


@dataclass(frozen=True)
class Awkward:
    """A file: how it is written, the kind of each awkward column, and how many of its rows a run refuses."""

    make: Callable[[Path], Path]
    kinds: dict[str, str]
    refused: int = 0


def _texts(name: str, cells: Sequence[object]) -> Callable[[Path], Path]:
    """A CSV with the column `name` of these cells, repeated, beside a key, a time, a number and an answer."""

    def make(folder: Path) -> Path:
        dice = random.Random(7)
        rows = [
            [f"k{n}", SOME[n], dice.randint(1, 99), cells[n % len(cells)], dice.choice(["good", "bad"])]
            for n in range(ROWS)
        ]
        return write(folder / "things.csv", ["key", "ordered_at", "size", name, "answer"], rows)

    return make


def _objects(ending: str, **columns: Callable[[int], Any]) -> Callable[[Path], Path]:
    """A typed file with these columns of the row's number, beside a key, a number and an answer."""

    def make(folder: Path) -> Path:
        dice = random.Random(8)
        rows = [
            {"key": f"k{n}", "size": dice.randint(1, 99), **{name: cell(n) for name, cell in columns.items()},
             "answer": dice.choice(["good", "bad"])}
            for n in range(ROWS)
        ]  # fmt: skip
        file = folder / f"things.{ending}"
        if ending == "parquet":
            pl.DataFrame(rows, infer_schema_length=None).write_parquet(file)
        elif ending == "json":
            file.write_text(json.dumps(rows))
        else:
            file.write_text("\n".join(map(json.dumps, rows)))
        return file

    return make


def _iso(n: int) -> str:
    return f"{START + timedelta(hours=7 * n):%Y-%m-%dT%H:%M:%SZ}"


def _millis(n: int) -> int:
    return int((START + timedelta(hours=7 * n)).timestamp() * 1000)


AWKWARD = {
    "Namibia among countries": Awkward(_texts("country", ["DE", "NA", "FR", "ZA"]), {"country": "text"}),
    "a level called None": Awkward(_texts("basement", ["None", "Good", "Fair"]), {"basement": "text"}),
    "no dose": Awkward(_texts("dose", ["0.5", "-", "None", " n/a ", "1.5", "NA"]), {"dose": "number"}),
    "NA among names": Awkward(_texts("surname", ["Meier", "NA", "Schmidt"]), {"surname": "text"}),
    "yes and no": Awkward(_texts("member", ["Y", "n", "y", "N", ""]), {"member": "boolean"}),
    "zero and one": Awkward(_texts("member", ["0", "1"]), {"member": "integer"}),
    "percent": Awkward(_texts("share", ["12.5%", "3%", "-1.25 %"]), {"share": "number"}),
    "euros": Awkward(_texts("price", ["€1.234,50", "€7", "€12,00"]), {"price": "number"}),
    "thousands": Awkward(_texts("price", ["1,234.50", "7", "12,345"]), {"price": "number"}),
    "spaces between thousands": Awkward(_texts("price", ["1\u00a0234,5", "7", "12 345"]), {"price": "number"}),
    "seconds since 1970": Awkward(
        _texts("seen_ts", [1_704_067_200 + 977 * n for n in range(ROWS)]), {"seen_ts": "moment"}
    ),
    "a zero for no time": Awkward(
        _texts("seen_ts", ["0", *(1_704_067_200_000 + 977 * n for n in range(ROWS - 1))]), {"seen_ts": "moment"}, 1
    ),
    "dates in three forms": Awkward(
        _texts("seen", ["2024-01-31", "31.12.2023", "Feb 1, 2024", "31.12.23"]), {"seen": "date"}
    ),
    "months": Awkward(_texts("month", [f"2024-{month:02}" for month in range(1, 8)]), {"month": "date"}),
    "one stray text": Awkward(_texts("weight", ["many", *(n / 4 for n in range(ROWS - 1))]), {"weight": "number"}, 1),
    "one stray date": Awkward(
        _texts("seen", ["soon", *(f"{n % 28 + 1:02}.01.2024" for n in range(ROWS - 1))]), {"seen": "date"}, 1
    ),
    "an id beyond 64 bits": Awkward(_texts("tweet", [2**64 + n for n in range(ROWS)]), {"tweet": "text"}),
    "codes with leading zeros": Awkward(_texts("zip", ["01234", "98765"]), {"zip": "text"}),
    "times in JSON": Awkward(_objects("ndjson", ordered_at=_iso), {"ordered_at": "moment"}),
    "some times in JSON are empty": Awkward(
        _objects("ndjson", ordered_at=_iso, paid_at=lambda n: "" if n % 9 == 0 else _iso(n)), {"paid_at": "moment"}
    ),
    "German dates in JSON": Awkward(
        _objects("ndjson", ordered_at=_iso, seen=lambda n: f"{n % 28 + 1}.{n % 12 + 1}.2024"), {"seen": "date"}
    ),
    "milliseconds in JSON": Awkward(_objects("ndjson", created=_millis), {"created": "moment"}),
    "an array": Awkward(_objects("json", ordered_at=_iso), {"ordered_at": "moment"}),
    "hashes": Awkward(_objects("parquet", ordered_at=_iso, hash=lambda n: 2**63 + 977 * n), {"hash": "text"}),
    "ids of 128 bits": Awkward(_objects("parquet", ordered_at=_iso, hash=lambda n: 2**70 + 977 * n), {"hash": "text"}),
    "ids of 128 bits in JSON": Awkward(
        _objects("json", ordered_at=_iso, hash=lambda n: 2**64 + 977 * n), {"hash": "text"}
    ),
    "nanoseconds in Parquet": Awkward(
        _objects("parquet", event_time=lambda n: _millis(n) * 10**6), {"event_time": "moment"}
    ),
    "dates as numbers in Parquet": Awkward(
        _objects("parquet", ordered_at=_iso, ship_date=lambda n: 20_240_101 + n % 28), {"ship_date": "date"}
    ),
    "a time that some rows lack": Awkward(
        _objects("parquet", ordered_at=lambda n: None if n in (3, 50) else _iso(n)), {"ordered_at": "moment"}, 2
    ),
}
