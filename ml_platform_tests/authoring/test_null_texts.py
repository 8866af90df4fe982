"""Which texts mean no value is a matter of the column: NA is Namibia in one and nothing in the next, and it is said."""

import random
from pathlib import Path

from ml_platform.authoring.looking import Answers
from ml_platform_tests.authoring.draft_from_file import DraftedDeclaration, draft_from_file
from ml_platform_tests.authoring.sample_files import write

NAMES = ["trip", "country", "finish", "surname", "dose", "booked"]


def _draft(tmp_path: Path) -> DraftedDeclaration:
    dice = random.Random(5)
    rows = [
        [
            f"t{n}",
            dice.choice(["DE", "FR", "NA", "ZA"]),
            dice.choice(["None", "Good", "Fair"]),
            dice.choice(["Meier", "NA", "Schmidt"]),
            dice.choice(["0.5", "-", "None", "NA", " n/a "]),
            dice.choice(["yes", "no"]),
        ]
        for n in range(300)
    ]
    return draft_from_file(write(tmp_path / "trips.csv", NAMES, rows), "booked")


def test_a_code_stays_a_value_and_a_word_for_nothing_is_none_only_where_it_is_said(tmp_path: Path) -> None:
    one = _draft(tmp_path)
    assert set(one.column("country").categories) == {"DE", "FR", "NA", "ZA"} and one.column("country").nulls == 0
    assert set(one.column("finish").categories) == {"None", "Good", "Fair"}
    assert one.column("surname").nulls > 0 and one.column("dose").nulls > 0
    source = one.proof.pipeline.table("things").source
    assert source.column_nulls == {
        "country": ("",), "surname": ("", "NA"), "dose": ("", " n/a ", "-", "NA", "None"),
    }  # fmt: skip
    assert one.proof.refused == {}


def test_every_text_that_could_mean_nothing_is_said_with_its_rows(tmp_path: Path) -> None:
    one = _draft(tmp_path)
    remarks = {name: " ".join(one.column(name).reading.remarks) for name in NAMES}
    assert "is kept as a value, as all others are codes" in remarks["country"]
    assert "'None' in" in remarks["finish"] and "kept as a value" in remarks["finish"]
    assert f"'NA' in {one.column('surname').nulls} rows is read as no value" in remarks["surname"]
    assert remarks["dose"].count("is read as no value") == 4


def test_other_columns_say_what_a_mark_before_three_digits_is(tmp_path: Path) -> None:
    rows = [[f"t{n}", f"{n},5", f"{n % 9 + 1}.{n % 900 + 100}", ("yes", "no")[n % 2]] for n in range(100)]
    file = write(tmp_path / "trips.csv", ["trip", "price", "people", "booked"], rows, ";")
    european, told = draft_from_file(file, "booked"), draft_from_file(file, "booked", answers=Answers(decimal="point"))
    assert european.column("people").kind == "integer" and european.column("people").low > 1000
    assert "as elsewhere in the file" in european.column("people").reading.remarks[0]
    assert told.column("people").kind == "number" and told.column("people").high < 10
