"""Times of every form become UTC microseconds, or say why not (S1)."""

from datetime import UTC, date, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.validation.times import to_utc


def failures(column: pl.Series, zone: str | None) -> dict[str, list[bool]]:
    return {rule: where.to_list() for rule, where in to_utc(column, zone).failed.items() if where.any()}


@pytest.mark.parametrize(
    "text",
    [
        "2013-06-01T05:30:00Z",
        "2013-06-01 05:30:00Z",
        "2013-06-01T01:30:00-04:00",
        "2013-06-01T01:30:00-0400",
        "2013-06-01 07:30+02",
        "2013-06-01T05:30:00.000000+00:00",
        " 2013-06-01T05:30Z ",
        "2013-06-01T11:00:00+05:30",
    ],
)
def test_s1_a_time_with_an_offset_is_that_moment_whatever_the_table_says(text: str) -> None:
    for zone in (None, "Asia/Tokyo"):
        assert to_utc(pl.Series([text]), zone).values.to_list() == [datetime(2013, 6, 1, 5, 30, tzinfo=UTC)]


@pytest.mark.parametrize("text", ["2013-06-01T05:30:00", "2013-06-01 05:30", "2013-06-01 05:30:00.0"])
def test_s1_a_naive_time_is_local_to_the_declared_zone_and_refused_without_one(text: str) -> None:
    assert to_utc(pl.Series([text]), "America/New_York").values[0] == datetime(2013, 6, 1, 9, 30, tzinfo=UTC)
    assert failures(pl.Series([text, None]), None) == {"zone": [True, False]}


def test_s1_a_skipped_hour_fails_and_a_repeated_one_is_the_first() -> None:
    times = pl.Series(["2013-03-10 02:30:00", "2013-11-03 01:30:00", "2013-03-10 03:00:00"])
    first, after = datetime(2013, 11, 3, 5, 30, tzinfo=UTC), datetime(2013, 3, 10, 7, tzinfo=UTC)
    assert to_utc(times, "America/New_York").values.to_list() == [None, first, after]
    assert failures(times, "America/New_York") == {"gap": [True, False, False]}
    assert failures(times.str.to_datetime(), "America/New_York") == {"gap": [True, False, False]}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "13-06-01 05:00",
        "2013-02-30 05:00:00Z",
        "2013-06-01T25:00:00Z",
        "01/06/2013",
        "1370000000",
        "10000-01-01T00:00:00Z",
        "2013-06-01T05:00:00 CET",
    ],
)
def test_what_is_no_time_fails_as_such(text: str) -> None:
    assert failures(pl.Series([text]), "UTC") == {"dtype": [True]}


def test_numbers_are_no_times_for_they_do_not_say_of_what() -> None:
    assert failures(pl.Series([1_370_000_000, None]), "UTC") == {"dtype": [True, False]}


def test_typed_times_keep_their_moment() -> None:
    moment = datetime(2013, 6, 1, 5, 30, tzinfo=UTC)
    for unit in ("ms", "us", "ns"):
        column = pl.Series([moment]).cast(pl.Datetime(unit, "UTC")).dt.convert_time_zone("Asia/Tokyo")
        assert to_utc(column, None).values.to_list() == [moment]
    assert to_utc(pl.Series([date(2013, 6, 1)]), "UTC").values[0] == datetime(2013, 6, 1, tzinfo=UTC)
    assert to_utc(pl.Series([None, None]).cast(pl.String), None).values.null_count() == 2


def test_the_far_end_of_time_is_a_time() -> None:
    assert to_utc(pl.Series(["9999-12-31T23:59:59.999999Z"]), None).values[0].year == 9999


moments_anywhere = st.datetimes(min_value=datetime(1900, 1, 1), timezones=st.timezones())


@given(st.lists(st.one_of(st.none(), moments_anywhere), max_size=5))
def test_s1_iso_text_of_any_zone_reads_back_exactly(moments: list[datetime | None]) -> None:
    whole = [m for m in moments if m is None or (m.utcoffset() or m - m).total_seconds() % 60 == 0]
    text = pl.Series([None if m is None else m.isoformat() for m in whole], dtype=pl.String)
    found = to_utc(text, None).values.to_list()
    assert found == [None if m is None else m.astimezone(UTC) for m in whole]
