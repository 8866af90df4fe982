"""What a column of text is taken for: numbers and dates are read back as they were meant, doubt is said."""

from datetime import date

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.authoring.kinds import Reading, converted, read


def _read(*texts: str, name: str = "column", dates: str | None = None, semicolons: bool = False) -> Reading:
    counted = pl.Series("text", texts).value_counts(name="n", sort=True)
    return read(counted["text"], counted["n"], name, dates=dates, semicolons=semicolons)


def _european(number: float) -> str:
    return f"{number:,.2f}".translate(str.maketrans(",.", ".,"))


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(-1e9, 1e9).map(lambda x: round(x, 2)), min_size=1))
def test_decimal_commas_are_read_back(numbers: list[float]) -> None:
    texts = pl.Series([_european(number) for number in numbers])
    reading = read(texts.unique(), pl.Series([1] * texts.n_unique()), "price", semicolons=True)
    assert (reading.kind, reading.style) == ("number", "comma")
    assert converted(texts, "number", "comma").to_list() == numbers


@settings(deadline=None, max_examples=30)
@given(st.lists(st.dates(date(1900, 1, 1), date(2100, 1, 1)), min_size=1), st.sampled_from(["%d.%m.%Y", "%Y/%m/%d"]))
def test_dates_are_read_back(days: list[date], form: str) -> None:
    texts = pl.Series([f"{day:{form}}" for day in days])
    reading = read(texts.unique(), pl.Series([1] * texts.n_unique()), "day")
    assert (reading.kind, reading.style) == ("date", form)
    assert converted(texts, "date", form).to_list() == days


@pytest.mark.parametrize(
    ("texts", "kind", "style"),
    [
        (("1", "-2", "+3"), "integer", ""),
        (("1", "2.5", "1e3", ".5"), "number", ""),
        (("1,234", "56"), "integer", "thousands"),
        (("1,234.50", "7"), "number", "thousands"),
        (("true", "False"), "boolean", ""),
        (("2024-01-31",), "date", ""),
        (("2024-01-31T10:00:00Z", "2024-01-31 10:00"), "moment", ""),
        (("31/01/2024 10:00", "01/02/2024 09:30"), "moment", "%d/%m/%Y %H:%M"),
        (("Jan 31, 2024",), "date", "%b %d, %Y"),
        (("1/31/24", "2/1/24"), "date", "%m/%d/%y"),
        (("01234", "98765"), "text", ""),
        (("99999999999999999999", "1"), "number", ""),
        (("yes", "no"), "text", ""),
        (("2024-02-30",), "text", ""),
        (("inf", "nan"), "text", ""),
    ],
)
def test_a_column_is_what_all_its_texts_are(texts: tuple[str, ...], kind: str, style: str) -> None:
    reading = _read(*texts)
    assert (reading.kind, reading.style, reading.problem) == (kind, style, None)


def test_eight_digits_are_a_date_only_where_the_name_says_so() -> None:
    assert _read("20240131", "20240201", name="order_date").style == "%Y%m%d"
    assert _read("20240131", "20240201", name="serial").kind == "integer"


def test_texts_for_no_value_leave_a_number_a_number() -> None:
    reading = _read("1", "2", "n/a", "-")
    assert (reading.kind, set(reading.tokens), reading.strays) == ("integer", {"n/a", "-"}, ())
    assert _read("red", "n/a").tokens == ()


def test_a_stray_text_among_many_numbers_is_said_and_not_the_kind_of_the_column() -> None:
    reading = _read(*map(str, range(200)), "many")
    assert (reading.kind, reading.strays) == ("integer", ("many",))
    assert "1 of 201 values" in reading.remarks[0] and "quarantine" in reading.remarks[0]
    mixed = _read(*map(str, range(50)), *["many"] * 10)
    assert mixed.kind == "text" and "mixed: 83%" in mixed.remarks[0]


def test_a_day_that_could_be_a_month_is_asked_about() -> None:
    problem = _read("01/02/2024", "03/04/2024").problem
    assert problem is not None and "--dates dmy" in problem[1]
    assert _read("01/02/2024", "03/04/2024", dates="dmy").style == "%d/%m/%Y"
    assert _read("01/02/2024", "03/04/2024", dates="mdy").style == "%m/%d/%Y"
    assert _read("01/02/2024", "31/04/2024", "30/04/2024").kind == "text"


@pytest.mark.parametrize("texts", [("2024-01-31", "31.01.2024"), ("1,5", "2.25", "3"), ("31.01.2024", "01/31/2024")])
def test_two_ways_of_writing_are_a_problem(texts: tuple[str, ...]) -> None:
    problem = _read(*texts).problem
    assert problem is not None and "in more than one way" in problem[0]
