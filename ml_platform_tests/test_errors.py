import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.errors import NotFoundError, PlatformError, did_you_mean, first_line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError("\n The disk is full.\nDetails follow."), "The disk is full"),
        (OSError(), "OSError"),
        (ValueError(" \n"), "ValueError"),
        (ValueError("x" * 1000), "x" * 300),
    ],
)
def test_the_first_line_of_an_error_can_stand_in_another_message(error: BaseException, line: str) -> None:
    assert first_line(error) == line


def test_a_remedy_stands_on_a_line_of_its_own_below_a_caret() -> None:
    error = PlatformError('syntax error at "SELEC"\nLINE 1: SELEC 1\n        ^', remedy="Write DuckDB's dialect.")
    assert str(error).splitlines()[-2:] == ["        ^", "Write DuckDB's dialect."]
    assert str(PlatformError("It is full.", remedy="Make room.")) == "It is full. Make room."


NAMES = st.lists(st.from_regex("[a-z][a-z0-9_]{3,20}", fullmatch=True), min_size=1, max_size=30, unique=True)


@given(NAMES, st.data())
def test_a_name_in_other_case_is_offered_as_it_is_written(names: list[str], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(names))
    assert did_you_mean(name.upper(), names) == f"Did you mean {name!r}?"


def test_nothing_is_offered_that_is_not_alike() -> None:
    assert did_you_mean("weather", ["churn", "flight_delay"]) == ""
    assert str(NotFoundError("table", "weather", ["churn"])) == "There is no table 'weather'. Known: churn."


def test_a_long_list_of_names_is_cut_and_a_name_beyond_the_cut_is_offered() -> None:
    names = [f"table_{number:03}" for number in range(500)]
    message = str(NotFoundError("table", "table_0499", names))
    assert "Did you mean 'table_049'?" in message or "Did you mean 'table_499'?" in message
    assert message.endswith("table_014 and 485 more.") and "table_015" not in message


def test_names_to_compare_may_be_more_than_those_listed() -> None:
    error = NotFoundError("month", "2031-02", ["2013-01 to 2013-12"], alike=["2013-01", "2013-02"])
    assert str(error) == "There is no month '2031-02'. Did you mean '2013-02'? Known: 2013-01 to 2013-12."
