"""docs/notebook.md runs from top to bottom."""

import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

DOCUMENT = Path(__file__).parents[2] / "docs" / "notebook.md"


def test_the_example_of_the_document_runs(february: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(february.parent)
    names: dict[str, Any] = {}
    cells = re.findall(r"^```python\n(.*?)^```$", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE)
    assert len(cells) > 4
    for cell in cells:
        exec(cell, names)
    assert isinstance(names["worst"], pl.DataFrame) and names["worst"].height == 10
    assert names["same"]
    names["platform"].close()
