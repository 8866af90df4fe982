"""Content keys of lakes that exist: pinned. Those of screening are of its version 2, which casts by one table."""

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.sources.scan import read_key
from ml_platform.spec.sources import Files
from ml_platform.state.files import file_id, versions
from ml_platform.state.schema import records
from ml_platform.validation import screenings
from ml_platform.validation.screenings import rule_version, screening_key
from ml_platform.validation.validated import validated_keys
from ml_platform_tests.ingestion_sandbox import MONTHS, IngestionSandbox, customers, readings


@pytest.fixture(autouse=True)
def fixed_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """The versions of libraries are part of the keys and no part of this test."""
    monkeypatch.setattr(screenings, "libraries", lambda *names: dict.fromkeys(names, "1.0"))


TABLES = {
    "csv": readings(),
    "semicolons": readings(source=Files("readings/*.csv", separator=";", nulls=("-", "n/a"))),
    "parquet": customers(source=Files("customers/*.parquet")),
    "packed": customers(source=Files("customers/*.ndjson.gz")),
}


def test_the_keys_of_reading_and_screening_stay() -> None:
    keys = {name: [read_key(t), rule_version(t), screening_key(t, {}, MONTHS)] for name, t in TABLES.items()}
    assert keys == {
        "csv": [
            "783218cfa4ad0a81",
            "058ddeb7765fb710",
            "c67cd0391b0b7c45ed4591fb6116fb155d0225a39e2332f9fced7a081ae8340f",
        ],
        "semicolons": [
            "03d4f51897c7b737",
            "8f2020744c77bbe8",
            "773d049cdbf939b9cfb3b50484c620df020d6929c5938222f44db5f8cd2ab885",
        ],
        "parquet": [
            "6cfd0403f730db37",
            "ca91e9268a254a1c",
            "e6a6fda3c76db11e1d834cec581abfeb79d072b1995adf5401cad78b15b9be4b",
        ],
        "packed": [
            "1f12c5411353d0f6",
            "ca91e9268a254a1c",
            "00f1f103736d32ac011d05e902945dced8b57272545f0557b7da4a4c8c5ca52f",
        ],
    }


def test_the_keys_of_what_landed_stay(tmp_path: Path) -> None:
    with closing(Workspace.open(Settings(data=tmp_path, threads=1), {})) as stores:
        sandbox, table = IngestionSandbox(stores), readings()
        arrived = datetime(2013, 2, 1, tzinfo=UTC)
        sandbox.land(table, "a.csv", "sensor,at,value\na,2013-01-01T00:00:00Z,NA\n", arrived)
        sandbox.run(table)
        sandbox.land(table, "a.csv", "sensor,at,value\na,2013-01-01T00:00:00Z,1\n", arrived.replace(month=3))
        sandbox.run(table)
        ids = [version.file_id for version in versions(stores.state, "readings")]
        raw = stores.state.rows(select(records.c.content_key).where(records.c.asset == "raw/readings"))
        assert [ids, [key for (key,) in raw], validated_keys(stores.state, table, MONTHS)] == [
            ["d29cbd84d0af82e9", "7607e8a9499dadd7"],
            [
                "4fe264fb384273f3b117bef768a37d24a0a2dd70aebf68e28846e145cdeb0500",
                "0cf85db3bdb095bab6a1581aea4f233c8457cb31ff1c1a7d1e221764fbdd8f06",
            ],
            {"2013-01": "cc559c67774742b79f7dd462b031d944d3db7e3de9a1c28af63c7a09713afdad"},
        ]


def test_the_id_of_a_file_version_stays() -> None:
    assert [file_id("readings", "readings/a.csv", "ab", 1, 0), file_id("readings", "readings/a.csv", "ab", 3, 1)] == [
        "cbe28750e703a1de",
        "8ec0c6d476f1b96f",
    ]
