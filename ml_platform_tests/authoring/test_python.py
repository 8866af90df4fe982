"""Python as text says what it was told to say, whatever the words are."""

import ast

from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.authoring.identifiers import class_name, column_names, table_name
from ml_platform.authoring.python import call, comment, commented, docstring


@settings(deadline=None)
@given(st.text())
def test_a_docstring_and_a_comment_cannot_break_out(words: str) -> None:
    for line in (docstring(f"About {words}"), comment(words)):
        assert len(ast.parse(line).body) <= 1 and "\n" not in line


def test_remarks_stand_above_their_argument() -> None:
    source = call("f", "1", commented("b=2", "why", "", "and how"), c="3")
    assert source == "f(1, \n# why\n# and how\nb=2, c=3)" and commented("b=2", "") == "b=2"


@settings(deadline=None)
@given(st.lists(st.text(max_size=60), max_size=20))
def test_every_column_gets_an_identifier_of_its_own(names: list[str]) -> None:
    clean = column_names(names)
    assert len(set(clean)) == len(clean) == len(names)
    assert all(name.isidentifier() and name.isascii() and not name.startswith("_") for name in clean)


def test_names_read_as_people_would_write_them() -> None:
    names = ["Monthly Charges (€)", "customerID", "Größe", "class", "filter", "2nd", "年龄", "a b", "a_b", "_x", "dy"]
    assert column_names(names) == [
        "monthly_charges_eur", "customer_id", "grosse", "class_", "filter_", "n2nd", "column_7", "a_b", "a_b_2", "x",
        "dy_",
    ]  # fmt: skip


def test_a_table_is_called_like_its_file_where_that_is_a_name() -> None:
    assert table_name("Messy Orders 2025", "refunds", []) == "messy_orders_2025"
    assert table_name("2025", "refunds", []) == table_name("class", "refunds", []) == "refunds_rows"
    assert table_name("orders", "refunds", ["orders"]) == table_name("refunds", "refunds", []) == "refunds_rows"
    assert (class_name("card_payments"), class_name("table")) == ("CardPayments", "TableRow")
