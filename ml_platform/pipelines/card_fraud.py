"""Will a card payment be charged back? Generated: data by the hour, decisions by the day, labels that are absences."""

import dataframely as dy
import polars as pl

from ml_platform import (
    AtLeast,
    Derived,
    Drift,
    Examples,
    Files,
    Hourly,
    Label,
    Latency,
    LightGBM,
    Lookup,
    ModelPipeline,
    NoWorseThanChampion,
    Retrain,
    Since,
    Size,
    Split,
    Table,
    Window,
)


class Payments(dy.Schema):
    """One payment with a card."""

    card = dy.String(primary_key=True, description="the card, by a token")
    number = dy.Int64(primary_key=True, min=1, description="of the card's payment, from 1")
    paid_at = dy.Datetime(time_zone="UTC", description="when it was asked for")
    cleared_at = dy.Datetime(time_zone="UTC", description="when it was booked, a minute or two later")
    amount = dy.Float64(min=0.01, max=20_000, description="euros")
    merchant = dy.String(description="who is paid")
    country = dy.String(min_length=2, max_length=2, description="where")


class Chargebacks(dy.Schema):
    """One payment that its cardholder disputes."""

    card = dy.String(primary_key=True, description="the card, by a token")
    number = dy.Int64(primary_key=True, min=1, description="of the card's payment")
    merchant = dy.String(description="who was paid")
    reported_at = dy.Datetime(time_zone="UTC", description="when the cardholder did")


class Cards(dy.Schema):
    """One card."""

    card = dy.String(primary_key=True, description="the card, by a token")
    home = dy.String(min_length=2, max_length=2, description="the country of its holder")


payments = Table(
    "payments", Files("payments/*.csv"), Payments, event_time="paid_at", known_at="cleared_at", identifiers=["card"]
)
chargebacks = Table(
    "chargebacks",
    Files("chargebacks/*.csv"),
    Chargebacks,
    event_time="reported_at",
    refresh="1d",  # features see them after the nightly load
    identifiers=["card", "merchant"],  # a day has a few of each, always others
)
cards = Table("cards", Files("cards.csv"), Cards)

card_fraud = ModelPipeline(
    name="card_fraud",
    description="Will a card payment be charged back, judged as it is asked for?",
    owners=["team:payments"],
    partitions=Hourly(since="2024-05-01T00", until="2024-05-09T00"),
    tables=[payments, chargebacks, cards],
    examples=Examples(
        "payments",
        key=["card", "number"],
        at="paid_at",
        inputs=["amount", "merchant", "country"],
        exclude=["merchant"],
        label=Label("chargebacks", on=["card", "number"], matures_after="1d"),
    ),
    features=[
        Lookup("cards", on="card", take=["home"]),
        Derived(abroad=pl.col("country") != pl.col("cards__home"), hour=pl.col("paid_at").dt.hour()),
        Window("payments", by="card", of="amount", agg=["count", "mean", "max"], over=["1h", "1d"]),
        Window("payments", by="card", of="merchant", agg=["n_unique"], over=["1d"]),
        Window("payments", by="card", of="country", agg=["n_unique"], over=["1d"]),
        Since("payments", on="card"),
        Window("chargebacks", by="merchant", of=None, over=["3d"]),
    ],
    trainer=LightGBM(num_leaves=7, learning_rate=0.1, rounds=60, min_data_in_leaf=10),
    split=Split(validation="12h", holdout="36h"),
    gates=[AtLeast("roc_auc", 0.75), NoWorseThanChampion("roc_auc", tolerance=0.05), Latency(p99_ms=5), Size(mb=5)],
    drift=Drift(report_rows=0),  # an hour has too few payments for a page
    retrain=Retrain(every="1d", min_examples=2_000),
)
