"""What a draft guesses about the rows: their time, target, groups and how large the trees may be, with reasons."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.authoring.guesses import guess_target
from ml_platform.authoring.looking import look
from ml_platform.authoring.opened import opened
from ml_platform.authoring.splitting import spans
from ml_platform.spec.durations import microseconds
from ml_platform_tests.authoring.draft_from_file import DraftedDeclaration, draft_from_file
from ml_platform_tests.authoring.sample_files import write
from ml_platform_tests.examples import tries

START = datetime(2024, 1, 1, tzinfo=UTC)


def _draft(tmp_path: Path, names: list[str], rows: list[list[object]], target: str | None = None) -> DraftedDeclaration:
    return draft_from_file(write(tmp_path / "things.csv", names, rows), target)


def _answers(count: int) -> list[str]:
    dice = random.Random(4)
    return [dice.choice(["good", "bad"]) for _ in range(count)]


def test_an_arrival_date_is_the_time_of_a_row_where_there_is_no_other(tmp_path: Path) -> None:
    rows = [[f"b{n}", f"{START + timedelta(days=n // 3):%Y-%m-%d}", n % 7, a] for n, a in enumerate(_answers(300))]
    one = _draft(tmp_path, ["booking", "arrival_date", "guests", "came"], list(map(list, rows)), "came")
    assert one.draft.roles.at is not None and one.draft.roles.at.clean == "arrival_date"
    assert one.proof.pipeline.split.timed


def test_of_two_times_the_one_that_comes_first_is_the_prediction_time(tmp_path: Path) -> None:
    rows = []
    for n, answer in enumerate(_answers(300)):
        ordered = START + timedelta(hours=5 * n)
        rows.append([f"b{n}", f"{ordered + timedelta(days=n % 9 + 1):%Y-%m-%d}", f"{ordered:%Y-%m-%d}", n % 7, answer])
    one = _draft(tmp_path, ["booking", "shipping_date", "order_date", "guests", "came"], rows, "came")
    assert one.draft.roles.at is not None and one.draft.roles.at.clean == "order_date"
    assert one.use("shipping_date")[0] == "outcome"


@pytest.mark.parametrize("times", [3, 4, 7, 19])
def test_few_different_times_split_by_time_too_and_every_part_has_rows(tmp_path: Path, times: int) -> None:
    rows = [[f"k{n}", f"2024-{n % times + 1:02}-01" if times <= 12 else f"2024-01-{n % times + 1:02}", n % 7, a]
            for n, a in enumerate(_answers(380))]  # fmt: skip
    one = _draft(tmp_path, ["key", "date", "size", "answer"], rows, "answer")
    split = one.proof.pipeline.split
    assert split.timed and one.draft.untimed == "" and one.draft.roles.at is not None
    moments = one.draft.roles.at.sample.cast(pl.Datetime("us", "UTC"))
    held, validated = (
        timedelta(microseconds=microseconds(str(span), "")) for span in (split.holdout, split.validation)
    )
    end = moments.max() + timedelta(microseconds=1)  # type: ignore[operator]  # a moment
    parts = [(moments >= end - held).sum(), (moments < end - held - validated).sum()]
    assert min(*parts, len(moments) - sum(parts)) > 0


@settings(deadline=None, max_examples=tries(60))
@given(st.lists(st.integers(0, 10**6), min_size=3, max_size=80), st.sampled_from([1, 977, 86_400, 2_629_800]))
def test_whatever_the_times_are_a_split_by_time_leaves_no_part_empty(ticks: list[int], seconds: int) -> None:
    times = pl.Series(
        [START + timedelta(seconds=seconds * tick % (10**9)) for tick in ticks], dtype=pl.Datetime("us", "UTC")
    )
    cut = spans(times)
    if times.n_unique() < 3:
        assert cut is None
        return
    assert cut is not None
    validated, held = (timedelta(microseconds=microseconds(span, "")) for span in cut)
    end = times.max() + timedelta(microseconds=1)  # type: ignore[operator]  # a moment
    parts = [(times >= end - held).sum(), (times < end - held - validated).sum()]
    assert min(*parts, len(times) - sum(parts)) > 0


def test_monthly_snapshots_are_no_partitions_because_their_holdout_would_be_empty(tmp_path: Path) -> None:
    rows = [[f"k{n}", f"2022-{n % 12 + 1:02}-01", n % 7, a] for n, a in enumerate(_answers(6000))]
    one = _draft(tmp_path, ["key", "date", "size", "answer"], rows, "answer")
    assert one.proof.pipeline.partitions is None and one.proof.pipeline.split.timed


def test_a_random_split_says_why(tmp_path: Path) -> None:
    rows = [[f"k{n}", f"19{n % 90 + 10}-05-17", "" if n % 3 else "2024-01-01", n % 7, a]
            for n, a in enumerate(_answers(200))]  # fmt: skip
    one = _draft(tmp_path, ["key", "birth_date", "closed_at", "size", "answer"], rows, "answer")
    assert not one.proof.pipeline.split.timed
    assert "birth_date is no time at which the row happened" in one.draft.untimed
    assert "closed_at is the same in all rows" in one.draft.untimed
    assert f"At random and not by time, because {one.draft.untimed}." in one.text


def test_rows_of_one_patient_stay_in_one_part(tmp_path: Path) -> None:
    rows = [[f"v{n}", f"p{n % 60}", n % 7, a] for n, a in enumerate(_answers(300))]
    one = _draft(tmp_path, ["visit", "patient", "size", "answer"], rows, "answer")
    pipeline = one.proof.pipeline
    assert pipeline.split.group == "patient" and pipeline.examples.exclude == ("patient",)
    assert "patient" not in pipeline.model_columns
    assert "All rows of one patient stay in one part." in one.text


def test_where_there_is_a_time_a_repeated_identifier_is_no_input(tmp_path: Path) -> None:
    rows = [[f"v{n}", SOME, n % 60 * 977, n % 7, a] for n, a in enumerate(_answers(300))
            for SOME in [f"{START + timedelta(hours=9 * n):%Y-%m-%d %H:%M}"]]  # fmt: skip
    one = _draft(tmp_path, ["visit", "at", "customer_id", "size", "answer"], rows, "answer")
    assert one.proof.pipeline.split.timed and one.proof.pipeline.split.group is None
    assert one.use("customer_id")[0] == "group" and "customer_id" not in one.proof.pipeline.examples.inputs
    assert "No inputs: customer_id (an identifier that repeats" in one.text


def test_a_branch_with_many_rows_is_a_category_and_no_group(tmp_path: Path) -> None:
    rows = [[f"v{n}", f"s{n % 25}", n % 7, a] for n, a in enumerate(_answers(1500))]
    one = _draft(tmp_path, ["visit", "store_id", "size", "answer"], rows, "answer")
    assert one.use("store_id") == ("input", "") and one.proof.pipeline.split.group is None


def test_a_rare_class_gets_small_trees_even_among_many_rows(tmp_path: Path) -> None:
    rows: list[list[object]] = [[f"k{n}", n * 7919 % 101, "yes" if n % 40 == 0 else "no"] for n in range(4000)]
    rare = _draft(tmp_path, ["key", "size", "fraud"], rows, "fraud").proof.pipeline.trainer
    usual = _draft(tmp_path, ["key", "size", "fraud"], [[*r[:2], ("yes", "no")[i % 2]] for i, r in enumerate(rows)])
    assert (rare.num_leaves, rare.min_data_in_leaf) == (7, 5)  # type: ignore[union-attr]  # LightGBM
    assert (usual.proof.pipeline.trainer.num_leaves) == 31  # type: ignore[union-attr]  # LightGBM


@pytest.mark.parametrize(
    ("names", "pipeline", "target", "why"),
    [
        (["key", "size", "churned", "plan"], "draft", "churned", "usual for targets"),
        (["key", "size", "returned", "plan"], "returned", "returned", "called like the pipeline"),
        (["key", "size", "first", "last"], "draft", "last", "the last column that could be one"),
    ],
)
def test_a_target_is_proposed_with_its_reason(
    tmp_path: Path, names: list[str], pipeline: str, target: str, why: str
) -> None:
    rows = [[f"k{n}", n % 7, ("x", "z")[n % 2], ("u", "w")[n % 3 % 2]] for n in range(60)]
    with opened(write(tmp_path / "things.csv", names, rows)) as seen:
        columns = look(seen)
        guess = guess_target(columns, pipeline, columns[:1])
    assert guess is not None and guess.column.name == target and why in guess.why
