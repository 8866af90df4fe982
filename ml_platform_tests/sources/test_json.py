"""A JSON file is an array of objects, or one object a line; anything else is refused with its place and a remedy."""

import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.errors import FileRefused
from ml_platform.sources.file_reading import read
from ml_platform.spec.sources import Files
from ml_platform_tests.examples import tries

ITEM = st.fixed_dictionaries(
    {"id": st.integers(-(2**62), 2**62)},
    optional={"name": st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))},
)


def _read(tmp_path: Path, content: str | bytes, name: str = "a.json") -> pl.DataFrame:
    file = tmp_path / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return read(file, name, Files(name))


@settings(deadline=None, max_examples=tries(25))
@given(st.lists(ITEM, min_size=1, max_size=8), st.sampled_from([None, 2]))
def test_an_array_has_the_rows_of_one_object_a_line(
    tmp_path_factory: pytest.TempPathFactory, items: list[dict[str, Any]], indent: int | None
) -> None:
    folder = tmp_path_factory.mktemp("json")
    lines = _read(folder, "\n".join(map(json.dumps, items)), "a.ndjson")
    array = _read(folder, json.dumps(items, indent=indent))
    assert array.equals(lines.select(array.columns)) and set(array.columns) == set(lines.columns)
    assert array["id"].to_list() == [item["id"] for item in items]


def test_an_array_may_be_marked_packed_and_longer_than_a_line_of_text(tmp_path: Path) -> None:
    items = [{"id": n, "note": "x" * 1000} for n in range(9_000)]
    content = b"\xef\xbb\xbf" + json.dumps(items).encode()
    assert _read(tmp_path, gzip.compress(content), "a.json.gz").height == 9_000


def test_one_object_a_line_is_read_under_the_name_of_json_too(tmp_path: Path) -> None:
    assert _read(tmp_path, '{"a": 1}\n{"a": 2}\n')["a"].to_list() == [1, 2]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"total": 1, "rows": [{"a": 1}]}', ["one JSON object, and no array of objects", "jq '.[\"rows\"]'"]),
        ('{\n"total": 1\n}', ["one JSON object, and no array of objects"]),
        ('[{"a": 1}, 3]', ["(item 2 of the array)", "a int where an object should be"]),
        ('[{"a": 1},]', ["not JSON"]),
        ('[{"a": NaN}]', ["NaN is not a JSON number"]),
        ('{"a": 1}\n{"a": }\n', ["(line 2)", "not JSON"]),
        ("", ["the file is empty"]),
    ],
)
def test_what_is_no_table_is_refused_with_place_and_remedy(tmp_path: Path, content: str, said: list[str]) -> None:
    with pytest.raises(FileRefused) as refused:
        _read(tmp_path, content)
    assert all(text in str(refused.value) for text in said), refused.value
