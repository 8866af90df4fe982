"""Slices of time of any length: their keys, bounds and order (S20)."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform import Daily, Hourly, Monthly, Weekly
from ml_platform.errors import DeclarationError, NotFoundError
from ml_platform.spec.partitions import Partitions, spanned

ANY: list[Partitions] = [Monthly("1990-01"), Weekly("1990-01-01"), Daily("1990-01-01"), Hourly("1990-01-01T00")]
LONGER = {
    "month": timedelta(days=400),
    "week": timedelta(days=100),
    "day": timedelta(days=60),
    "hour": timedelta(days=3),
}
MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2020, 1, 1), timezones=st.just(UTC))


@given(slices=st.sampled_from(ANY), moment=MOMENTS)
def test_each_moment_lies_in_the_slice_that_is_called_by_its_key(slices: Partitions, moment: datetime) -> None:
    key = slices.at(moment)
    start, end = slices.window(key)
    assert start <= moment < end
    assert pl.DataFrame({"at": [moment]}).select(slices.key_of(pl.col("at"))).item() == key


@given(slices=st.sampled_from(ANY), moment=MOMENTS)
def test_keys_sort_as_slices_do_and_slices_leave_no_gap_S20(slices: Partitions, moment: datetime) -> None:
    since, until = slices.at(moment), slices.at(moment + LONGER[slices.unit])
    some = type(slices)(since, until)
    keys = some.keys()
    assert keys == sorted(set(keys)) and keys[0] == since and until not in keys
    windows = [slices.window(key) for key in keys]
    assert [end for _, end in windows[:-1]] == [start for start, _ in windows[1:]]
    assert windows[-1][1] == slices.window(until)[0]
    assert some.keys(keys[len(keys) // 2]) == keys[: len(keys) // 2 + 1]


def test_without_until_the_last_slice_is_the_last_that_ended() -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    keys = Hourly(f"{yesterday:%Y-%m-%dT%H}").keys()
    assert len(keys) in (24, 25)  # the hour may end between the two lines
    assert Hourly(keys[0]).window(keys[-1])[1] <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Weekly("2024-01-03"), "its week is called 2024-01-01. Write it as its Monday"),
        (lambda: Daily("2024-01"), "not a day. Write it as YYYY-MM-DD"),
        (lambda: Hourly("2024-01-01"), "not an hour. Write it as YYYY-MM-DDTHH"),
        (lambda: Monthly("2024-1"), "its month is called 2024-01"),
        (lambda: Daily("2024-01-02", until="2024-01-02"), "`until` is the first day that is left out."),
    ],
)
def test_what_is_no_slice_is_refused_with_how_to_write_it(make: object, said: str) -> None:
    with pytest.raises(DeclarationError) as refused:
        make()  # type: ignore[operator]  # each makes a word
    assert said in str(refused.value)


def test_a_slice_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(NotFoundError, match=r"There is no day '2024-02-01'.*Known: 2024-01-01 to 2024-01-04."):
        Daily("2024-01-01", until="2024-01-05").keys("2024-02-01")


def test_slices_in_a_row_are_told_as_one_whatever_their_length() -> None:
    assert spanned(["2013-01", "2013-02", "2013-03", "2013-05"]) == "2013-01 … 2013-03, 2013-05"
    assert spanned(["2013-01-07", "2013-01-14", "2013-01-28"]) == "2013-01-07 … 2013-01-14, 2013-01-28"
    assert spanned(["2013-01-31", "2013-02-01", "2013-02-03"]) == "2013-01-31 … 2013-02-01, 2013-02-03"
    assert spanned(["2013-01-31T22", "2013-01-31T23", "2013-02-01T00"]) == "2013-01-31T22 … 2013-02-01T00"
    assert spanned(["all"]) == "all"
    assert spanned([]) == ""
