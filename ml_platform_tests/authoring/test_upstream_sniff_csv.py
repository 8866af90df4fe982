"""DuckDB's `sniff_csv` misreads files that people have, so `ml_platform.authoring.dialect` reads them by itself.

Where one of these fails, DuckDB has changed its ways: when all of them do, `dialect.separator` may go.
"""

from pathlib import Path

import duckdb
import pytest

from ml_platform.naming import literal
from ml_platform_tests.authoring.dialects import ANOTHER_HEADER, ANOTHER_SEPARATOR, ORDINARY, Dialect

# Of 128 combinations of its options the one that misread the fewest files; by default it leaves out first lines.
BEST = "skip=0, strict_mode=false, null_padding=true"


def _sniffed(file: Path, options: str = BEST) -> tuple[str, bool]:
    """The separator and whether there is a header, as DuckDB sees it."""
    with duckdb.connect() as connection:
        sql = f"SELECT Delimiter, HasHeader FROM sniff_csv({literal(str(file))}, {options})"
        [(delimiter, has_header)] = connection.execute(sql).fetchall()
    return delimiter, has_header


@pytest.mark.parametrize("dialect", ORDINARY.values(), ids=ORDINARY.keys())
def test_it_reads_ordinary_files(dialect: Dialect, tmp_path: Path) -> None:
    assert _sniffed(dialect.write(tmp_path)) == (dialect.separator, dialect.header)


@pytest.mark.parametrize("dialect", ANOTHER_SEPARATOR.values(), ids=ANOTHER_SEPARATOR.keys())
def test_it_takes_another_separator(dialect: Dialect, tmp_path: Path) -> None:
    assert _sniffed(dialect.write(tmp_path))[0] != dialect.separator


@pytest.mark.parametrize("dialect", ANOTHER_HEADER.values(), ids=ANOTHER_HEADER.keys())
def test_it_takes_names_for_data_or_data_for_names(dialect: Dialect, tmp_path: Path) -> None:
    assert _sniffed(dialect.write(tmp_path)) == (dialect.separator, not dialect.header)


def test_it_refuses_line_ends_of_two_kinds_which_an_ingest_reads(tmp_path: Path) -> None:
    file = Dialect("a,b\r\n" + "1,x\n" * 60, ",").write(tmp_path)
    with pytest.raises(duckdb.InvalidInputException, match="Error when sniffing file"):
        _sniffed(file, "skip=0, null_padding=true")


def test_by_default_it_leaves_out_the_header_to_prefer_decimal_commas(tmp_path: Path) -> None:
    file = Dialect("a;b\n" + "1,5;2,25\n" * 60, ";").write(tmp_path)
    with duckdb.connect() as connection:
        sql = f"SELECT Delimiter, HasHeader, SkipRows FROM sniff_csv({literal(str(file))})"
        assert connection.execute(sql).fetchall() == [(",", False, 1)]
