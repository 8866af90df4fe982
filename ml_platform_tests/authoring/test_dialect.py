"""What separates the cells of a CSV, and whether its first line names them, is read as a person would."""

import csv
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.authoring.dialect import SEPARATORS, check_header, separator
from ml_platform.errors import FileRefused
from ml_platform_tests.authoring.dialects import ANOTHER_HEADER, ANOTHER_SEPARATOR, ORDINARY, Dialect

EVERY = ORDINARY | ANOTHER_SEPARATOR | ANOTHER_HEADER
CELL = st.sampled_from(["", "a", "it's", 'say "hi"', "1,5", "a,b", "a;b;c", "x|y", "tab\there", "two\nlines", "10:00"])


@pytest.mark.parametrize("dialect", EVERY.values(), ids=EVERY.keys())
def test_a_file_is_read_as_a_person_would(dialect: Dialect, tmp_path: Path) -> None:
    file = dialect.write(tmp_path)
    assert separator(file) == dialect.separator
    if dialect.header:
        check_header(file, "things.csv", dialect.separator)
    else:
        with pytest.raises(FileRefused, match="the first line looks like data"):
            check_header(file, "things.csv", dialect.separator)


@settings(deadline=None)
@given(
    st.sampled_from(SEPARATORS),
    st.integers(2, 6).flatmap(lambda width: st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=1)),
)
def test_whatever_the_cells_hold_names_without_separators_settle_it(sign: str, rows: list[list[str]]) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "things.csv"
        with file.open("w", newline="") as stream:
            writer = csv.writer(stream, delimiter=sign)
            writer.writerow(f"name {number}" for number in range(len(rows[0])))
            writer.writerows(rows)
        assert separator(file) == sign


def test_of_two_that_fit_equally_well_the_comma_is_part_of_the_text(tmp_path: Path) -> None:
    dialect = Dialect("Last, First;Age\n" + "Doe, John;42\n" * 60, ";")
    assert separator(dialect.write(tmp_path)) == ";"


def test_a_single_column_has_a_comma(tmp_path: Path) -> None:
    assert separator(Dialect("said\n" + "some words\n" * 60, ",").write(tmp_path)) == ","
