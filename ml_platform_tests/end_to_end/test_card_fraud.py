"""Card payments that were generated: a nightly table, labels that are absences, and hours with daily decisions."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from ml_platform import Daily, Retrain
from ml_platform.demo.card_payments import generated, land_card_fraud
from ml_platform.pipelines.card_fraud import card_fraud
from ml_platform.state import verdicts, versions
from ml_platform.training.training_set import TrainingSet
from ml_platform.views.status import months
from ml_platform_tests.world import World, world

BEGIN, DAY = datetime(2024, 5, 1, tzinfo=UTC), timedelta(days=1)
DECIDED = BEGIN + 3 * DAY
BY_DAY = replace(
    card_fraud, partitions=Daily("2024-05-01", until="2024-05-08"), retrain=Retrain(every=1, min_examples=2_500)
)
NIGHTLY = "chargebacks__rows_count_3d_by_merchant"


@pytest.fixture(scope="module")
def fraud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Three days in daily partitions: the first two are mature, and a version was trained after the third."""
    with closing(world(tmp_path_factory.mktemp("fraud") / "data", BY_DAY, pictures=True)) as made:
        cards, payments, chargebacks = generated(BEGIN, DECIDED + timedelta(hours=1))
        made.land("cards", "cards.csv", cards, BEGIN)
        made.land("chargebacks", "chargebacks_all.csv", chargebacks, DECIDED)
        made.land("payments", "payments_all.csv", payments, DECIDED)
        made.run()
        yield made


def _reports(fraud: World) -> pl.DataFrame:
    return fraud.frame("SELECT card, number, merchant, reported_at FROM validated.chargebacks")


def test_a_shorter_span_has_the_same_rows_so_nothing_is_drawn_from_the_future() -> None:
    _, long, reports = generated(BEGIN, BEGIN + timedelta(hours=9))
    _, short, early = generated(BEGIN, BEGIN + timedelta(hours=6))
    before = pl.col("paid_at") < BEGIN + timedelta(hours=6)
    assert short.filter(before).equals(long.filter(before))
    assert early.equals(reports.filter(pl.col("reported_at") < BEGIN + timedelta(hours=6)))


def test_a_nightly_table_is_seen_from_the_next_midnight_on_S5(fraud: World) -> None:
    """Naive: reports of the merchant in the three days before, of which the nightly load had taken in."""
    features = fraud.frame(f"SELECT card, number, merchant, paid_at, {NIGHTLY} FROM card_fraud.features")
    reports = _reports(fraud)
    loaded = {
        row: -(-(row[1] - BEGIN) // DAY) * DAY + BEGIN for row in reports.select("merchant", "reported_at").rows()
    }
    first = min(loaded.values())
    assert first == BEGIN + DAY
    for merchant, at, count in features.select("merchant", "paid_at", NIGHTLY).sample(600, seed=1).iter_rows():
        usable = [told for (who, told), load in loaded.items() if who == merchant and load < at]
        expected = sum(at - 3 * DAY <= told < at for told in usable)
        assert count == (expected if at > first else None), (merchant, at)
    assert features[NIGHTLY].max() > 3  # type: ignore[operator]  # a number: merchants that are in it stand out


def test_serving_sees_the_nightly_table_as_training_did_S5(fraud: World) -> None:
    (version,) = versions.versions(fraud.ws.state, "card_fraud")
    found = {v.gate: v for v in verdicts.of(fraud.ws.state, "card_fraud", version.version)}
    parity = next(v for gate, v in found.items() if "replayed" in gate)
    assert parity.passed is True and parity.rows > 0
    assert [gate for gate, v in found.items() if v.passed is False] == []
    assert [row["champion"] for row in months(fraud.ws, fraud.pipeline) if row["outcome"] == "promoted"] == [
        "card_fraud@1"
    ]


def test_an_absence_is_false_from_its_maturity_on_and_before_that_immature_and_counted_S17(fraud: World) -> None:
    stored = TrainingSet.from_details(fraud.result("card_fraud/training_set", "2024-05-03").details)
    rows = pl.read_parquet(fraud.ws.blobs.get(stored.digest))
    payments = fraud.frame(
        "SELECT card, number, paid_at FROM validated.payments WHERE paid_at < '2024-05-04T00:00:00Z'"
    )
    first = _reports(fraud).group_by("card", "number").agg(pl.col("reported_at").min())
    naive = payments.join(first, on=["card", "number"], how="left")
    disputed = pl.col("reported_at") <= pl.col("paid_at") + DAY
    naive = naive.with_columns(
        answer=pl.when(disputed & (pl.col("reported_at") < DECIDED))
        .then(True)
        .when(pl.col("paid_at") + DAY < DECIDED)
        .then(False)
    )
    assert stored.immature == naive["answer"].null_count() > 1_000
    expected = naive.drop_nulls("answer").sort("paid_at", "card", "number")
    assert rows.select("card", "number").equals(expected.select("card", "number"))
    assert rows["_label"].equals(expected["answer"].alias("_label"))
    absent = rows.filter(~pl.col("_label"))
    assert (absent["_label_known_at"] == absent["paid_at"] + DAY).all()


def test_performance_waits_for_the_last_label_because_reports_come_before_absences_S17(fraud: World) -> None:
    assert fraud.display("card_fraud/performance", "2024-05-03")["labels"] == "known from 2024-05-05 00:00 UTC on"
    assert fraud.frame("SELECT * FROM card_fraud.performance").height == 0
    assert fraud.run() == []


@pytest.mark.slow
def test_days_of_hours_train_once_a_day_and_what_was_promised_comes_true_S20(tmp_path: Path) -> None:
    with closing(world(tmp_path / "data", card_fraud, pictures=True)) as made:
        land_card_fraud(made.ws.settings, "2024-05-05T13")
        made.run()
        rows = months(made.ws, made.pipeline)
        decided = [row["partition"] for row in rows if row["outcome"] != "skipped"]
        assert len(rows) == 24 * 4 + 13 and all(partition.endswith("T23") for partition in decided[1:])
        assert "promoted" in {row["outcome"] for row in rows}
        later = [row["realised"] for row in rows if row["realised"] is not None]
        assert len(later) > 6 and sum(later) / len(later) > 0.75
        assert made.run() == []
