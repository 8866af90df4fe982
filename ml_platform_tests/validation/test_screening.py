"""One file against its contract: every row is valid, refused with its reason, or counted."""

import json
from datetime import UTC, datetime, timedelta

import dataframely as dy
import polars as pl
import pytest

from ml_platform.errors import DeclarationError, FileRefused
from ml_platform.spec.sources import Files
from ml_platform.spec.tables import Table
from ml_platform.validation.judging import PARTITION, RAW, REASON, RULE
from ml_platform.validation.screening import Screened, screen
from ml_platform_tests.ingestion_sandbox import MONTHS, Reading, customers, readings


class Wide(dy.Schema):
    """A column of each kind of rule."""

    id = dy.Int32(primary_key=True)
    share = dy.Float64(nullable=True, min=0, max=1)
    code = dy.String(nullable=True, regex="^[A-Z]+$", max_length=3)
    kind = dy.Enum(["red", "green"], nullable=True)
    yes = dy.Bool(nullable=True)
    day = dy.Date(nullable=True)
    price = dy.Decimal(10, 2, nullable=True)
    odd = dy.Int64(nullable=True, check=lambda x: x % 2 == 1)

    @dy.rule()
    def share_needs_code(cls) -> pl.Expr:
        return pl.col("share").is_null() | pl.col("code").is_not_null()


def wide(**changes: object) -> Table:
    return Table("wide", **{"source": Files("wide/*.csv"), "contract": Wide, **changes})  # type: ignore[arg-type]  # test shorthand


def row(**cells: str | None) -> dict[str, str | None]:
    return {
        "id": "1",
        "share": "0.5",
        "code": "A",
        "kind": "red",
        "yes": "true",
        "day": "2013-01-01",
        "price": "1.50",
        "odd": "3",
        **cells,
    }


def screened(table: Table, rows: list[dict[str, object]], **types: pl.DataType) -> Screened:
    raw = pl.DataFrame(rows, schema_overrides=types, infer_schema_length=None)
    raw = raw.with_columns(pl.Series("_row", range(len(rows)), dtype=pl.Int64))
    return screen(table, raw, "wide/a.csv", {}, MONTHS if table.event_time else None)


def refusals(result: Screened) -> dict[int, tuple[str, str]]:
    bad = result.frame.filter(pl.col(RULE).is_not_null())
    return {r: (rule, why) for r, rule, why in bad.select("_row", RULE, REASON).iter_rows()}


@pytest.mark.parametrize(
    ("cells", "rule", "why"),
    [
        ({"id": "x"}, "id|dtype", "id is 'x', which is not a whole number of Int32"),
        ({"id": "12.5"}, "id|dtype", "id is '12.5', which is not a whole number of Int32"),
        ({"id": "99999999999"}, "id|dtype", "id is '99999999999', which is not a whole number of Int32"),
        ({"id": ""}, "id|nullability", "id is missing"),
        ({"share": "1.5"}, "share|max", "share is 1.5, which is above the maximum 1"),
        ({"share": "-1e308"}, "share|min", "share is -1e+308, which is below the minimum 0"),
        ({"share": "nan"}, "share|nan", "share is NaN, which is not a number (NaN)"),
        ({"share": "-inf"}, "share|inf", "share is -inf, which is infinite"),
        ({"share": "1e400"}, "share|exact", "share is '1e400', which is not exactly a value of Float64"),
        ({"price": "1.505"}, "price|exact", "price is '1.505', which is not exactly a value of Decimal(precision=10,"),
        ({"day": "2013-01-01 05:00"}, "day|exact", "day is '2013-01-01 05:00', which is not exactly a value of Date"),
        ({"odd": "9.007199254740993e15"}, "odd|double", "which is a double so great that it stands for several whole"),
        ({"share": "1,5"}, "share|dtype", "share is '1,5', which is not a number"),
        ({"code": "ab"}, "code|regex", "code is ab, which does not match ^[A-Z]+$"),
        ({"code": "ABCD"}, "code|max_length", "code is ABCD, which is longer than 3"),
        ({"kind": "blue"}, "kind|dtype", "kind is 'blue', which is not one of red, green"),
        ({"yes": "maybe"}, "yes|dtype", "yes is 'maybe', which is not a truth value (true or false)"),
        ({"day": "2013-02-30"}, "day|dtype", "day is '2013-02-30', which is not a Date"),
        ({"odd": "4"}, "odd|check", "odd is 4, which breaks the rule 'check' of its column"),
        ({"code": "NA"}, "share_needs_code", "the rule 'share_needs_code' does not hold: share is 0.5, code is null"),
    ],
)
def test_a_refused_row_says_which_rule_which_value_and_which_bound(cells: dict[str, str], rule: str, why: str) -> None:
    result = screened(wide(), [row(**cells), row(id="7")])
    [(found, told)] = refusals(result).values()
    assert found == rule and why in told
    [kept] = result.frame.filter(pl.col(RULE).is_not_null())[RAW].to_list()
    assert json.loads(kept) == row(**cells)
    good = result.frame.filter(pl.col(RULE).is_null())
    assert good["id"].to_list() == [7] and good.schema["kind"] == pl.Enum(["red", "green"])


def test_a_text_with_a_zero_character_is_refused_however_it_came() -> None:
    for cells in ({"code": "A\0"}, {"kind": "red\0"}, {"id": "1\0"}):
        [(rule, why)] = refusals(screened(wide(), [row(**cells), row(id="7")])).values()
        (column,) = cells
        assert rule.startswith(f"{column}|") and r"\u0000" in why and "\0" not in why

    def clean(raw: pl.DataFrame) -> pl.DataFrame:
        return raw.with_columns(pl.col("code") + "\0", pl.col("id").cast(pl.Int32))

    [(rule, _)] = refusals(screened(wide(clean=clean), [row()])).values()
    assert rule == "code|zero"


def test_every_reason_is_told_and_the_first_names_the_row() -> None:
    [(rule, why)] = refusals(screened(wide(), [row(share="7", yes="?", code="abcd")])).values()
    assert rule == "yes|dtype"
    assert why == "yes is '?', which is not a truth value (true or false)"
    [(rule, why)] = refusals(screened(wide(), [row(share="7", code="abcd")])).values()
    assert "above the maximum 1" in why and "longer than 3" in why and "does not match" in why


def test_typed_columns_of_another_type_are_cast_without_losing_anything() -> None:
    ids = [1.0, 2.5, float("nan"), None]
    rows = [{**row(), "id": cell} for cell in ids]
    found = refusals(screened(wide(), rows, id=pl.Float64))
    assert {r: rule for r, (rule, _) in found.items()} == {1: "id|dtype", 2: "id|dtype", 3: "id|nullability"}
    nested = refusals(screened(wide(), [{**row(), "share": {"a": 1}}]))
    assert nested[0][0] == "share|dtype"


def test_the_same_number_is_taken_however_it_is_written() -> None:
    ids = ["1.0", " 2 ", "\u00a03\u00a0", "+4", "5e0", "006"]
    rows = [row(id=cell, odd="3.0", yes="1.0", share=" 0.5 ", price="1.500", day="2013-01-01 00:00:00") for cell in ids]
    result = screened(wide(), rows)  # type: ignore[arg-type]  # cells are objects there
    assert refusals(result) == {} and result.frame["id"].to_list() == [1, 2, 3, 4, 5, 6]


def test_a_key_of_text_is_written_alike_whether_it_came_as_text_or_as_a_number() -> None:
    class Visit(dy.Schema):
        customer = dy.String(primary_key=True)

    table = Table("visits", Files("*.parquet"), contract=Visit)
    doubles = screened(table, [{"customer": c} for c in (1.0, 2.5, 2.0**53, None)], customer=pl.Float64())
    assert doubles.frame["customer"].to_list() == ["1", None, None, None]
    assert [rule for rule, _ in refusals(doubles).values()] == [
        "customer|fraction",
        "customer|double",
        "customer|nullability",
    ]
    assert refusals(doubles)[1][1] == "customer is '2.5', which is a fraction, in a column that is part of the key"
    for cells in ([1, 2], ["1", "2"], [1.0, 2.0]):
        assert screened(table, [{"customer": c} for c in cells]).frame["customer"].to_list() == ["1", "2"]


def test_s35_identical_rows_are_dropped_and_counted_and_others_of_the_same_key_refused() -> None:
    rows = [row(id="1"), row(id="1"), row(id="2"), row(id="2", share="0.6"), row(id="3"), row(id="3", yes="?")]
    result = screened(wide(), rows)
    assert result.duplicates == {"all": 1}
    assert sorted(refusals(result)) == [2, 3, 4, 5]
    assert refusals(result)[2] == ("primary_key", "the key (id) comes with other content in the same file, rows 2, 3")
    assert result.frame.filter(pl.col(RULE).is_null())["_row"].to_list() == [0]


def test_s2_a_row_without_event_time_is_refused_and_goes_where_its_file_begins() -> None:
    class Loose(dy.Schema):
        at = dy.Datetime(time_zone="UTC", nullable=True)

    table = Table("loose", Files("*.csv"), contract=Loose, event_time="at")
    times = ["2013-03-01T00:00:00Z", "2013-02-28T23:59:59Z", "", "soon", "9999-12-31T00:00:00Z"]
    result = screened(table, [{"at": t} for t in times])
    assert dict(result.frame.select("_row", PARTITION).iter_rows()) == {
        0: "2013-03",
        1: "2013-02",
        2: "2013-02",
        3: "2013-02",
        4: "2013-02",
    }
    assert {r: rule for r, (rule, _) in refusals(result).items()} == {2: "at|nullability", 3: "at|dtype", 4: "at|range"}
    assert "outside the years 1678 to 2261" in refusals(result)[4][1]
    assert screened(table, [{"at": "soon"}]).frame[PARTITION].to_list() == [""]


def test_s1_naive_times_need_the_tables_zone() -> None:
    rows = [{"sensor": "a", "at": t, "value": "1"} for t in ("2013-03-10 02:30:00", "2013-03-10 03:30:00")]
    found = refusals(screened(readings(), rows))
    rule, why = found[0]
    assert rule == "at|zone" and why.endswith("02:30:00', which is a local time and the table declares no time_zone")
    result = screened(readings(time_zone="America/New_York"), rows)
    assert refusals(result) == {
        0: ("at|gap", "at is '2013-03-10 02:30:00', which does not exist in America/New_York: the clocks skip it")
    }
    good = result.frame.filter(pl.col(RULE).is_null())
    assert good["at"].to_list() == [datetime(2013, 3, 10, 7, 30, tzinfo=UTC)]


def test_a_time_zone_that_does_not_exist_is_refused_at_load() -> None:
    with pytest.raises(DeclarationError, match="time_zone='Mars/Base' is no time zone"):
        readings(time_zone="Mars/Base")


def test_naive_times_that_clean_makes_are_local_too() -> None:
    def clean(raw: pl.DataFrame) -> pl.DataFrame:
        return raw.with_columns(pl.col("at").str.to_datetime())

    table = readings(clean=clean, time_zone="Europe/Berlin")
    result = screened(table, [{"sensor": "a", "at": "2013-07-01 12:00:00", "value": "1"}])
    assert result.frame["at"].to_list() == [datetime(2013, 7, 1, 10, tzinfo=UTC)]


def test_clean_may_drop_rows_and_be_lazy() -> None:
    def clean(raw: pl.DataFrame) -> pl.LazyFrame:
        return raw.lazy().filter(pl.col("value") != "0").sort("value", descending=True)

    rows = [{"sensor": "a", "at": f"2013-01-0{d}T00:00:00Z", "value": str(d - 1)} for d in (1, 2, 3)]
    result = screened(readings(clean=clean), rows)
    assert result.dropped == 1 and result.frame["_row"].to_list() == [1, 2]


def _raises(raw: pl.DataFrame) -> pl.DataFrame:
    return raw.with_columns(pl.col("valeu") * 2)


def _no_row(raw: pl.DataFrame) -> pl.DataFrame:
    return raw.drop("_row")


def _new_rows(raw: pl.DataFrame) -> pl.DataFrame:
    return raw.with_columns(pl.col("_row") + 1)


def _twice(raw: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([raw, raw])


def _lacking(raw: pl.DataFrame) -> pl.DataFrame:
    return raw.rename({"value": "Value"})


def _nothing(raw: pl.DataFrame) -> None:
    return None


@pytest.mark.parametrize(
    ("clean", "parts"),
    [
        (
            _raises,
            ["wide/a.csv (test_screening.py, line ", "_raises raised ColumnNotFoundError", "valeu", "Mend _raises"],
        ),
        (_no_row, ["_no_row dropped the column '_row'", "row by row"]),
        (_new_rows, ["_new_rows changed the column '_row'"]),
        (_twice, ["_twice returned row 0 more than once", "join"]),
        (_nothing, ["_nothing returned NoneType"]),
        (_lacking, ["(clean's result)", "contracted columns are missing: value (renamed to 'Value'?)"]),
    ],
)
def test_a_clean_that_fails_is_told_with_file_and_place(clean: object, parts: list[str]) -> None:
    rows = [{"sensor": "a", "at": "2013-01-01T00:00:00Z", "value": "1"}]
    with pytest.raises(FileRefused) as error:
        screened(readings(clean=clean), rows)
    for part in parts:
        assert part in str(error.value)


def test_a_clean_that_fails_names_the_columns_that_are_gone_and_the_new_ones() -> None:
    raw = pl.DataFrame({"sensor": ["a"], "at": ["2013-01-01T00:00:00Z"], "amount": ["1"], "_row": [1]})
    with pytest.raises(FileRefused, match=r"\(gone since the file before: value; new since the file before: amount\)"):
        screen(readings(clean=_doubled), raw, "b.csv", {}, MONTHS, before=lambda: ["sensor", "at", "value"])


def _doubled(raw: pl.DataFrame) -> pl.DataFrame:
    return raw.with_columns(pl.col("value") * 2)


def test_clean_is_not_asked_about_a_file_without_rows() -> None:
    raw = pl.DataFrame(schema={"sensor": pl.String, "_row": pl.Int64})
    result = screen(readings(clean=_raises), raw, "a.csv", {}, MONTHS)
    assert result.frame.is_empty() and list(Reading.columns()) == result.frame.columns[:3]


def test_a_refused_row_of_any_type_is_kept_as_text() -> None:
    raw = {
        "id": None,
        "name": b"\x00\xff",
        "inf": float("inf"),
        "span": timedelta(seconds=1),
        "list": [1, None],
        "moment": datetime(2013, 1, 1, tzinfo=UTC),
        'q"uote 🎉': "x",
    }
    result = screened(customers(), [raw])
    kept = json.loads(result.frame[RAW][0])
    assert kept["name"] == "00ff" and kept["inf"] == "inf" and kept["list"] == [1, None] and kept['q"uote 🎉'] == "x"


def test_a_very_long_cell_is_cut_in_the_reason_and_whole_in_the_row() -> None:
    result = screened(wide(), [row(code="a" * 5_000_000)])
    assert len(refusals(result)[0][1]) < 1000 and len(result.frame[RAW][0]) > 5_000_000
