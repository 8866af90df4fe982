"""Records of a segment of columns say what records of single answers say."""

import json
from datetime import datetime
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from ml_platform.serving.column_segments import _as_json
from ml_platform.serving.logged_values import json_value, logged_frame

MOMENTS = [datetime(1860, 1, 1), datetime(2024, 7, 1, 12, 30, 0, 250), datetime(2024, 1, 1), None]


@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York", "Asia/Kolkata", "Africa/Monrovia"])
def test_a_moment_is_logged_as_of_a_single_answer_and_read_back_whole(zone: str | None) -> None:
    moments = [one and one.replace(tzinfo=ZoneInfo(zone) if zone else None) for one in MOMENTS]
    frame = pl.DataFrame({"moment": moments}, schema={"moment": pl.Datetime("us", zone)})
    logged = [json.loads(text) for text in _as_json(frame)]
    assert logged == [{"moment": json_value(one)} for one in frame["moment"]]
    assert logged_frame(logged, frame.schema).equals(frame)
