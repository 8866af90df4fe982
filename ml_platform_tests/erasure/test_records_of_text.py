"""Rows out of files, against a naive reader and writer."""

import csv
import gzip
import io
import json
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.erasure import dagster_home
from ml_platform.erasure.landed_files import _packed
from ml_platform.erasure.records_of_text import as_format, csv_records, without_rows
from ml_platform.erasure.texts import Markers, is_telling
from ml_platform_tests.examples import tries

CELLS = st.text(alphabet='ab",;|\n\rü 1', max_size=5)
ROWS = st.lists(st.tuples(CELLS, CELLS), max_size=6)


@settings(max_examples=tries(60), deadline=None)
@given(rows=ROWS, end=st.sampled_from(["\n", "\r\n"]), gone=st.sets(st.integers(0, 5)))
def test_a_csv_without_some_rows_is_read_as_the_other_rows_and_keeps_their_bytes(
    rows: list[tuple[str, str]], end: str, gone: set[int]
) -> None:
    stream = io.StringIO()
    # Python's writer quotes a line end only where it is its own.
    quoting = csv.QUOTE_ALL if any("\r" in cell for row in rows for cell in row) else csv.QUOTE_MINIMAL
    csv.writer(stream, lineterminator=end, quoting=quoting).writerows([("a", "b"), *rows])
    content = stream.getvalue().encode()
    assert b"".join(csv_records(content)) == content
    left = without_rows(content, "csv", gone)
    read = list(csv.reader(io.StringIO(left.decode(), newline="")))
    assert read[1:] == [list(row) for number, row in enumerate(rows) if number not in gone]
    assert without_rows(content, "csv", set()) == content


def test_a_csv_of_one_column_counts_an_empty_cell_as_a_row() -> None:
    assert without_rows(b"a\n1\n\n2\n", "csv", {1}) == b"a\n1\n2\n"
    assert without_rows(b"a,b\n1,2\n\n3,4", "csv", {1}) == b"a,b\n1,2\n\n"


@settings(max_examples=tries(30), deadline=None)
@given(values=st.lists(st.text(max_size=4), max_size=6), gone=st.sets(st.integers(0, 5)))
def test_json_of_lines_and_of_an_array_lose_the_same_objects(values: list[str], gone: set[int]) -> None:
    rows = [{"v": value, "n": 2**63 + number} for number, value in enumerate(values)]
    expected = [row for number, row in enumerate(rows) if number not in gone]
    lines = "".join(f"{json.dumps(row)}\n\n" for row in rows).encode()
    assert [json.loads(line) for line in without_rows(lines, "ndjson", gone).split(b"\n") if line] == expected
    array = b"\xef\xbb\xbf" + json.dumps(rows).encode()
    assert json.loads(without_rows(array, "json", gone)) == expected
    with pytest.raises(ValueError, match="parquet"):
        as_format("parquet")


def test_what_was_packed_is_packed_again_to_the_same_bytes_each_time(tmp_path: Path) -> None:
    packed = tmp_path / "rows.csv.gz"
    packed.write_bytes(gzip.compress(b"old"))
    assert gzip.decompress(_packed(packed, b"new")) == b"new" and _packed(packed, b"new") == _packed(packed, b"new")
    archive = tmp_path / "rows.zip"
    with zipfile.ZipFile(archive, "w") as stream:
        stream.writestr("in/side.csv", "old")
    archive.write_bytes(_packed(archive, b"new"))
    with zipfile.ZipFile(archive) as stream:
        assert stream.namelist() == ["in/side.csv"] and stream.read("in/side.csv") == b"new"


def test_a_value_is_taken_out_of_texts_in_every_spelling_and_out_of_no_other_word() -> None:
    markers = Markers(['a|b "c"', "c07", "ann@example.org"])
    previewed = '| who |\n|---|\n| a\\|b "c" |\n| c077 |'
    assert markers.without(previewed) == "| who |\n|---|\n| c077 |"
    assert markers.without("c07 and c077, xc07") == "(forgotten) and c077, xc07"
    shown = json.dumps({"text": 'a|b "c"', "c07": [7, "c077"], "html": "a|b &#34;c&#34; ann@example.org"})
    assert json.loads(markers.without(shown)) == {
        "text": "(forgotten)",
        "c07": [7, "c077"],
        "html": "a|b &#34;c&#34; (forgotten)",
    }
    assert markers.among(["nothing", None, "of c07"]) == [2]
    assert not Markers([]) and Markers([]).without("c07") == "c07"
    assert [is_telling(value) for value in ("x", "2024-03", "-1.5e+10", "12345", "Anna")] == [
        *(False, True, True, False, True)
    ]


def test_a_long_repetitive_value_is_found_in_texts_as_a_whole_only() -> None:
    markers = Markers(["x" * 20_000])
    texts = ["x" * 100, f"a {'x' * 20_000} b", None, "none"]
    assert markers.among(texts) == [1]


def test_the_history_of_dagster_keeps_its_partitions_where_a_date_is_a_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    log = tmp_path / "compute.out"
    log.write_text("2024-05-01 of ann@example.org")
    assert dagster_home.redact(Markers(["2024-05-01", "ann@example.org"])) == 1
    assert log.read_text() == "2024-05-01 of (forgotten)"
