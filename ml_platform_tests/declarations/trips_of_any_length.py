"""`trip_delay` after its contract was mended: trips may be longer."""

import dataframely as dy

from ml_platform_tests import scenario


class Trips(scenario.Trips):
    """One ordered trip, however long."""

    km = dy.Float64(min=0, max=1000)


trip_delay = scenario.trips(tables=[scenario.trips_table(contract=Trips), scenario.traffic, scenario.drivers])
