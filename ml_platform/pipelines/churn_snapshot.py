"""Will a customer of a telephone company leave? One snapshot, without time (IBM's Telco sample, 2017)"""

import dataframely as dy
import polars as pl

from ml_platform import (
    AtLeast,
    AtMost,
    Derived,
    Examples,
    Files,
    Latency,
    LightGBM,
    ModelPipeline,
    NoWorseThanChampion,
    OverfitGap,
    Size,
    Split,
    Table,
)


class Customer(dy.Schema):
    """One customer, as known on the day of a snapshot."""

    customer = dy.String(primary_key=True, description="number of the customer")
    female = dy.Bool(description="whether a woman")
    senior_citizen = dy.Bool(description="65 or older")
    partner = dy.Bool(description="lives with a partner")
    dependents = dy.Bool(description="lives with children or parents")
    tenure = dy.Int32(min=0, max=100, description="months as a customer")
    phone_service = dy.Bool(description="has a telephone line")
    multiple_lines = dy.String(description="Yes, No, No phone service")
    internet_service = dy.String(regex="^(DSL|Fiber optic|No)$", description="how the internet comes")
    online_security = dy.String(description="Yes, No, No internet service; as those below")
    online_backup = dy.String(description="copies of files")
    device_protection = dy.String(description="insurance of devices")
    tech_support = dy.String(description="help with technical matters")
    streaming_tv = dy.String(description="television")
    streaming_movies = dy.String(description="films")
    contract = dy.String(regex="^(Month-to-month|One year|Two year)$", description="how long it binds")
    paperless_billing = dy.Bool(description="bills come by e-mail")
    payment_method = dy.String(description="how bills are paid")
    monthly_charges = dy.Float64(min=0, max=500, description="dollars a month")
    total_charges = dy.Float64(min=0, max=20_000, description="dollars so far; 0 before the first bill")
    churned = dy.Bool(description="left afterwards")


def clean_customers(customers: pl.DataFrame) -> pl.DataFrame:
    """Flags become truths; whoever has not had a bill yet has paid nothing."""
    flags = ["female", "senior_citizen", "partner", "dependents", "phone_service", "paperless_billing"]
    return customers.with_columns(
        *(pl.col(flag) == "1" for flag in flags),
        total_charges=pl.when(pl.col("tenure") == "0").then(pl.lit("0")).otherwise("total_charges"),
        churned=pl.col("churn") == "Yes",
    )


customers_once = Table(
    "customers_once",
    Files("customers_once.csv"),
    contract=Customer,
    clean=clean_customers,
    description="All customers on one day, and whether they left afterwards",
)

KNOWN = [name for name in Customer.columns() if name not in ("customer", "churned")]
spending = Derived(  # the charge of today against what was paid for a month so far
    charge_trend=pl.col("monthly_charges") * pl.col("tenure").clip(1, 100) - pl.col("total_charges"),
    charge_a_month=pl.col("total_charges") / pl.col("tenure").clip(1, 100),
)

churn_snapshot = ModelPipeline(
    name="churn_snapshot",
    description="Will a customer leave, judged by one snapshot of all customers?",
    owners=["team:customers"],
    tables=[customers_once],
    examples=Examples("customers_once", key="customer", inputs=KNOWN, label="churned"),
    features=[spending],
    trainer=LightGBM(num_leaves=6, learning_rate=0.05, rounds=200),
    split=Split(validation=0.1, holdout=0.25),
    gates=[
        AtLeast("roc_auc", 0.80),
        AtLeast("roc_auc", 0.75, by="female"),
        AtMost("brier", 0.16),
        NoWorseThanChampion("roc_auc", tolerance=0.02),
        OverfitGap("roc_auc", at_most=0.08),
        Latency(p99_ms=5),
        Size(mb=2),
    ],
)
