"""The example of docs/sources.md, run on a database."""

import re
from pathlib import Path
from typing import Any

import pytest

from ml_platform.sources.scan import pending
from ml_platform_tests.ingestion_sandbox import IngestionSandbox
from ml_platform_tests.sources.shop import CONNECTION, Shop

DOCUMENT = Path(__file__).parents[2] / "docs" / "sources.md"


def test_the_documents_table_is_read(
    sandbox: IngestionSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = re.findall(r"^```python\n(.*?)^```$", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE)
    (example,) = (one for one in examples if "Sql(" in one)
    declared: dict[str, Any] = {"__name__": "orders_example"}
    exec(example, declared)
    assert declared["large_orders"].task == "binary" and declared["large_orders"].tables == (declared["orders"],)
    shop = Shop(tmp_path / "shop.db")
    shop.run("INSERT INTO orders VALUES (?, 'x', 1)", *[(number,) for number in range(1, 200_001)])
    monkeypatch.setenv(CONNECTION, shop.url)
    report = sandbox.ingest(declared["orders"])
    assert report.ingested == re.findall(r"`(ORDERS_DB/orders/id \[.*?\])`", DOCUMENT.read_text())
    assert report.rows == 200_000 and pending(sandbox.state, declared["orders"]).nothing
