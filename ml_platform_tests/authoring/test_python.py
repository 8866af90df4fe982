"""Python as text says what it was told to say, whatever the words are."""

import ast

from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.authoring.identifiers import class_name, column_names, table_name
from ml_platform.authoring.python import call, comment, docstring, finished, listed, mapping, text, written


@settings(deadline=None)
@given(st.text())
def test_a_literal_is_the_text_it_stands_for(value: str) -> None:
    assert ast.literal_eval(text(value)) == value and text(value).isprintable()


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=40), st.text(max_size=40)), st.lists(st.text(max_size=30)))
def test_what_is_broken_into_lines_is_still_the_same(pairs: dict[str, str], words: list[str]) -> None:
    made = finished(written(call("dict", listed([text(word) for word in words]), more=mapping(pairs)), "made = "))
    node = ast.parse(made).body[0]
    assert isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
    assert ast.literal_eval(node.value.args[0]) == words
    assert ast.literal_eval(node.value.keywords[0].value) == pairs


@settings(deadline=None)
@given(st.text())
def test_a_docstring_and_a_comment_cannot_break_out(said: str) -> None:
    for lines in (docstring(f"About {said}"), "\n".join(comment(said))):
        module = ast.parse(lines)
        assert len(module.body) <= 1 and all(len(line) <= 120 for line in lines.splitlines())


@settings(deadline=None)
@given(st.lists(st.text(max_size=60), max_size=20))
def test_every_column_gets_an_identifier_of_its_own(names: list[str]) -> None:
    found = column_names(names)
    assert len(set(found)) == len(found) == len(names)
    assert all(name.isidentifier() and name.isascii() and not name.startswith("_") for name in found)


def test_names_read_as_people_would_write_them() -> None:
    told = ["Monthly Charges (€)", "customerID", "Größe", "class", "filter", "2nd", "年龄", "a b", "a_b", "_x", "dy"]
    assert column_names(told) == [
        "monthly_charges_eur", "customer_id", "grosse", "class_", "filter_", "n2nd", "column_7", "a_b", "a_b_2", "x",
        "dy_",
    ]  # fmt: skip


def test_a_table_is_called_like_its_file_where_that_is_a_name() -> None:
    assert table_name("Messy Orders 2025", "refunds", []) == "messy_orders_2025"
    assert table_name("2025", "refunds", []) == table_name("class", "refunds", []) == "refunds_rows"
    assert table_name("orders", "refunds", ["orders"]) == table_name("refunds", "refunds", []) == "refunds_rows"
    assert (class_name("card_payments"), class_name("table")) == ("CardPayments", "TableRow")
