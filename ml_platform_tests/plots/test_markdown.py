"""Tables as Markdown: whatever a cell holds, the table stays a table."""

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from ml_platform.plots.markdown import LENGTH, LINES, ROWS, UPRIGHT_ROWS, cell, listing, rows_table

ODD: dict[str, Any] = {
    "a|b": "x|y",
    "😀 smile": "line\nbreak",
    "*stars*": "<b>bold</b> [link](http://x) `code` ~~gone~~",
    "_underlined_": b"\x00\xff" * 50,
    "nested": {"a": [1, None]},
    "list": [1.5, None],
    "nothing": None,
    "long": "x" * 500,
}


def _cells(line: str) -> int:
    return line.replace("\\|", "").count("|")


@pytest.mark.parametrize("columns", [3, len(ODD), 200])
def test_odd_names_and_values_keep_the_table_whole(columns: int) -> None:
    names = [*ODD, *(f"c{number}" for number in range(200))][:columns]
    text = rows_table([{name: ODD.get(name, number) for number, name in enumerate(names)}] * 3)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({_cells(line) for line in lines}) == 1
    assert "<b>" not in text and "\n\n\n" not in text


def test_values_of_every_polars_type_can_be_shown() -> None:
    frame = pl.DataFrame(
        {
            "moment": [datetime(2013, 1, 2, 3, 4, tzinfo=UTC)],
            "binary": [b"\x01"],
            "struct": [{"a": 1}],
            "list": [[1, 2]],
            "level": pl.Series(["a"], dtype=pl.Enum(["a"])),
            "decimal": pl.Series(["1.50"]).cast(pl.Decimal(10, 2)),
            "null": [None],
            "float": [0.1 + 0.2],
        }
    )
    text = rows_table(frame.to_dicts())
    for said in ("2013-01-02 03:04", "0x01", "{'a': 1}", "1.50", "–", "0.3 |"):
        assert said in text


def test_a_wide_table_stands_upright() -> None:
    text = rows_table([{f"c{n}": n for n in range(9)}] * 10, 28_000)
    assert text.startswith("| column | row 1 | row 2 | row 3 | row 4 |")
    assert f"*{UPRIGHT_ROWS} of 28,000 rows*" in text


def test_a_very_wide_table_says_what_it_leaves_out() -> None:
    assert f"*{200 - LINES} more columns*" in rows_table([{f"c{n}": n for n in range(200)}])


def test_a_narrow_table_shows_its_first_rows() -> None:
    text = rows_table([{"n": n} for n in range(20)], 20)
    assert text.count("\n| ") == ROWS and f"*{ROWS} of 20 rows*" in text
    assert rows_table([]) == "No rows."


def test_texts_are_cut_and_lose_their_meaning() -> None:
    assert len(cell("x" * 1000)) == LENGTH
    assert cell("*a* _b_ c_d") == "\\*a\\* \\_b\\_ c_d"
    assert cell("\x1b[31mred") == "\\[31mred"
    assert cell(True) == "true" and cell(1234567) == "1234567" and cell(0.123456789) == "0.123457"


def test_findings_are_told_whole_and_may_differ_in_what_they_tell() -> None:
    text = listing([{"gate": "size", "why": "y" * 200}, {"gate": "latency", "value": 0.5}])
    assert "y" * 200 in text
    assert text.splitlines()[0] == "| gate | why | value |"
    assert "| latency | – | 0.5 |" in text
