import polars as pl

from ml_platform.lake.catalog_tables import has_table
from ml_platform.lake.connection import Lake
from ml_platform.lake.transaction import Author, write


def test_a_table_is_there_from_its_commit_on_until_it_is_dropped(lake: Lake) -> None:
    names = [("s", "it's {a}"), ("r", "t"), ("s", "t")]
    for schema, table in names:
        assert not has_table(lake, schema, table)
        with write(lake, Author("t")) as tx:
            tx.append(schema, table, pl.DataFrame({"v": range(0)}))
        with lake.reading():
            assert has_table(lake, schema, table) == bool(lake.columns(schema, table))
        assert not has_table(lake, schema, "other")
    with write(lake, Author("t")) as tx:
        tx.execute("DROP TABLE s.t")
    assert not has_table(lake, "s", "t")
    assert lake.columns("s", "t") == {}
