"""The scenario: every table, row and pipeline that more than one test starts from, and why each column is awkward.

It stands in three forms, because a bug in one layer must not hide in another:

- **as files that land** (`monthly_trips`, `customer_churn`): what a platform in a folder takes in, runs and
  trains. These names are here too: `scenario.trips()`, `scenario.trip_rows("2024-01")`.
- **as rows of the lake** (`labelled_trips`): feature rows and validated tables written straight in their
  layout, with every type of label, for tests of training that need no ingestion.
- **as single versions of rows** (`flights`, `songs`): dictionaries whose times count hours, for tests of
  features that set each clock by hand.

The classes of the contracts say what is awkward in each column. A test that needs another column changes a
frame; it does not add the column here.
"""

from ml_platform_tests.scenario.customer_churn import (
    SNAPSHOT,
    Calls,
    Customers,
    Logins,
    Plans,
    call_rows,
    calls,
    churn,
    customer_rows,
    customers,
    login_rows,
    logins,
    plan_rows,
    plans,
)
from ml_platform_tests.scenario.landing import NO_REPORT, csv
from ml_platform_tests.scenario.monthly_trips import (
    DRIVERS,
    MONTHS,
    ZONES,
    Drivers,
    Traffic,
    Trips,
    clean_trips,
    clean_trips_anew,
    driver_rows,
    drivers,
    traffic,
    traffic_rows,
    trip_rows,
    trips,
    trips_,
    trips_table,
)

__all__ = [
    "DRIVERS",
    "MONTHS",
    "NO_REPORT",
    "SNAPSHOT",
    "ZONES",
    "Calls",
    "Customers",
    "Drivers",
    "Logins",
    "Plans",
    "Traffic",
    "Trips",
    "call_rows",
    "calls",
    "churn",
    "clean_trips",
    "clean_trips_anew",
    "csv",
    "customer_rows",
    "customers",
    "driver_rows",
    "drivers",
    "login_rows",
    "logins",
    "plan_rows",
    "plans",
    "traffic",
    "traffic_rows",
    "trip_rows",
    "trips",
    "trips_",
    "trips_table",
]
