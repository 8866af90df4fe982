from datetime import UTC, date, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_platform.lake.connection import Lake
from ml_platform.lake.key_bounds import key_bounds
from ml_platform.lake.transaction import Author, write

_VALUES = {
    "BIGINT": st.integers(-(2**63), 2**63 - 1),
    "HUGEINT": st.integers(-(2**100), 2**100),
    "VARCHAR": st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
    "DATE": st.dates(date(1, 1, 2)),
    "TIMESTAMPTZ": st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)),
    "DOUBLE": st.floats(),
    "BOOLEAN": st.booleans(),
}


@pytest.mark.parametrize("kind", _VALUES)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_row_with_one_of_the_keys_is_within_their_bounds(lake: Lake, kind: str, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.one_of(st.none(), _VALUES[kind]), min_size=1, max_size=6))
    chosen = data.draw(st.lists(st.integers(0, len(values) - 1), min_size=1, max_size=3))
    lake.connection.execute(f"CREATE OR REPLACE TEMP TABLE keys (k {kind}, n BIGINT)")
    numbered = [(value, number) for number, value in enumerate(values)]
    lake.connection.executemany("INSERT INTO temp.keys VALUES (?, ?)", numbered)
    mine = f"SELECT * FROM temp.keys WHERE n IN ({', '.join(map(str, chosen))})"
    bounds = key_bounds(lake, mine, ["k"]).condition
    same_key = f"SELECT n FROM temp.keys t WHERE EXISTS (SELECT 1 FROM ({mine}) m WHERE m.k IS NOT DISTINCT FROM t.k)"
    assert set(lake.rows(same_key)) <= set(lake.rows(f"SELECT n FROM temp.keys WHERE {bounds}"))


def test_keys_are_bounded_by_the_columns_whose_values_have_an_order(lake: Lake) -> None:
    rows = "SELECT * FROM (VALUES (3, 'b', 0.5::DOUBLE), (1, 'a', 2.5)) t(number, \"a text\", share)"
    assert key_bounds(lake, rows, ["number", "a text"]).condition == (
        "\"number\" BETWEEN CAST('1' AS INTEGER) AND CAST('3' AS INTEGER) AND "
        "\"a text\" BETWEEN CAST('a' AS VARCHAR) AND CAST('b' AS VARCHAR)"
    )
    assert key_bounds(lake, rows, ["share"]).condition == "true"
    assert key_bounds(lake, f"{rows} WHERE false", ["number"]).condition == "true"


def test_files_of_other_keys_are_not_read(lake: Lake) -> None:
    for day in (1, 2, 3):
        with write(lake, Author("s/t")) as tx:
            rows = lake.frame(f"SELECT {day} * 100 + i AS id FROM range(20) t(i)")
            tx.replace("s", "t", rows, partition=f"2013-01-0{day}")
    for path in lake.tables.glob("s/t/_partition=2013-01-0[13]/*"):
        path.unlink()
    bounds = key_bounds(lake, "SELECT * FROM s.t WHERE _partition = '2013-01-02'", ["id"]).condition
    assert lake.value(f"SELECT count(*) FROM s.t WHERE {bounds}") == 20
