"""Keys that are spelt otherwise match nothing: the check that says so, per file and against earlier files."""

import dataframely as dy
import pytest

from ml_platform.quality.checks import CheckResult, Reference, run_checks
from ml_platform.spec.sources import Files
from ml_platform.spec.tables import Table
from ml_platform_tests.ingestion_sandbox import MONTHS, IngestionSandbox


class Visit(dy.Schema):
    """One visit of a customer."""

    customer = dy.String(primary_key=True)
    at = dy.Datetime(primary_key=True, time_zone="UTC")


class Customer(dy.Schema):
    """One customer."""

    customer = dy.String(primary_key=True)


VISITS = Table("visits", Files("visits/*.csv"), Visit, event_time="at")
CUSTOMERS = Table("customers", Files("customers.csv"), Customer)
TO_CUSTOMERS = Reference("customers", {"customer": "customer"})
TO_EARLIER = Reference("visits", {"customer": "customer"}, timed=True)
NAMES = [f"a{n:02}" for n in range(40)]


def land_visits(sandbox: IngestionSandbox, month: int, names: list[str], file: str = "") -> None:
    rows = [f"{name},2013-{month:02}-{1 + i % 28:02}T{i // 28:02}:00:00Z" for i, name in enumerate(names)]
    sandbox.put(f"visits/{month}{file}.csv", "\n".join(["customer,at", *rows]) + "\n")


def matched(sandbox: IngestionSandbox, partition: str, *references: Reference) -> CheckResult:
    sandbox.run(CUSTOMERS)
    sandbox.run(VISITS)
    results = run_checks(sandbox.stores, VISITS, partition, references, MONTHS)
    return next(result for result in results if result.name == "matches")


@pytest.fixture
def shop(sandbox: IngestionSandbox) -> IngestionSandbox:
    """A table of customers, of whom 30 of 40 are known, and a month of visits."""
    sandbox.put("customers.csv", "\n".join(["customer", *NAMES[:30]]) + "\n")
    land_visits(sandbox, 1, NAMES)
    return sandbox


def test_the_first_file_has_nothing_to_compare_with(shop: IngestionSandbox) -> None:
    result = matched(shop, "2013-01", TO_CUSTOMERS)
    assert result.passed and result.description == "There is nothing yet to compare with."


def test_keys_that_match_as_before_pass(shop: IngestionSandbox) -> None:
    land_visits(shop, 2, NAMES[5:])
    result = matched(shop, "2013-02", TO_CUSTOMERS)
    assert result.passed and result.description.startswith("customer → customers: 71.4% of 35 rows match; ")
    assert "at least 75.0% did" in result.description


@pytest.mark.parametrize(
    "spelt", [str.upper, "{}.0".format, "0{}".format, "{} ".format], ids=["case", "a point", "a zero", "a blank"]
)
def test_a_file_whose_keys_match_nothing_is_an_error_with_examples(shop: IngestionSandbox, spelt: object) -> None:
    assert callable(spelt)
    land_visits(shop, 2, [spelt(name) for name in NAMES])
    result = matched(shop, "2013-02", TO_CUSTOMERS)
    assert (result.passed, result.severity, result.value) == (False, "error", 0.0)
    assert result.description.startswith(
        "visits/2.csv: customer → customers: 0 of 40 rows match (0.0%); of every earlier file at least 75.0% matched"
    )
    assert f"Not matched: {spelt('a00')!r}, {spelt('a01')!r}" in result.description
    assert "customers has 'a00', 'a01', 'a02'" in result.description


def test_far_fewer_matches_are_a_warning_and_one_bad_file_is_found_beside_a_good_one(shop: IngestionSandbox) -> None:
    land_visits(shop, 2, [name.upper() for name in NAMES[:25]] + NAMES[25:])
    result = matched(shop, "2013-02", TO_CUSTOMERS)
    assert (result.passed, result.severity) == (False, "warn") and "5 of 40 rows" in result.description
    land_visits(shop, 3, NAMES)
    land_visits(shop, 3, [name.upper() for name in NAMES[:20]], file="b")
    result = matched(shop, "2013-03", TO_CUSTOMERS)
    assert result.passed  # February sets the least share, and 20 rows of it are too few to judge by


def test_a_bad_file_beside_a_good_one_of_the_same_month_is_named(shop: IngestionSandbox) -> None:
    land_visits(shop, 2, NAMES)
    land_visits(shop, 2, [name.upper() for name in NAMES], file="b")
    result = matched(shop, "2013-02", TO_CUSTOMERS)
    assert result.severity == "error" and result.description.startswith("visits/2b.csv: ")


def test_customers_who_came_before_and_now_are_all_new_are_an_error(shop: IngestionSandbox) -> None:
    land_visits(shop, 2, NAMES)
    assert matched(shop, "2013-02", TO_EARLIER).passed
    land_visits(shop, 3, [f"{name}.0" for name in NAMES])
    result = matched(shop, "2013-03", TO_EARLIER)
    assert (result.passed, result.severity) == (False, "error") and "customer → visits: 0 of 40" in result.description


def test_identifiers_that_never_come_again_are_not_judged(shop: IngestionSandbox) -> None:
    for month in (2, 3):
        land_visits(shop, month, [f"order {month} {n}" for n in range(40)])
    assert matched(shop, "2013-03", TO_EARLIER).passed


def test_a_handful_of_rows_is_no_evidence(shop: IngestionSandbox) -> None:
    land_visits(shop, 2, ["X", "Y", "Z"])
    assert matched(shop, "2013-02", TO_CUSTOMERS).passed


def test_without_partitions_the_newest_file_is_compared_with_the_others(shop: IngestionSandbox) -> None:
    class Order(dy.Schema):
        order = dy.Int64(primary_key=True)
        customer = dy.String()

    orders = Table("orders", Files("orders/*.csv"), Order)
    for i, spelt in enumerate((str, str, str.upper)):
        rows = [f"{100 * i + n},{spelt(name)}" for n, name in enumerate(NAMES)]
        shop.put(f"orders/{i}.csv", "\n".join(["order,customer", *rows]) + "\n")
        shop.run(orders)
    shop.run(CUSTOMERS)
    results = run_checks(shop.stores, orders, "all", [TO_CUSTOMERS], None)
    result = next(result for result in results if result.name == "matches")
    assert result.severity == "error" and result.description.startswith("orders/2.csv: ")
