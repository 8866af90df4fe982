"""What a column of text is taken for: numbers and dates are read back as they were meant, doubt is said."""

from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ml_platform.authoring.kinds import Hints, Reading, read
from ml_platform.authoring.styles import PLAIN, Dated, Epoch, Marked, Style, converted
from ml_platform_tests.examples import tries

DAYS = st.dates(date(1900, 1, 1), date(2100, 1, 1))


def _read(*texts: str, name: str = "column", **hints: Any) -> Reading:
    counted = pl.Series("text", texts).value_counts(name="n", sort=True)
    return read(counted["text"], counted["n"], name, Hints(**hints))


def _european(number: float) -> str:
    return f"{number:,.2f}".translate(str.maketrans(",.", ".,"))


@pytest.mark.parametrize(("text", "kind"), [("0,00", "number"), ("1.234,00 €", "number"), ("1.234.567 €", "integer")])
def test_only_numbers_without_decimals_are_integers(text: str, kind: str) -> None:
    assert _read(text, semicolons=True).kind == kind


@settings(deadline=None, max_examples=tries(30, share=10))
@given(st.lists(st.floats(-1e9, 1e9).map(lambda x: round(x, 2)), min_size=1))
@example([0.0])
def test_decimal_commas_are_read_back(numbers: list[float]) -> None:
    texts = pl.Series([_european(number) for number in numbers])
    reading = read(texts.unique(), pl.Series([1] * texts.n_unique()), "price", Hints(semicolons=True))
    assert (reading.kind, reading.style) == ("number", Marked(",", "."))
    assert converted(texts, "number", reading.style).to_list() == numbers


@settings(deadline=None, max_examples=tries(30, share=10))
@given(
    st.lists(st.floats(-1e9, 1e9).map(lambda x: round(x, 2)), min_size=1),
    st.sampled_from(
        [("${:,.2f}", ",", "."), ("{:,.2f} €", ".", ","), ("{:,.1f}%", " ", "."), ("CHF {:,.2f}", "'", ".")]
    ),
)
def test_signs_and_marks_between_thousands_are_taken_off(numbers: list[float], form: tuple[str, str, str]) -> None:
    written, group, decimal = form
    places = 1 if ".1f" in written else 2
    texts = pl.Series([written.format(number).translate(str.maketrans(",.", group + decimal)) for number in numbers])
    reading = read(texts.unique(), pl.Series([1] * texts.n_unique()), "price")
    assert converted(texts, "number", reading.style).to_list() == [round(number, places) for number in numbers]


@settings(deadline=None, max_examples=tries(30, share=10))
@given(st.lists(DAYS, min_size=1), st.sampled_from(["%d.%m.%Y", "%Y/%m/%d"]))
def test_dates_are_read_back(days: list[date], form: str) -> None:
    texts = pl.Series([f"{day:{form}}" for day in days])
    reading = read(texts.unique(), pl.Series([1] * texts.n_unique()), "day")
    assert (reading.kind, reading.style) == ("date", Dated("date", (form,)))
    assert converted(texts, "date", reading.style).to_list() == days


@settings(deadline=None, max_examples=tries(30, share=10))
@given(st.lists(st.tuples(DAYS, st.sampled_from(["%d.%m.%Y", "%Y/%m/%d", "%d %B %Y", "%Y-%m-%d"])), min_size=1))
def test_dates_in_several_forms_are_read_back(written: list[tuple[date, str]]) -> None:
    texts = pl.Series([f"{day:{form}}" for day, form in written])
    reading = read(texts.unique(), pl.Series([1] * texts.n_unique()), "day")
    assert reading.kind == "date" and not reading.strays
    assert converted(texts, "date", reading.style).to_list() == [day for day, _ in written]


@settings(deadline=None, max_examples=tries(30, share=10))
@given(
    st.lists(st.datetimes(datetime(1990, 1, 2), datetime(2059, 1, 1)).map(lambda t: t.replace(tzinfo=UTC)), min_size=1),
    st.sampled_from([1, 10**3, 10**6, 10**9]),
)
def test_numbers_since_1970_are_read_back(moments: list[datetime], units: int) -> None:
    start = datetime(1970, 1, 1, tzinfo=UTC)
    whole = [(moment - start) // (datetime.resolution) for moment in moments]  # microseconds
    texts = pl.Series([str(micros * units // 10**6) for micros in whole])
    reading = read(texts.unique(), pl.Series([1] * texts.n_unique()), "created_at")
    assert (reading.kind, reading.style) == ("moment", Epoch(units))
    rounded = [micros * units // 10**6 * 10**6 // units for micros in whole]
    assert converted(texts, "moment", reading.style).dt.epoch("us").to_list() == rounded


KINDS: list[tuple[tuple[str, ...], str, Style]] = [
    (("1", "-2", "+3"), "integer", PLAIN),
    (("1", "2.5", "1e3", ".5"), "number", PLAIN),
    (("0.123", "0.500"), "number", PLAIN),
    (("1,234", "56"), "integer", Marked(".", ",")),
    (("1,234.50", "7"), "number", Marked(".", ",")),
    (("1.234.567", "12"), "integer", Marked(",", ".")),
    (("1 234,5", "7"), "number", Marked(",", " ")),
    (("1'234.50", "8"), "number", Marked(".", "'")),
    (("12%", "-13.5 %"), "number", Marked(".", ",", "%")),
    (("€1.234,50", "-€7"), "number", Marked(",", ".", "€")),
    (("EUR 5", "EUR 7"), "integer", Marked(".", ",", "EUR")),
    (("true", "False"), "boolean", PLAIN),
    (("yes", "NO", "no"), "boolean", PLAIN),
    (("Y", "n"), "boolean", PLAIN),
    (("1", "0", "Y", "N"), "boolean", PLAIN),
    (("0", "1"), "integer", PLAIN),
    (("Y",), "text", PLAIN),
    (("2024-01-31",), "date", PLAIN),
    (("2024-01-31T10:00:00Z", "2024-01-31 10:00"), "moment", PLAIN),
    (("31/01/2024 10:00", "01/02/2024 09:30"), "moment", Dated("moment", ("%d/%m/%Y %H:%M",))),
    (("Jan 31, 2024",), "date", Dated("date", ("%b %d, %Y",))),
    (("1/31/24", "2/1/24"), "date", Dated("date", ("%m/%d/%y",))),
    (("2024-01", "2024-02"), "date", Dated("date", ("%Y-%m",))),
    (("31.01.24", "01.02.2024"), "date", Dated("date", ("%d.%m.%y", "%d.%m.%Y"))),
    (("31.01.2024", "01/31/2024"), "date", Dated("date", ("%d.%m.%Y", "%m/%d/%Y"))),
    (("2024-01-31", "31.01.2024 10:00"), "moment", Dated("moment", ("%d.%m.%Y %H:%M",))),
    (("2024-01-31 10:11 PM",), "moment", Dated("moment", ("%Y-%m-%d %I:%M %p",))),
    (("2024-01-31 10:11:12 UTC",), "moment", Dated("moment", ("%Y-%m-%d %H:%M:%S UTC",))),
    (("Wed, 31 Jan 2024 10:11:12 GMT",), "moment", Dated("moment", ("%a, %d %b %Y %H:%M:%S GMT",))),
    (("20240131101112",), "moment", Dated("moment", ("%Y%m%d%H%M%S",))),
    (("01234", "98765"), "text", PLAIN),
    (("99999999999999999999", "1"), "text", PLAIN),
    (("2024-02-30",), "text", PLAIN),
    (("inf", "nan"), "text", PLAIN),
    (("1e400", "5"), "text", PLAIN),
]


@pytest.mark.parametrize(("texts", "kind", "style"), KINDS)
def test_a_column_is_what_all_its_texts_are(texts: tuple[str, ...], kind: str, style: Style) -> None:
    reading = _read(*texts)
    assert (reading.kind, reading.style, reading.problem) == (kind, style, None)


def test_whole_numbers_that_no_integer_holds_are_text_and_said() -> None:
    reading = _read("18446744073709551616", "18446744073709551617")
    assert reading.kind == "text" and "kept as text" in reading.remarks[0]


def test_digits_are_a_date_or_a_moment_where_the_name_says_so_and_otherwise_it_is_said() -> None:
    assert _read("20240131", "20240201", name="order_date").style == Dated("date", ("%Y%m%d",))
    assert _read("202401", "202402", name="month").style == Dated("date", ("%Y%m",))
    for texts in (("20240131", "20240201"), ("1704067200", "1704153600"), ("1704067200123", "1704153600000")):
        reading = _read(*texts, name="serial")
        assert reading.kind == "integer" and "name it with --at" in reading.remarks[0]
        assert _read(*texts, name="serial", timed=True).kind in ("date", "moment")


def test_a_form_that_names_utc_is_no_local_time() -> None:
    texts = pl.Series(["2024-01-31 10:11:12 UTC"])
    style = _read(*texts).style
    assert not style.naive(texts) and Dated("moment", ("%d.%m.%Y %H:%M",)).naive(texts)
    assert converted(texts, "moment", style).to_list() == [datetime(2024, 1, 31, 10, 11, 12, tzinfo=UTC)]


def test_days_as_a_workbook_counts_them_are_said() -> None:
    reading = _read("45292", "45293", name="order_date")
    assert reading.kind == "integer" and "as a workbook counts" in reading.remarks[0]
    assert _read("45292", "45293", name="price").remarks == ()


def test_texts_for_no_value_leave_a_number_a_number() -> None:
    reading = _read("1", "2", "n/a", "-", "NA")
    assert (reading.kind, set(reading.tokens), reading.strays) == ("integer", {"n/a", "-", "NA"}, ())
    assert _read("red", "n/a").tokens == ()


def test_a_stray_text_among_many_numbers_is_said_and_not_the_kind_of_the_column() -> None:
    reading = _read(*map(str, range(200)), "many")
    assert (reading.kind, reading.strays) == ("integer", ("many",))
    assert "1 of 201 values" in reading.remarks[0] and "quarantine" in reading.remarks[0]
    mixed = _read(*map(str, range(50)), *["many"] * 10)
    assert mixed.kind == "text" and "mixed: 83%" in mixed.remarks[0]
    dated = _read(*[f"{day:02}.01.2024" for day in range(1, 32)] * 10, "soon")
    assert (dated.kind, dated.strays) == ("date", ("soon",)) and "1 of 311 values" in dated.remarks[0]
    since = _read(*map(str, range(1_704_067_200, 1_704_067_400)), "0", name="ts")
    assert (since.kind, since.strays) == ("moment", ("0",))


def test_a_day_that_could_be_a_month_is_asked_about() -> None:
    for texts in (("01/02/2024", "03/04/2024"), ("2024-01-31", "05/01/2024")):
        problem = _read(*texts).problem
        assert problem is not None and "--dates dmy" in problem[1]
    assert _read("01/02/2024", "03/04/2024", dates="dmy").style == Dated("date", ("%d/%m/%Y",))
    assert _read("01/02/2024", "03/04/2024", dates="mdy").style == Dated("date", ("%m/%d/%Y",))
    assert _read("01/02/2024", "31/04/2024", "30/04/2024").kind == "text"
    assert _read("01/01/2024", "02/02/2024").kind == "date", "both orders say the same"


@pytest.mark.parametrize(
    ("texts", "hints", "decimal"),
    [
        (("1.234", "12.500"), {}, "."),
        (("1.234", "12.500"), {"decimal": "comma"}, ","),
        (("1,234", "56"), {}, "."),
        (("1,234", "56"), {"semicolons": True}, ","),
        (("1,234", "56"), {"decimal": "comma"}, ","),
        (("1,234", "5678"), {}, ","),  # who writes 1,234 for a thousand writes 5,678 too
    ],
)
def test_a_mark_before_three_digits_is_doubtful_and_said(
    texts: tuple[str, ...], hints: dict[str, Any], decimal: str
) -> None:
    reading = _read(*texts, **hints)
    assert reading.doubtful and "is read as" in reading.remarks[0]
    assert getattr(reading.style, "decimal", ".") == decimal


@pytest.mark.parametrize(
    "texts",
    [("1,5", "2.25", "3"), ("31/01/2024", "01/31/2024"), ("$5", "€7"), ("5%", "0.05")],
    ids=["decimal marks", "orders of a date", "currencies", "shares and percent"],
)
def test_two_ways_of_writing_that_contradict_each_other_are_a_problem(texts: tuple[str, ...]) -> None:
    problem = _read(*texts).problem
    assert problem is not None and "in more than one way" in problem[0]


def test_a_file_with_types_means_its_texts_of_digits() -> None:
    assert _read("12", "13", typed=True).kind == "text"
    assert _read("12.5", "13", typed=True).kind == "number"
    assert _read("2024-01-31T10:00:00Z", typed=True).kind == "moment"
    assert _read("31.01.2024", typed=True).kind == "date"
