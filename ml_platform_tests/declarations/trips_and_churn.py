"""What ML_PLATFORM_PIPELINES names in these tests: the two small worlds of the scenario."""

from ml_platform_tests import scenario

trip_delay = scenario.trips()
churn = scenario.churn()
