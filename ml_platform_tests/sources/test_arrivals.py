"""An arrival that nobody declared is later than any before it, whatever the clock shows (S6, S51)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from ml_platform.sources.withdrawing import withdraw
from ml_platform.spec.tables import Table
from ml_platform.state.files import by_path, chain, standing, versions
from ml_platform_tests.ingestion_sandbox import IngestionSandbox, customers
from ml_platform_tests.machine_clock import MachineClock, machine_clock

DAY = timedelta(days=1)
ADA, EVA, KURT = ("id,name\n1,Ada\n", "id,name\n1,Eva\n", "id,name\n1,Kurt\n")


@pytest.fixture
def shown() -> Iterator[MachineClock]:
    with machine_clock() as one:
        yield one


def _history(sandbox: IngestionSandbox, table: Table) -> list[str]:
    """The names that the one customer ever had, in the order in which they were known."""
    return sandbox.validated(table).sort("_known_at")["name"].to_list()


def _current(sandbox: IngestionSandbox, table: Table) -> list[str]:
    return sandbox.validated(table).filter(pl.col("_superseded_at").is_null())["name"].to_list()


def _assert_in_order(sandbox: IngestionSandbox, table: Table) -> None:
    """Every version that was ever current is still in the chain of its path, and read order is arrival order."""
    recorded = versions(sandbox.state, table.name)
    for of_path in by_path(recorded).values():
        assert len(chain(of_path)) == len([v for v in of_path if v.status != "refused"])


def test_a_correction_under_a_clock_that_was_set_back_erases_nothing(
    sandbox: IngestionSandbox, shown: MachineClock
) -> None:
    table = customers()
    for days, content in ((0, ADA), (-1, EVA), (-400, KURT)):
        shown.shift = days * DAY
        sandbox.put("customers/all.csv", content)
        sandbox.run(table)
    assert _history(sandbox, table) == ["Ada", "Eva", "Kurt"], "a past value is still what was known then"
    assert _current(sandbox, table) == ["Kurt"]
    _assert_in_order(sandbox, table)


def test_the_newest_of_several_files_counts_though_the_clock_was_set_back(
    sandbox: IngestionSandbox, shown: MachineClock
) -> None:
    table = customers(on_conflict="latest")
    for days, name, content in ((0, "z.csv", ADA), (-1, "a.csv", EVA)):
        shown.shift = days * DAY
        sandbox.put(f"customers/{name}", content)
        sandbox.run(table)
    assert _current(sandbox, table) == ["Eva"]


def test_an_arrival_that_was_declared_is_before_those_that_nobody_declares_after_it(sandbox: IngestionSandbox) -> None:
    table = customers(on_conflict="latest")
    ahead = datetime.now(UTC) + 30 * DAY
    sandbox.land(table, "customers/z.csv", ADA, ahead)
    sandbox.run(table)
    sandbox.put("customers/a.csv", EVA)
    sandbox.run(table)
    sandbox.put("customers/z.csv", KURT)
    sandbox.run(table)
    assert _current(sandbox, table) == ["Kurt"]
    arrivals = [v.arrival for v in sorted(versions(sandbox.state, table.name), key=lambda v: v.arrival)]
    assert arrivals[0] == ahead and len(set(arrivals)) == 3
    assert sandbox.state.clock_behind() == timedelta(), "a person's date moves no clock"


def test_a_file_withdrawn_or_renamed_under_a_clock_that_was_set_back_ends_after_it_began(
    sandbox: IngestionSandbox, shown: MachineClock
) -> None:
    table = customers()
    file = sandbox.put("customers/jan.csv", ADA)
    sandbox.run(table)
    shown.shift = -DAY
    file.rename(sandbox.landing / "customers/2024-01.csv")
    assert sandbox.ingest(table).renamed == {"customers/2024-01.csv": "customers/jan.csv"}
    sandbox.run(table)
    assert _current(sandbox, table) == ["Ada"]
    shown.shift = -2 * DAY
    withdraw(sandbox.state, sandbox.stores.settings, "customers", "2024-01.csv", why="wrong", actor="eva")
    sandbox.run(table)
    assert _current(sandbox, table) == [] and _history(sandbox, table) == ["Ada"]
    shown.shift = -3 * DAY
    sandbox.put("customers/2024-02.csv", EVA)
    sandbox.run(table)
    assert _current(sandbox, table) == ["Eva"]
    assert [v.path for v in standing(sandbox.state, table.name) if v.rows] == ["customers/2024-02.csv"]
    _assert_in_order(sandbox, table)


def test_content_that_is_read_again_keeps_its_arrival(sandbox: IngestionSandbox, shown: MachineClock) -> None:
    table = customers()
    sandbox.put("customers/all.csv", ADA)
    sandbox.run(table)
    (before,) = versions(sandbox.state, table.name)
    shown.shift = -DAY
    sandbox.put("customers/all.csv", ADA)
    sandbox.run(table)
    assert [v.arrival for v in versions(sandbox.state, table.name)] == [before.arrival]
