"""STARTER: state in one sentence what is predicted, for whom and when.

This module loads and runs as it is: land CSV files with the columns of the contract in STARTER/ under the landing
folder. Then adapt the contract, the examples, the features and the gates.
"""

import dataframely as dy
import polars as pl

from ml_platform import AtLeast, Derived, Examples, Files, LightGBM, ModelPipeline, Retrain, Size, Split, Table


class Customers(dy.Schema):
    """The contract: one customer as seen on one day. A row that breaks it goes to quarantine, with its reasons."""

    customer = dy.String(primary_key=True, description="who")
    taken_at = dy.Datetime(primary_key=True, time_zone="UTC", description="when they were looked at")
    plan = dy.String(nullable=True, description="what they pay for")
    spending = dy.Float64(nullable=True, min=0, description="EUR in the month before")
    churned = dy.Bool(nullable=True, description="the label: whether they left within 30 days")
    settled_at = dy.Datetime(time_zone="UTC", nullable=True, description="when the answer became known")


customers = Table(
    "STARTER_customers",
    Files("STARTER/*.csv"),
    contract=Customers,
    event_time="taken_at",  # when a row happened
    known_at="settled_at",  # when its outcome was known: no feature and no training sees it before
)

STARTER = ModelPipeline(
    "STARTER",
    description="Whether a customer leaves within 30 days.",
    owners=["team:yours"],
    tables=[customers],
    examples=Examples(
        "STARTER_customers",
        key=("customer", "taken_at"),
        at="taken_at",
        inputs=["plan", "spending"],  # known at that time; every other column is an outcome
        label="churned",
    ),
    features=[Derived(weekday=pl.col("taken_at").dt.weekday())],
    trainer=LightGBM(num_leaves=7, rounds=50, learning_rate=0.1),
    split=Split(validation=0.1, holdout=0.3),
    gates=[AtLeast("roc_auc", 0.6), Size(mb=5)],
    retrain=Retrain(min_examples=100),
)
