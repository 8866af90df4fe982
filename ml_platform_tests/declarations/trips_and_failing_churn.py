"""Trips by month, and a churn whose gates no candidate can pass."""

from ml_platform import AtLeast
from ml_platform_tests import scenario

trip_delay = scenario.trips()
churn = scenario.churn(gates=[AtLeast("roc_auc", 0.55), AtLeast("roc_auc", 0.9999, min_rows=5)])
