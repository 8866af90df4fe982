"""Texts that mean "no value": for a whole CSV, or for one column of any file, in a real lake."""

import dataframely as dy
import polars as pl

from ml_platform.spec.sources import Files
from ml_platform.spec.tables import Table
from ml_platform.validation.screenings import rule_version, screening_key
from ml_platform_tests.ingestion_sandbox import IngestionSandbox


class Visit(dy.Schema):
    """One visit."""

    id = dy.Int64(primary_key=True)
    country = dy.String(nullable=True)
    dose = dy.Float64(nullable=True)


def _visits(pattern: str = "visits/*.csv", **options: object) -> Table:
    return Table("visits", Files(pattern, **options), contract=Visit)  # type: ignore[arg-type]  # the options of Files


def _rows(sandbox: IngestionSandbox, table: Table) -> list[tuple[object, ...]]:
    sandbox.run(table)
    return sandbox.stores.lake.rows("SELECT id, country, dose FROM validated.visits ORDER BY id")


def test_a_column_of_its_own_texts_keeps_what_means_nothing_elsewhere(sandbox: IngestionSandbox) -> None:
    sandbox.put("visits/a.csv", "id,country,dose\n1,NA,-\n2,,NA\n3,None,0.5\n")
    table = _visits(column_nulls={"country": [""], "dose": ["", "NA", "-"]})
    assert _rows(sandbox, table) == [(1, "NA", None), (2, None, None), (3, "None", 0.5)]


def test_texts_of_a_typed_file_are_null_only_where_a_column_says_so(sandbox: IngestionSandbox) -> None:
    lines = ['{"id": 1, "country": "NA", "dose": "-"}', '{"id": 2, "country": "", "dose": "0.5"}']
    sandbox.put("visits/a.ndjson", "\n".join(lines))
    table = _visits("visits/*.ndjson", column_nulls={"dose": ["-"]})
    assert _rows(sandbox, table) == [(1, "NA", None), (2, "", 0.5)]


def test_a_file_without_a_column_that_is_named_is_refused_and_the_others_go_on(sandbox: IngestionSandbox) -> None:
    sandbox.put("visits/a.csv", "id,land,country,dose\n1,NA,DE,1\n")
    sandbox.put("visits/b.csv", "id,country,dose\n2,DE,1\n")
    table = _visits(column_nulls={"land": [""]})
    sandbox.run(table)
    assert [row[0] for row in sandbox.stores.lake.rows("SELECT id FROM validated.visits")] == [1]


def test_texts_of_a_column_are_part_of_the_key_and_none_leave_it_as_it_was() -> None:
    plain, own = _visits(), _visits(column_nulls={"country": [""]})
    assert screening_key(plain, {}) != screening_key(own, {}) and rule_version(plain) != rule_version(own)
    assert list(plain.source.null_texts) == ["", "NA"], "as in the keys of lakes from before"


def test_columns_that_are_no_text_have_no_null_texts() -> None:
    rows = pl.DataFrame({"id": [1], "country": ["NA"]})
    assert _visits(column_nulls={"id": ["1"]}).source.with_nulls(rows)["id"].to_list() == [1]
