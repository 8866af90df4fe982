"""Will a customer leave within two weeks? Week by week, retrained every month (IBM's Telco sample)"""

import dataframely as dy
import polars as pl

from ml_platform import (
    AtLeast,
    AtMost,
    Derived,
    Drift,
    Examples,
    Files,
    Latency,
    Lookup,
    ModelPipeline,
    NoWorseThanChampion,
    OverfitGap,
    Provenance,
    Retrain,
    Since,
    Size,
    Split,
    Table,
    Weekly,
    Window,
)
from ml_platform.pipelines.churn_snapshot import KNOWN, Customer, churn_snapshot, clean_customers, spending


class Snapshot(Customer):
    """One customer on the day of a snapshot; the days are generated, the rest is real."""

    taken_at = dy.Datetime(time_zone="UTC", description="when the customer was looked at (generated)")
    settled_at = dy.Datetime(time_zone="UTC", description="two weeks later, when it is known whether they left")


class Logins(dy.Schema):
    """One login to the customers' pages (generated)."""

    login = dy.Int64(primary_key=True, description="number of the login")
    customer = dy.String(description="who logged in")
    at = dy.Datetime(time_zone="UTC", description="when")


class Calls(dy.Schema):
    """One call to the support line (generated)."""

    call = dy.Int64(primary_key=True, description="number of the call")
    customer = dy.String(description="who called")
    at = dy.Datetime(time_zone="UTC", description="when it began")
    noted_at = dy.Datetime(time_zone="UTC", description="when it was written down, a quarter of an hour later")


class Contracts(dy.Schema):
    """One kind of contract."""

    contract = dy.String(primary_key=True, description="its name")
    months = dy.Int32(min=1, max=60, description="how long it binds")


snapshots = Table(
    "customers",
    Files("customers/*.csv"),
    contract=Snapshot,
    clean=clean_customers,
    event_time="taken_at",
    known_at="settled_at",
    description="Customers, each looked at once, on a generated day",
)
logins = Table(
    "logins", Files("logins/*.csv"), contract=Logins, event_time="at", description="Logins of customers (generated)"
)
calls = Table(
    "calls",
    Files("calls/*.csv"),
    contract=Calls,
    event_time="at",
    known_at="noted_at",
    description="Calls to the support line (generated)",
)
contracts = Table("contracts", Files("contracts.csv"), contract=Contracts, description="Kinds of contracts")

churn = ModelPipeline(
    name="churn",
    description="Will a customer leave within two weeks of a snapshot?",
    owners=["team:customers"],
    partitions=Weekly(since="2024-01-01", until="2024-04-29"),
    tables=[snapshots, logins, calls, contracts],
    examples=Examples("customers", key="customer", at="taken_at", inputs=KNOWN, label="churned"),
    features=[
        spending,
        Lookup("contracts", on="contract", take=["months"]),
        Since("logins", on="customer"),
        Window("logins", by="customer", of=None, over=["7d", "28d"]),
        Window("calls", by="customer", of=None, over=["28d"]),
        Derived(
            logins_slowing=pl.col("logins__rows_count_7d_by_customer") * 4
            - pl.col("logins__rows_count_28d_by_customer")
        ),
    ],
    trainer=churn_snapshot.trainer,
    split=Split(validation="2d", holdout="28d"),  # of the holdout, the labels of the last 14 days are not known yet
    gates=[
        AtLeast("roc_auc", 0.78),
        AtLeast("roc_auc", 0.72, by="female"),
        AtMost("brier", 0.18),
        NoWorseThanChampion("roc_auc", tolerance=0.03),
        OverfitGap("roc_auc", at_most=0.15),
        Provenance(acknowledged={"settled_at": "Whether a customer left is settled two weeks after each snapshot."}),
        Latency(p99_ms=5),
        Size(mb=2),
    ],
    drift=Drift(nulls=0.3),  # the logs begin with the first week: of early examples, more had not logged in yet
    retrain=Retrain(every="1mo", min_examples=2_000),
)
