"""docs/notebook.md runs from top to bottom."""

import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

DOCUMENT = Path(__file__).parents[2] / "docs" / "notebook.md"

# The page asks about flights of 2013; the tests have trips of 2024.
AS_TRIPS = {
    "flight_delay": "trip_delay",
    "flight_id": "trip",
    "flights": "trips",
    "distance": "km",
    "2_000": "20",
    "origin": "zone",
    "arr_delay": "late",
    "2013-06": "2024-02",
    "model(5)": "model(1)",
}


def _of_trips(cell: str) -> str:
    for name, stand_in in AS_TRIPS.items():
        cell = cell.replace(name, stand_in)
    return cell


def test_the_example_of_the_document_runs(february: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(february.parent)
    names: dict[str, Any] = {}
    cells = re.findall(r"^```python\n(.*?)^```$", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE)
    assert len(cells) > 4
    for cell in cells:
        exec(_of_trips(cell), names)
    assert isinstance(names["worst"], pl.DataFrame) and names["worst"].height == 10
    assert names["same"]
    names["platform"].close()
