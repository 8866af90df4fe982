"""A value in an Arrow stream is what the batch reads from the lake, or it is refused; streams may be hostile."""

import io
import random
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.features.definition import FeatureDefinition
from ml_platform.serving.rest import arrow_rows
from ml_platform.serving.rest.arrow_rows import RowsRefused, rows_of
from ml_platform.serving.rest.arrow_stream import StreamRefused, checked
from ml_platform.spec import column_types
from ml_platform_tests import scenario
from ml_platform_tests.serving.arrow import stream
from ml_platform_tests.serving.test_field_types import BERLIN, MOMENT, MONEY, NAIVE, TYPES, values

DEFINITION = FeatureDefinition.of(scenario.trips())
FRAME = pl.DataFrame(
    {
        "number": [1, 2, None],
        "text": ["x", "a longer text than twelve", None],
        "moment": [datetime(2024, 1, 1, tzinfo=UTC)] * 3,
        "nothing": [None] * 3,
        "flag": [True, False, None],
    }
)


def of_column(dtype: pl.DataType) -> FeatureDefinition:
    """A definition whose examples have one column `value` beside the key."""
    return replace(DEFINITION, keys=("key",), at=None, row_schema={"key": pl.Int64(), "value": dtype})


def read(dtype: pl.DataType, series: pl.Series) -> list[Any]:
    frame = pl.DataFrame({"value": series}).with_row_index("key")
    return rows_of(stream(frame), of_column(column_types.stored(dtype)))["value"].to_list()


@settings(max_examples=30)
@given(data=st.data())
def test_a_sent_value_is_the_value_of_the_batch(data: st.DataObject) -> None:
    types = {str(number): column_types.stored(dtype) for number, dtype in enumerate(TYPES)}
    frame = pl.DataFrame(
        {name: pl.Series([data.draw(values(TYPES[int(name)])), None], dtype=stored) for name, stored in types.items()}
    ).with_row_index("key")
    definition = replace(DEFINITION, keys=("key",), at=None, row_schema={"key": pl.Int64(), **types})
    expected = frame.cast({"key": pl.Int64})
    read_rows = rows_of(stream(frame, views=data.draw(st.booleans())), definition)
    assert read_rows.schema == expected.schema and str(read_rows.rows()) == str(expected.rows())


@pytest.mark.parametrize(
    ("dtype", "sent", "value"),
    [
        (pl.Float32(), pl.Series([0.1]), 0.10000000149011612),
        (pl.Float64(), pl.Series([1]), 1.0),
        (pl.Int32(), pl.Series([7], dtype=pl.UInt64), 7),
        (MONEY, pl.Series([Decimal("1.500")]), Decimal("1.50")),
        (MONEY, pl.Series([1]), Decimal("1.00")),
        (MOMENT, pl.Series([datetime(2024, 7, 1, 7, tzinfo=UTC)], dtype=pl.Datetime("ns", "UTC")), "2024-07-01 07:"),
        (BERLIN, pl.Series([datetime(2024, 7, 1, 7, tzinfo=UTC)], dtype=pl.Datetime("ms", "UTC")), "2024-07-01 09:"),
        (pl.Float64(), pl.Series([None]), None),
    ],
    ids=range(8),
)
def test_values_are_brought_to_the_type_of_the_column(dtype: pl.DataType, sent: pl.Series, value: Any) -> None:
    [answer] = read(dtype, sent)
    assert str(answer).startswith(str(value))


@pytest.mark.parametrize(
    ("dtype", "sent"),
    [
        (pl.Boolean(), pl.Series([1])),
        (pl.String(), pl.Series([b"x"])),
        (pl.String(), pl.Series(["x"], dtype=pl.Categorical)),
        (pl.String(), pl.Series(["x", None, "a\0"])),
        (pl.Int8(), pl.Series([128])),
        (pl.Int64(), pl.Series([7.0])),
        (pl.Float32(), pl.Series([1e39])),
        (pl.Float64(), pl.Series([float("nan")])),
        (pl.Float64(), pl.Series([float("inf")])),
        (pl.Float64(), pl.Series([2**53 + 1])),
        (MONEY, pl.Series([Decimal("1.005")])),
        (MONEY, pl.Series([123456789])),
        (pl.Date(), pl.Series([datetime(2024, 1, 1)])),
        (pl.Date(), pl.Series([-1_000_000], dtype=pl.Int32).cast(pl.Date)),
        (NAIVE, pl.Series([datetime(2024, 1, 1, tzinfo=UTC)])),
        (MOMENT, pl.Series([datetime(2024, 1, 1)])),
        (MOMENT, pl.Series([1], dtype=pl.Int64).cast(pl.Datetime("ns", "UTC"))),
        (MOMENT, pl.Series([2**62], dtype=pl.Int64).cast(pl.Datetime("us", "UTC"))),
        (MOMENT, pl.Series([2**62], dtype=pl.Int64).cast(pl.Datetime("ms", "UTC"))),
        (MOMENT, pl.Series([date(2024, 1, 1)])),
    ],
    ids=range(20),
)
def test_what_a_column_cannot_hold_unchanged_is_refused(dtype: pl.DataType, sent: pl.Series) -> None:
    with pytest.raises(RowsRefused):
        read(dtype, sent)


def test_a_refusal_names_fields_and_rows() -> None:
    definition = replace(of_column(pl.Float64()), keys=("key",))
    frame = pl.DataFrame({"key": [1, None, 3], "value": [0.5, 1.0, float("nan")]})
    with pytest.raises(RowsRefused) as refused:
        rows_of(stream(frame), definition)
    assert [one.field for one in refused.value.wrong] == ["rows.1.key", "rows.2.value"]
    with pytest.raises(RowsRefused) as refused:
        rows_of(stream(frame.rename({"value": "vaule"})), definition)
    assert {one.field for one in refused.value.wrong} == {"vaule", "value"}
    for rows in (0, arrow_rows.MAX_ROWS + 1):
        with pytest.raises(RowsRefused) as refused:
            rows_of(stream(pl.DataFrame({"key": range(rows), "value": [0.5] * rows})), definition)
        assert refused.value.wrong[0].field == "rows"


def in_batches(frame: pl.DataFrame, rows: int) -> bytes:
    """The frame as pyarrow writes it, with so many rows a batch."""
    table, sink = frame.to_arrow(), io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=rows)
    return sink.getvalue()


def test_streams_of_pyarrow_and_polars_are_read() -> None:
    for data in (in_batches(FRAME, 2), stream(FRAME), stream(FRAME, views=False)):
        seen = checked(data)
        assert ([one.name for one in seen.columns], seen.rows) == (FRAME.columns, 3)


def compressed() -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, FRAME.to_arrow().schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as one:
        one.write_table(FRAME.to_arrow())
    return sink.getvalue()


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "cut off"),
        (b"PAR1" * 40, "damaged"),
        (stream(FRAME)[:-8], "cut off"),
        (stream(FRAME)[:-1], "cut off"),
        (stream(FRAME) * 2, "after its end"),
        (b"\xff\xff\xff\xff\xff\xff\xff\x7f" + b"x" * 100, "cut off"),
        (b"\xff\xff\xff\xff\x08\x00\x00\x00\xf0\xff\xff\xff\xff\xff\xff\xff", "cut off"),
        (compressed(), "compressed"),
        (stream(FRAME.select(pl.col("text").cast(pl.Categorical))), "dictionary"),
        (stream(FRAME.select(pl.concat_list("number"))), "nested"),
        (stream(FRAME.select(pl.struct("number"))), "nested"),
        (in_batches(pl.concat([FRAME] * 400), 1), "batches"),
    ],
    ids=range(12),
)
def test_a_stream_that_is_damaged_compressed_or_nested_is_refused(data: bytes, problem: str) -> None:
    with pytest.raises(StreamRefused, match=problem):
        checked(data)


def test_a_billion_rows_that_are_only_claimed_are_refused() -> None:
    nothing = pl.DataFrame({"key": pl.Series([None] * 5), "value": pl.Series([None] * 5)})
    honest = stream(nothing)
    lying = honest.replace((5).to_bytes(8, "little"), (10**9).to_bytes(8, "little"))
    assert lying != honest and checked(lying).rows == 10**9
    with pytest.raises(RowsRefused) as refused:
        rows_of(lying, of_column(pl.Float64()))
    assert refused.value.wrong[0].reason.endswith("there are 1,000,000,000")


def test_texts_that_name_the_same_bytes_again_and_again_are_refused() -> None:
    texts = pl.Series(["y" * 20_000]).new_from_index(0, 50)  # fifty views of one text
    data = stream(pl.DataFrame({"key": range(50), "value": texts}))
    assert len(data) < 50 * 20_000
    with pytest.raises(RowsRefused, match="longer than the stream"):
        rows_of(data, of_column(pl.String()))


@pytest.mark.parametrize("views", [True, False])
def test_a_stream_with_any_bytes_changed_is_read_or_refused(views: bool) -> None:
    frame = FRAME.select("number", "text", "moment", "flag").with_row_index("key")
    definition = replace(DEFINITION, keys=("key",), at=None, row_schema={"key": pl.Int64(), **_schema(frame)})
    data, chance, outcomes = stream(frame, views=views), random.Random(7), set[bool]()
    for _ in range(500):
        changed = bytearray(data)
        for _ in range(chance.randint(1, 4)):
            changed[chance.randrange(len(changed))] = chance.choice([0, 1, 127, 128, 255])
        try:
            outcomes.add(rows_of(bytes(changed), definition).height == 3)
        except RowsRefused:
            outcomes.add(False)
    assert outcomes == {True, False}


def _schema(frame: pl.DataFrame) -> dict[str, pl.DataType]:
    return {name: dtype for name, dtype in frame.schema.items() if name != "key"}
