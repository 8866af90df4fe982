"""How many different values windows hold (S9): stretches, text, dates, Booleans, and what comes in pieces."""

import math
from dataclasses import replace
from datetime import date
from typing import Any

import dataframely as dy
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform import Examples, Files, LightGBM, ModelPipeline, Table, Window
from ml_platform.errors import DeclarationError
from ml_platform.features.definition import FeatureDefinition
from ml_platform.features.distinct import DistinctCounts
from ml_platform.features.kinds.window import WindowForm
from ml_platform_tests.examples import tries
from ml_platform_tests.features.relations import batch_features, connect, online_answers, validated
from ml_platform_tests.scenario.flights import hour

SIZE = 6
ROWS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, SIZE), st.integers(0, SIZE), st.integers(0, SIZE)))


@settings(max_examples=tries(200), deadline=None, derandomize=True, database=None)
@given(rows=ROWS, piece=st.integers(1, 4))
def test_a_place_counts_each_value_once_in_whatever_pieces_the_rows_come(
    rows: list[tuple[str, int, int, int]], piece: int
) -> None:
    counts = DistinctCounts(SIZE, [1, 2])
    ordered = sorted(rows, key=lambda row: row[:2])
    for start in range(0, len(ordered), piece):
        part = ordered[start : start + piece]
        values, first, *ends = (list(column) for column in zip(*part, strict=True))
        places = [np.array(column, np.int64) for column in (first, *ends)]
        counts.add(pl.DataFrame({"value": values}), places[0], {1: places[1], 2: places[2]})
    for span in (1, 2):
        covering = [{row[0] for row in rows if row[1] <= place < row[1 + span]} for place in range(SIZE)]
        assert counts.result(span).tolist() == [*(len(values) for values in covering), 0]


class Payments(dy.Schema):
    id = dy.Int64(primary_key=True)
    paid_at = dy.Datetime(time_zone="UTC")
    told_at = dy.Datetime(time_zone="UTC")
    card = dy.String()
    shop = dy.String(nullable=True)
    on = dy.Date(nullable=True)
    abroad = dy.Bool(nullable=True)
    amount = dy.Float64(nullable=True, allow_nan=True)
    kind = dy.Enum(["chip", "web"], nullable=True)
    fraud = dy.Bool(nullable=True)


def payments(*windows: Window) -> ModelPipeline:
    table = Table("payments", Files("*.csv"), Payments, event_time="paid_at", known_at="told_at")
    examples = Examples("payments", "id", ("card",), label=pl.col("fraud"), at="paid_at")
    return ModelPipeline("cards", tables=(table,), examples=examples, features=windows, trainer=LightGBM())


def payment(number: int, **values: Any) -> dict[str, Any]:
    told = {"paid_at": hour(number), "told_at": hour(number), "_known_at": hour(number), "_usable_at": hour(number)}
    blank = dict.fromkeys(Payments.column_names()) | {"card": "c"}
    usual = {"_file": "f", "_row": number, "_arrival": hour(-9), "_superseded_at": None}
    return blank | told | usual | {"id": number} | values


def test_text_dates_booleans_numbers_and_levels_are_told_apart_in_batch_and_online_alike() -> None:
    columns = ("shop", "on", "abroad", "amount", "kind")
    windows = [Window("payments", by="card", of=of, agg=["count", "n_unique"], over=["1d"], as_=of) for of in columns]
    pipeline = payments(*windows, Window("payments", of="shop", agg=["n_unique"], over=["3h"]))
    rows = [
        payment(1, shop="Å", on=date(2013, 3, 9), abroad=True, amount=0.0, kind="web"),
        payment(2, shop="a", on=date(2013, 3, 9), abroad=False, amount=-0.0, kind="web"),
        payment(3, shop="A", on=date(2013, 3, 10), abroad=True, amount=math.nan, kind="chip"),
        payment(4, shop="Å", amount=math.nan),
        payment(5, shop=None, card="other", amount=1.0),
        payment(6),
    ]
    definition = FeatureDefinition.of(pipeline)
    examples = pl.DataFrame(rows).select(*definition.row_schema)
    connection = connect()
    relations = validated(connection, pipeline, {"payments": rows})
    batch = batch_features(connection, definition, examples.to_dicts(), relations).sort("id")
    last = batch.row(-1, named=True)
    assert {of: (last[f"{of}_count_1d"], last[f"{of}_n_unique_1d"]) for of in columns} == {
        "shop": (4, 3),
        "on": (3, 2),
        "abroad": (3, 2),
        "amount": (2, 1),  # NaN is null, and -0.0 is 0.0
        "kind": (3, 2),
    }
    assert batch["payments__shop_n_unique_3h"].to_list() == [None, 1, 2, 3, 3, 2]
    assert batch.schema["payments__shop_n_unique_3h"] == pl.Int64
    assert batch["shop_n_unique_1d"].to_list() == [None, 1, 2, 3, 0, 3]
    (online,) = online_answers(connection, definition, relations, [examples.row(-1, named=True)])
    assert online == {name: last[name] for name in definition.outputs}


def test_a_window_that_was_stored_when_nan_was_a_value_counts_it_as_its_model_learnt_it() -> None:
    window = Window("payments", by="card", of="amount", agg=["count", "mean", "n_unique"], over=["1d"], as_="amount")
    rows = [payment(1, amount=2.0), payment(2, amount=math.nan), payment(3)]
    definition = FeatureDefinition.of(payments(window))
    (form,) = definition.joined
    assert isinstance(form, WindowForm) and form.nan == "null"
    before = replace(
        definition, joined=(replace(form, aggregates=("count", "n_unique"), outputs=form.outputs[::2], nan=None),)
    )
    before = replace(before, outputs={name: definition.outputs[name] for name in form.outputs[::2]})
    before = FeatureDefinition.from_json(before.to_json())
    connection = connect()
    relations = validated(connection, payments(window), {"payments": rows})
    examples = pl.DataFrame(rows).select(*definition.row_schema)
    for each, values in ((definition, [1, 2.0, 1]), (before, [2, 2])):
        batch = batch_features(connection, each, examples.to_dicts(), relations).sort("id").row(-1, named=True)
        (online,) = online_answers(connection, each, relations, [examples.row(-1, named=True)])
        assert [batch[name] for name in each.outputs] == list(online.values()) == values


def test_a_count_of_values_needs_a_column() -> None:
    with pytest.raises(DeclarationError, match="needs a column"):
        payments(Window("payments", by="card", agg=["n_unique"], over=["1d"]))
