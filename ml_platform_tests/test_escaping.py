"""What is not our own text is shown as text, whatever it is."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.errors import FileRefused, PlatformError, first_line
from ml_platform.escaping import (
    html_text,
    lines,
    markdown_code,
    markdown_text,
    one_line,
    page_policy,
    policy_of,
    printable,
    script_json,
    spreadsheet_text,
    with_policy,
)
from ml_platform_tests.hostile_text import FILE, HOSTILE, Page, assert_printed, markdown_page

TEXT = st.text() | st.text(alphabet=list("<>&'\"`*_[]()|~\\!#-+=1. \n\t\x1b\x9b\u202eab")) | st.just(HOSTILE)


@given(TEXT)
def test_a_terminal_gets_signs_that_are_printed_and_all_of_them(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    if "\\" not in text:
        assert shown.encode("latin-1", "backslashreplace").decode("unicode_escape") == text
    assert lines(text).count("\n") == text.count("\n")
    assert_printed(lines(text.replace("error", "")))
    shown.encode()  # names of files hold halves of signs, which no terminal takes


@given(TEXT)
def test_no_cell_of_a_spreadsheet_is_a_formula_and_other_texts_are_as_they_are(text: str) -> None:
    cell = spreadsheet_text(text)
    assert not cell.strip().startswith(("=", "+", "-", "@"))
    assert cell in (text, f"'{text}")
    assert spreadsheet_text("\t=1+1") == "'\t=1+1" and spreadsheet_text("\uff1d1") == "'\uff1d1"
    assert spreadsheet_text("") == "" and spreadsheet_text("num_leaves=3") == "num_leaves=3"


@given(TEXT)
def test_html_shows_a_text_in_an_element_and_in_an_attribute(text: str) -> None:
    page = Page(f'<p title="{html_text(text)}">{html_text(text)}</p>')
    assert page.tags == ["p"]
    assert page.attributes == [("p", "title", printable(text))]
    assert page.text == printable(text)


@given(st.recursive(TEXT, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner)))
def test_json_in_a_script_is_the_same_json_and_stays_in_it(value: object) -> None:
    source = json.dumps(value, ensure_ascii=False)
    page = Page(f"<script>{script_json(source)}</script><p>after</p>")
    assert (page.tags, page.text) == (["script", "p"], "after")
    assert json.loads("".join(page.scripts)) == value


@given(TEXT)
def test_markdown_shows_a_text_alone_in_a_cell_in_a_list_and_as_code(text: str) -> None:
    whole = one_line(text)
    assert markdown_page(markdown_text(text)).text.strip() == whole
    cell = markdown_page(f"| a |\n|---|\n| {markdown_text(text)} |\n")
    assert cell.tags == ["table", "thead", "tr", "th", "tbody", "tr", "td"]
    assert [one.strip() for one in cell.text.split("\n") if one.strip()] == ["a", *([whole] if whole else [])]
    item = markdown_page(f"- {markdown_text(text)}")
    assert (item.tags, item.text.strip()) == (["ul", "li"], whole)
    code = markdown_page(f"a {markdown_code(text)} b")
    assert (code.tags, code.text) == (["p", "code"], f"a {whole or ' '} b\n")


def test_underscores_within_a_word_need_no_sign_before_them() -> None:
    assert markdown_text("late_mean_7d trips__late") == "late_mean_7d trips__late"
    assert markdown_text("__init__ _a b_ _") == r"\_\_init\_\_ \_a b\_ \_"


def test_a_line_is_cut_to_its_length() -> None:
    assert one_line("a\x00\n\u202e b" * 100, 7) == "a ba b…"
    assert markdown_text("*" * 9, 3) == "\\*\\*…"


def test_a_page_says_which_scripts_it_runs_and_only_at_its_beginning() -> None:
    page = '<!DOCTYPE html><html lang="en"><head><title>t</title></head><script>go()</script></html>'
    policy = page_policy(["go()"])
    assert "script-src 'sha256-5KYv+PUboo5h+0+YAtGRPbwv5d/QxzHslP4YGnUaxRw='" in policy
    assert policy_of(with_policy(page, policy)) == policy
    for other in (page, f"<p>{with_policy(page, policy)}", with_policy(page, "x\r\nSet-Cookie: a"), ""):
        assert policy_of(other) == page_policy([]) and "script-src" not in policy_of(other)


@pytest.mark.parametrize("text", [HOSTILE, FILE, "\udcff\x1b"], ids=["text", "file", "half a sign"])
def test_an_error_quotes_what_is_printed(text: str) -> None:
    refused = FileRefused(text, "not CSV", remedy=f"Look at {text!s}")
    for error in (refused, PlatformError(text)):
        assert all(line.isprintable() for line in str(error).split("\n"))
        assert error.what in str(error)
    assert str(refused).startswith(f"{printable(text)}: not CSV.")
    assert refused.path == text
    assert first_line(ValueError(text)).isprintable()
