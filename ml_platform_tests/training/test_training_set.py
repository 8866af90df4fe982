"""The training set: which examples, which labels, which bytes (S6, S16 to S18)."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from ml_platform.errors import TrainingError
from ml_platform.lake.blobs import Blobs
from ml_platform.lake.connection import Lake
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.training import LightGBM, Split
from ml_platform.training.training_set import Readiness, TrainingSet, build, readiness
from ml_platform_tests.scenario import labelled_trips
from ml_platform_tests.scenario.labelled_trips import MONTHS, SINCE, D

DAY = timedelta(days=1)


def built(lake: Lake, blobs: Blobs, pipeline: ModelPipeline, **options: object) -> tuple[TrainingSet, pl.DataFrame]:
    label_rows = labelled_trips.with_path(pipeline.label_table)
    arguments = {"label_rows": label_rows, "decided_at": D, "partitions_upto": MONTHS, **options}
    training_set = build(lake, blobs, pipeline, **arguments)  # type: ignore[arg-type]
    return training_set, pl.read_parquet(blobs.path(training_set.digest))


def ready(lake: Lake, blobs: Blobs, pipeline: ModelPipeline) -> Readiness:
    label_rows = labelled_trips.with_path(pipeline.label_table)
    return readiness(lake, blobs, pipeline, label_rows=label_rows, decided_at=D, partitions_upto=MONTHS)


def test_examples_are_ordered_by_time_and_key_whatever_order_they_were_stored_in_s16(lake: Lake, blobs: Blobs) -> None:
    pipeline, frame = labelled_trips.pipeline(), labelled_trips.rows(400)
    ties = frame.with_columns(at=pl.col("at").dt.truncate("1d"))
    labelled_trips.fill(lake, pipeline, ties)
    first, rows = built(lake, blobs, pipeline)
    assert rows.equals(rows.sort("at", "trip"))
    labelled_trips.fill(lake, pipeline, ties.sample(fraction=1, shuffle=True, seed=3))
    assert built(lake, blobs, pipeline)[0] == first


def test_the_order_of_the_stored_columns_does_not_matter_s16(lake: Lake, blobs: Blobs) -> None:
    pipeline, frame = labelled_trips.pipeline(), labelled_trips.rows(300)
    labelled_trips.fill(lake, pipeline, frame)
    first, _ = built(lake, blobs, pipeline)
    lake.connection.execute(
        "CREATE TABLE moved AS SELECT _partition, far, km, hour, "
        "* EXCLUDE (_partition, far, km, hour) FROM trips_late.features"
    )
    lake.connection.execute("DROP TABLE trips_late.features")
    lake.connection.execute("CREATE TABLE trips_late.features AS FROM moved")
    assert built(lake, blobs, pipeline)[0].digest == first.digest


def test_another_process_writes_the_same_bytes_s16(lake: Lake, blobs: Blobs) -> None:
    pipeline = labelled_trips.pipeline()
    labelled_trips.fill(lake, pipeline, labelled_trips.rows(2500))
    first, _ = built(lake, blobs, pipeline)
    blobs.path(first.digest).unlink()
    code = (
        "from ml_platform.settings import Settings; from ml_platform.lake.connection import Lake\n"
        "from ml_platform.lake.blobs import Blobs; from ml_platform_tests.scenario import labelled_trips as s\n"
        "from ml_platform.training.training_set import build\n"
        "settings = Settings(threads=1)\n"
        "print(build(Lake(settings, read_only=True), Blobs(settings), s.pipeline(), label_rows=s.with_path('trips'), "
        "decided_at=s.D, partitions_upto=s.MONTHS).digest)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == first.digest


def test_rows_are_cut_at_the_same_places_however_they_arrive(
    lake: Lake, blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml_platform.training.training_set.ROW_GROUP", 128)
    pipeline = labelled_trips.pipeline()
    labelled_trips.fill(lake, pipeline, labelled_trips.rows(1000))
    first, rows = built(lake, blobs, pipeline)
    whole = Lake.stream
    monkeypatch.setattr(Lake, "stream", lambda self, sql: whole(self, sql).read_all().to_reader(max_chunksize=7))
    again, _ = built(lake, blobs, pipeline)
    assert (again.digest, rows.height) == (first.digest, 1000)


def test_a_label_counts_only_when_known_before_the_decision_s18(lake: Lake, blobs: Blobs) -> None:
    pipeline = labelled_trips.pipeline()
    frame = labelled_trips.rows(600).with_columns(
        ended=pl.when(pl.col("trip") % 10 == 0)
        .then(pl.lit(D))  # known at the decision, not before it
        .when(pl.col("trip") % 10 == 1)
        .then(None)
        .otherwise("ended")
    )
    labelled_trips.fill(lake, pipeline, frame)
    training_set, rows = built(lake, blobs, pipeline)
    assert training_set.immature == 120
    assert rows.height == 480
    assert rows["_label_known_at"].max() < D
    counted = ready(lake, blobs, pipeline)
    assert (counted.labelled, counted.immature, dict(counted.parts)) == (480, 120, training_set.parts)


def test_a_null_label_is_no_label_s17(lake: Lake, blobs: Blobs) -> None:
    pipeline = labelled_trips.pipeline()
    frame = labelled_trips.rows(300).with_columns(late=pl.when(pl.col("trip") % 3 > 0).then("late"))
    labelled_trips.fill(lake, pipeline, frame)
    assert built(lake, blobs, pipeline)[0].immature == 100


def test_parts_follow_each_other_in_time_and_end_at_the_decision_s18(lake: Lake, blobs: Blobs) -> None:
    pipeline = labelled_trips.pipeline()
    edges = [
        SINCE,
        D - 21 * DAY - timedelta(microseconds=1),
        D - 21 * DAY,
        D - 14 * DAY - timedelta(microseconds=1),
        D - 14 * DAY,
        D - 2 * timedelta(hours=1),
    ]
    frame = (
        labelled_trips.rows(12)
        .with_columns(
            at=pl.Series([edges[i // 2] for i in range(12)]).cast(pl.Datetime("us", "UTC")),
            late=pl.Series([-1.0, 1.0] * 6),
        )
        .with_columns(ended=pl.col("at") + pl.duration(hours=1))
    )
    labelled_trips.fill(lake, pipeline, frame)
    training_set, rows = built(lake, blobs, pipeline)
    assert rows["_part"].to_list() == ["train"] * 4 + ["validation"] * 4 + ["holdout"] * 4
    assert training_set.bounds["validation"] == (edges[2].isoformat(), edges[3].isoformat())
    assert training_set.parts == {"train": 4, "validation": 4, "holdout": 4}


def test_only_the_partitions_asked_for_are_read(lake: Lake, blobs: Blobs) -> None:
    pipeline = labelled_trips.pipeline()
    labelled_trips.fill(lake, pipeline, labelled_trips.rows(900, days=89))
    _, rows = built(lake, blobs, pipeline)
    assert rows["at"].max() < D


def corrected(frame: pl.DataFrame, trip: int, when: object, late: float) -> pl.DataFrame:
    """validated.trips with a later version of one row, known from `when`."""
    table = labelled_trips.validated(frame, "ended")
    moment = pl.lit(when).cast(pl.Datetime("us", "UTC"))
    hit = pl.col("trip") == trip
    old = table.with_columns(_superseded_at=pl.when(hit).then(moment).otherwise("_superseded_at"))
    new = table.filter(hit).with_columns(
        late=pl.lit(late), km=pl.lit(99.0), _file=pl.lit("f2"), _arrival=moment, _known_at=moment, _usable_at=moment
    )
    return pl.concat([old, new])


@pytest.mark.parametrize(
    ("when", "label", "features"),
    [(D, -5.0, "of the day"), (D - timedelta(microseconds=1), 77.0, "of the day"), (D + DAY, -5.0, "of the day")],
)
def test_labels_are_of_the_version_that_stood_then_and_features_as_they_were_computed_s6(
    lake: Lake, blobs: Blobs, when: object, label: float, features: str
) -> None:
    pipeline = labelled_trips.pipeline("regression")
    frame = labelled_trips.rows(300).with_columns(late=pl.when(pl.col("trip") == 7).then(-5.0).otherwise("late"))
    labelled_trips.fill(lake, pipeline, frame, versions=corrected(frame, 7, when, 77.0))
    _, rows = built(lake, blobs, pipeline)
    row = rows.row(by_predicate=pl.col("trip") == 7, named=True)
    assert row["_label"] == label
    assert row["km"] == frame.row(7, named=True)["km"]
    assert rows.height == 300


def test_of_two_versions_that_overlap_until_the_refresh_the_later_known_counts_s5_s6(lake: Lake, blobs: Blobs) -> None:
    pipeline, frame = labelled_trips.pipeline("regression"), labelled_trips.rows(300)
    versions = corrected(frame, 7, D - DAY, 77.0).with_columns(
        _superseded_at=pl.when(pl.col("_superseded_at").is_not_null()).then(pl.lit(D).cast(pl.Datetime("us", "UTC")))
    )
    labelled_trips.fill(lake, pipeline, frame, versions=versions)
    _, rows = built(lake, blobs, pipeline)
    assert rows.filter(pl.col("trip") == 7)["_label"].to_list() == [77.0]


def test_a_row_taken_back_before_the_decision_has_no_label_s6(lake: Lake, blobs: Blobs) -> None:
    pipeline, frame = labelled_trips.pipeline(), labelled_trips.rows(300)
    gone = pl.when(pl.col("trip") == 7).then(pl.lit(D - DAY)).cast(pl.Datetime("us", "UTC"))
    labelled_trips.fill(
        lake, pipeline, frame, versions=labelled_trips.validated(frame, "ended").with_columns(_superseded_at=gone)
    )
    training_set, rows = built(lake, blobs, pipeline)
    assert (training_set.immature, 7 in rows["trip"].to_list()) == (1, False)


def test_without_partitions_the_decision_is_just_after_the_last_known_thing(lake: Lake, blobs: Blobs) -> None:
    pipeline, frame = labelled_trips.pipeline(partitions=None), labelled_trips.rows(300)
    labelled_trips.fill(lake, pipeline, frame)
    training_set, rows = built(lake, blobs, pipeline, decided_at=None, partitions_upto=["all"])
    assert training_set.decided_at == frame["ended"].max() + timedelta(microseconds=1)  # type: ignore[operator]
    assert (rows.height, training_set.immature) == (300, 0)


# -- labels in another table (S17) ----------------------------------------------------------------


def reported_case(lake: Lake, blobs: Blobs, label: str, **changes: object) -> pl.DataFrame:
    """Trips reported 0, 6.9, 7 and 7.1 days after they began, and 30 days late; the rest never."""
    pipeline = labelled_trips.pipeline(label, **changes)
    frame = labelled_trips.rows(600)
    at = frame["at"].to_list()
    after = [(0, 0.1, 50.0), (0, 3.0, 5.0), (1, 6.9, 50.0), (2, 7.0, 5.0), (3, 7.1, 50.0), (4, 30.0, 5.0)]
    ids = [*range(5), *range(200, 240), *range(440, 460)]
    later = [(trip, 1.0, 20.0 if trip % 2 else 2.0) for trip in ids[5:]]
    reports = [(n, trip, at[trip] + days * DAY, loss) for n, (trip, days, loss) in enumerate([*after, *later])]
    labelled_trips.fill(lake, pipeline, frame, labelled_trips.report_rows(reports))
    return built(lake, blobs, pipeline)[1]


def test_unreported_until_maturity_is_false_and_known_from_then_on_s17(lake: Lake, blobs: Blobs) -> None:
    rows = reported_case(lake, blobs, "absence")
    first = rows.head(5)
    assert first["_label"].to_list() == [True, True, True, False, False]
    known = (first["_label_known_at"] - first["at"]).to_list()
    assert known == [0.1 * DAY, 6.9 * DAY, 7 * DAY, 7 * DAY, 7 * DAY]
    young = rows.filter(pl.col("at") >= D - 7 * DAY)
    assert young["_label"].all()  # nothing young is known to be false
    old = pl.col("at") < D - 7 * DAY
    assert rows.filter(old).height == labelled_trips.rows(600).filter(old).height


def test_without_maturity_an_example_without_a_report_has_no_label_s17(lake: Lake, blobs: Blobs) -> None:
    with pytest.raises(TrainingError, match=r"one class in train \(always True\), holdout"):
        reported_case(lake, blobs, "presence")


def test_of_several_reports_the_latest_event_gives_the_value_s17(lake: Lake, blobs: Blobs) -> None:
    rows = reported_case(lake, blobs, "value")
    assert rows.head(3)["_label"].to_list() == [False, True, False]
    assert rows.height == 65


def test_a_report_corrected_later_was_there_from_its_first_version_s6_s17(lake: Lake, blobs: Blobs) -> None:
    pipeline, frame = labelled_trips.pipeline("absence"), labelled_trips.rows(600)
    at = frame["at"].to_list()
    reports = labelled_trips.report_rows([(n, n, at[n] + DAY, 1.0) for n in (*range(20), *range(430, 470))])
    table = labelled_trips.validated(reports, "reported")
    late = pl.lit(D - DAY).cast(pl.Datetime("us", "UTC"))
    old = table.with_columns(_superseded_at=pl.when(pl.col("report") < 2).then(late))
    new = table.head(1).with_columns(_known_at=late, _usable_at=late, _file=pl.lit("f2"))
    labelled_trips.fill(lake, pipeline, frame, reports)
    from ml_platform.lake.transaction import Author, write

    with write(lake, Author("test")) as tx:  # report 0 was corrected, report 1 withdrawn
        tx.replace("validated", "reports", pl.concat([old, new]), partition="all")
    _, rows = built(lake, blobs, pipeline)
    assert rows.head(3)["_label"].to_list() == [True, False, True]
    assert rows["_label_known_at"][0] == at[0] + DAY


def test_a_report_from_before_the_prediction_is_no_answer_to_it_s17(lake: Lake, blobs: Blobs) -> None:
    pipeline, frame = labelled_trips.pipeline("absence"), labelled_trips.rows(600)
    at = frame["at"].to_list()
    early = [(0, 0, at[0] - 3 * DAY, 1.0), (1, 1, at[1] - 3 * DAY, 1.0), (2, 1, at[1] + DAY, 1.0)]
    later = [(n, n, at[n] + DAY, 1.0) for n in (*range(5, 20), *range(430, 470))]
    labelled_trips.fill(lake, pipeline, frame, labelled_trips.report_rows([*early, *later]))
    _, rows = built(lake, blobs, pipeline)
    assert rows.head(2)["_label"].to_list() == [False, True]
    assert rows["_label_known_at"][1] == at[1] + DAY


# -- what is refused, and what is only counted ------------------------------------------------------


def test_one_class_is_refused_with_the_part_named(lake: Lake, blobs: Blobs) -> None:
    pipeline = labelled_trips.pipeline()
    frame = labelled_trips.rows(400).with_columns(
        late=pl.when(pl.col("at") >= D - 14 * DAY).then(-1.0).otherwise("late")
    )
    labelled_trips.fill(lake, pipeline, frame)
    with pytest.raises(TrainingError, match=r"one class in holdout \(always False\)"):
        built(lake, blobs, pipeline)


def test_one_class_in_validation_matters_only_when_it_stops_the_training(lake: Lake, blobs: Blobs) -> None:
    frame = labelled_trips.rows(400).with_columns(
        late=pl.when(pl.col("at").is_between(D - 21 * DAY, D - 14 * DAY, closed="left")).then(-1.0).otherwise("late")
    )
    labelled_trips.fill(lake, labelled_trips.pipeline(), frame)
    built(lake, blobs, labelled_trips.pipeline())
    with pytest.raises(TrainingError, match="one class in validation"):
        built(lake, blobs, labelled_trips.pipeline(trainer=LightGBM(early_stopping=5)))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_labels_that_are_no_numbers_are_refused_and_counted(lake: Lake, blobs: Blobs, value: float) -> None:
    pipeline = labelled_trips.pipeline("regression")
    frame = labelled_trips.rows(400).with_columns(
        late=pl.when(pl.col("trip") < 2).then(pl.lit(value)).otherwise("late")
    )
    labelled_trips.fill(lake, pipeline, frame)
    with pytest.raises(TrainingError, match="NaN or infinite: 2 in train"):
        built(lake, blobs, pipeline)


def test_infinite_features_are_refused_by_name(lake: Lake, blobs: Blobs) -> None:
    pipeline = labelled_trips.pipeline()
    frame = labelled_trips.rows(400).with_columns(km=pl.when(pl.col("trip") == 3).then(float("inf")).otherwise("km"))
    labelled_trips.fill(lake, pipeline, frame)
    with pytest.raises(TrainingError, match=r"Features are infinite: far \(1 row\), km \(1 row\)"):
        built(lake, blobs, pipeline)


def test_an_empty_part_is_refused_by_name_and_leaves_no_blob(lake: Lake, blobs: Blobs) -> None:
    pipeline = labelled_trips.pipeline()
    labelled_trips.fill(lake, pipeline, labelled_trips.rows(200, days=40))
    with pytest.raises(TrainingError, match="No labelled example is in the part holdout"):
        built(lake, blobs, pipeline)
    assert [path for path in blobs.folder.rglob("*") if path.is_file()] == []


def test_no_rows_at_all_are_refused(lake: Lake, blobs: Blobs) -> None:
    pipeline = labelled_trips.pipeline()
    labelled_trips.fill(lake, pipeline, labelled_trips.rows(200))
    with pytest.raises(TrainingError, match="train and validation and holdout"):
        built(lake, blobs, pipeline, partitions_upto=["2012-12"])


def test_too_few_labels_are_counted_and_no_error(lake: Lake, blobs: Blobs) -> None:
    pipeline = labelled_trips.pipeline()
    labelled_trips.fill(lake, pipeline, labelled_trips.rows(40))
    counted = ready(lake, blobs, pipeline)
    assert not counted.enough
    assert counted.lacking == "40 labels are known and 50 are needed"


def test_an_empty_part_is_a_reason_not_to_train(lake: Lake, blobs: Blobs) -> None:
    pipeline = labelled_trips.pipeline()
    labelled_trips.fill(lake, pipeline, labelled_trips.rows(200, days=40))
    counted = ready(lake, blobs, pipeline)
    assert (counted.enough, counted.lacking) == (False, "no labelled example is in the part holdout")


def test_what_the_ledger_keeps_of_a_training_set_comes_back(lake: Lake, blobs: Blobs) -> None:
    import json

    pipeline = labelled_trips.pipeline(split=Split(validation=0.2, holdout=0.2))
    labelled_trips.fill(lake, pipeline, labelled_trips.rows(300))
    training_set, _ = built(lake, blobs, pipeline)
    assert TrainingSet.from_details(json.loads(json.dumps(training_set.to_details()))) == training_set
