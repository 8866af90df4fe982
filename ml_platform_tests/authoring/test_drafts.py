"""A draft loads, takes the rows it was made from, and reads like the rest of the repository."""

import subprocess
import sys
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.authoring.formatting import formatted
from ml_platform.authoring.promises import promises
from ml_platform.validation.screening import screen
from ml_platform_tests.authoring import sample_files
from ml_platform_tests.authoring.draft_from_file import DraftedDeclaration, draft_from_file
from ml_platform_tests.examples import tries

ROWS = 60
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def messy(tmp_path_factory: pytest.TempPathFactory) -> DraftedDeclaration:
    return draft_from_file(sample_files.messy(tmp_path_factory.mktemp("messy") / "Messy Orders 2025.csv"))


@pytest.fixture(scope="module")
def sales(tmp_path_factory: pytest.TempPathFactory) -> DraftedDeclaration:
    return draft_from_file(sample_files.sales(tmp_path_factory.mktemp("sales") / "sales.csv"))


@pytest.fixture(scope="module")
def flowers(tmp_path_factory: pytest.TempPathFactory) -> DraftedDeclaration:
    return draft_from_file(sample_files.flowers(tmp_path_factory.mktemp("flowers") / "flowers.csv"), "species")


def test_every_row_of_a_messy_file_is_taken(messy: DraftedDeclaration) -> None:
    assert messy.proof.refused == {} and messy.proof.screened == 400
    types = messy.proof.pipeline.table("things").columns
    assert types["ordered_at"] == pl.Datetime("us", "UTC") and types["first_seen"] == pl.Date()
    assert types["monthly_charges_eur"] == types["weight_kg"] == pl.Float64()
    assert types["quantity"] == pl.Int64() and types["zip"] == pl.String()


def test_each_column_is_used_for_what_it_is(messy: DraftedDeclaration) -> None:
    roles = {use.column.name: use.role for use in messy.draft.uses}
    assert roles["Order ID"] == "key" and roles["Ordered At"] == "at" and roles["class"] == "target"
    assert messy.use("Empty") == ("excluded", "no value in any row")
    assert messy.use("Batch") == ("excluded", "constant: 'B1' in all rows")
    assert messy.use("weight kg") == ("excluded", "the same as weight_kg")
    assert messy.use("First Seen")[0] == "outcome", "a date may lie after the prediction"
    assert "nearly unique" in messy.use("Zip")[1]
    assert set(messy.proof.pipeline.examples.inputs) == {
        "monthly_charges_eur", "region", "is_member", "quantity", "weight_kg", "refunded",
    }  # fmt: skip


def test_texts_for_no_value_are_declared_for_their_column(messy: DraftedDeclaration) -> None:
    assert messy.column("Quantity").nulls > 0
    source = messy.proof.pipeline.table("things").source
    assert source.nulls == ("", "NA") and source.column_nulls == {"Quantity": ("", "NA", "n/a")}


def test_two_columns_that_add_up_to_the_target_are_suspects(sales: DraftedDeclaration) -> None:
    assert sales.use("shop") == ("outcome", "leak suspect: shop + web is the target")
    assert sales.use("web")[0] == "outcome"
    assert sales.proof.pipeline.task == "regression" and "sales" not in sales.proof.pipeline.row_schema


def test_a_column_that_alone_tells_the_target_is_a_suspect(tmp_path: Path) -> None:
    rows = [[f"k{n}", n % 7, "closed" if n % 3 else "open", "yes" if n % 3 else "no"] for n in range(200)]
    one = draft_from_file(sample_files.write(tmp_path / "accounts.csv", ["key", "size", "state", "left"], rows), "left")
    assert one.use("state")[0] == "outcome" and "alone it predicts the target" in one.use("state")[1]
    assert "state (leak suspect" in one.text


def test_months_are_partitions_where_there_are_enough_rows_in_them(
    sales: DraftedDeclaration, messy: DraftedDeclaration
) -> None:
    assert sales.proof.pipeline.partitions is not None
    assert (sales.draft.parts.since, sales.draft.parts.until) == ("2024-01", "2024-06")
    assert messy.proof.pipeline.partitions is None and messy.proof.pipeline.split.timed
    assert sales.proof.pipeline.table("things").time_zone is None, "its times name their offset"
    assert messy.proof.pipeline.table("things").time_zone == "UTC"


def test_without_a_unique_column_the_row_number_is_the_key_and_says_so(flowers: DraftedDeclaration) -> None:
    assert flowers.proof.pipeline.examples.keys == ("row",) and flowers.proof.refused == {}
    assert "Declare a real key before a second file lands" in flowers.text
    assert flowers.proof.pipeline.task == "multiclass" and not flowers.proof.pipeline.split.timed


def test_rows_that_come_twice_do_not_cost_the_key(tmp_path: Path) -> None:
    rows = [[f"{place:03}", place * 7 % 60, place % 2] for place in range(ROWS)]
    one = draft_from_file(
        sample_files.write(tmp_path / "twice.csv", ["id", "size", "sold"], [*rows, *rows[:5]]), "sold"
    )
    assert one.proof.pipeline.examples.keys == ("id",) and one.proof.refused == {}


def test_a_key_may_need_the_time_too(tmp_path: Path) -> None:
    rows = [[f"2024-01-{day:02}", f"shop {shop}", day * shop, day % 2] for day in range(1, 29) for shop in range(1, 5)]
    one = draft_from_file(sample_files.write(tmp_path / "days.csv", ["date", "shop", "sold", "holiday"], rows), "sold")
    assert one.proof.pipeline.examples.keys == ("date", "shop") and "shop" in one.proof.pipeline.examples.inputs


def test_drafts_are_as_the_linter_and_the_formatter_want_them(
    messy: DraftedDeclaration, sales: DraftedDeclaration, flowers: DraftedDeclaration
) -> None:
    for one in (messy, sales, flowers):
        module = "ml_platform.pipelines.flight_delay"  # one that is there: the linter sorts imports by that
        tests = promises(one.draft, module, one.proof.pipeline)
        for name, source in (
            ("ml_platform/pipelines/draft.py", one.text),
            ("ml_platform_tests/pipelines/test_draft.py", tests),
        ):
            text = formatted(source, ROOT / name, module)
            assert "noqa" not in text and max(map(len, text.splitlines())) > 100
            for command in (["check"], ["format", "--check"]):
                done = subprocess.run(
                    [sys.executable, "-m", "ruff", *command, "--no-cache", "--stdin-filename", name, "-"],
                    input=text, capture_output=True, text=True, cwd=ROOT,
                )  # fmt: skip
                assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{text}"


def test_parquet_and_ndjson_keep_their_types(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "Id": range(100),
            "seen": [datetime(2024, 1, 1) + timedelta(days=n) for n in range(100)],
            "share": [None if n % 9 == 0 else float("nan") if n % 11 == 0 else n / 7 for n in range(100)],
            "zone": ["a", "b"] * 50,
            "tags": [["x"]] * 100,
            "ok": [n % 3 == 0 for n in range(100)],
        }
    )
    frame.write_parquet(tmp_path / "things.parquet")
    frame.drop("tags").fill_nan(None).write_ndjson(tmp_path / "things.jsonl")
    parquet, ndjson = (
        draft_from_file(tmp_path / "things.parquet", "ok"),
        draft_from_file(tmp_path / "things.jsonl", "ok"),
    )
    assert parquet.use("tags") == ("left out", "nested or binary")
    for one in (parquet, ndjson):
        assert one.proof.refused == {} and one.proof.screened == 100
        assert one.proof.pipeline.task == "binary" and one.proof.pipeline.examples.keys == ("id",)


WORDS = st.sampled_from(["a", "red", "Not known", " padded ", "it's", 'say "hi"', "a|b", "(x)", "1a", "ä€", "x\ny"])
VALUES = {
    "whole": st.integers(-(10**12), 10**12).map(str),
    "number": st.floats(-1e9, 1e9).map(repr),
    "comma": st.floats(-1e6, 1e6).map(lambda x: f"{x:.2f}".replace(".", ",")),
    "thousands": st.integers(10**6, 10**9).map(lambda x: f"{x:,}"),
    "word": WORDS,
    "text": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=12),
    "truth": st.sampled_from(["true", "False"]),
    "day": st.dates(date(1900, 1, 1), date(2100, 1, 1)).map(lambda day: f"{day:%Y-%m-%d}"),
    "German day": st.dates(date(1900, 1, 1), date(2100, 1, 1)).map(lambda day: f"{day:%d.%m.%Y}"),
    "moment": st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)).map(lambda at: f"{at:%Y-%m-%d %H:%M:%S}"),
}
NAME = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n"), min_size=1, max_size=25)
COLUMN = st.sampled_from(sorted(VALUES)).flatmap(
    lambda kind: st.tuples(
        st.lists(VALUES[kind], min_size=1, max_size=ROWS), st.sampled_from(["", "NA", "n/a", None]), st.randoms()
    )
)


WRITTEN = {
    "decimal commas": ["1,5", "2,25", "1.234,5"],
    "blanks between thousands": ["1 234,5", "22 000,25", "7,5"],
    "euros": ["7 €", "8,50 €", "12 €"],
    "percent": ["5 %", "7.5 %", "12 %"],
    "plain": ["1.5", "2", "7"],
    "whole numbers": ["1", "2", "7"],
}


@pytest.mark.parametrize("style", WRITTEN)
def test_the_tests_of_a_draft_pass_however_its_numbers_are_written(
    style: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [[f"k{n}", WRITTEN[style][n % 3], "yes" if n * 7919 % 13 > 6 else "no"] for n in range(ROWS)]
    one = draft_from_file(sample_files.write(tmp_path / "loans.csv", ["id", "x", "late"], rows), "late")
    assert one.column("x").kind in ("number", "integer") and one.proof.refused == {}
    module = ModuleType("drafted_here")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(one.text, vars(module))
    tests: dict[str, Callable[[], None]] = {}
    exec(promises(one.draft, module.__name__, one.proof.pipeline), tests)
    named = [name for name in tests if name.startswith("test_")]
    assert len(named) == 4
    for name in named:
        tests[name]()


def test_a_refused_number_is_quoted_as_the_file_writes_it(tmp_path: Path) -> None:
    cells = ["k.A.", *(f"{n % 9 + 1},{n % 7}5" for n in range(400))]
    rows = [[f"k{n}", cell, "yes" if n * 7919 % 13 > 6 else "no"] for n, cell in enumerate(cells)]
    one = draft_from_file(sample_files.write(tmp_path / "loans.csv", ["id", "Gewicht", "late"], rows), "late")
    assert one.proof.refused == {"gewicht is 'k.A.', which is not a number": 1}
    (table,) = one.proof.pipeline.tables  # in a later file a number would pass, but as another one
    later = pl.DataFrame({"_row": [0, 1], "id": ["a", "b"], "Gewicht": ["1,5", "1.5"], "late": ["yes", "no"]})
    screened = screen(table, later, "later.csv", {}, None).frame.sort("_row")
    assert screened["gewicht"].to_list() == [1.5, None]
    assert screened["_reason"].to_list() == [
        None,
        "gewicht is '1.5' (written unlike the others), which is not a number",
    ]


@settings(max_examples=tries(25, share=8), deadline=None)
@given(st.dictionaries(NAME.map(lambda name: f"{name}?"), COLUMN, min_size=1, max_size=5))
def test_whatever_the_columns_hold_and_are_called_the_draft_takes_its_own_rows(
    columns: dict[str, tuple[list[str], str | None, object]],
) -> None:
    cells = {}
    for name, (values, gap, dice) in columns.items():
        drawn = [dice.choice(values) for _ in range(ROWS)]  # type: ignore[attr-defined]  # a random.Random
        cells[name] = [gap if gap is not None and dice.random() < 0.2 else value for value in drawn]  # type: ignore[attr-defined]
    cells["sold"] = ["12", "15", "7"] * (ROWS // 3)
    cells["answer"] = ["Yes", "No"] * (ROWS // 2)
    with TemporaryDirectory() as folder:
        file = sample_files.write(Path(folder) / "things.csv", list(cells), zip(*cells.values(), strict=True))
        one = draft_from_file(file, "answer", timed=False)
    strays = any(use.column.reading.strays for use in one.draft.uses)
    assert strays or one.proof.refused == {}, one.text
    assert one.proof.pipeline.task == "binary"


@pytest.mark.parametrize("value", ["n/a", "\U000f273d%鎣"])
def test_words_for_none_and_letters_of_several_bytes_are_taken_as_text(value: str, tmp_path: Path) -> None:
    rows = [(value, place % 7, ("Yes", "No")[place % 2]) for place in range(ROWS)]
    one = draft_from_file(
        sample_files.write(tmp_path / "things.csv", ["said", "sold", "answer"], rows), "answer", timed=False
    )
    assert one.proof.refused == {}
