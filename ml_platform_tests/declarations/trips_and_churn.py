"""The scenario as it is: trips by month, and churn without partitions."""

from ml_platform_tests import scenario

trip_delay = scenario.trips()
churn = scenario.churn()
