"""Expressions and spans in words."""

import polars as pl
import pytest

from ml_platform.spec.expression_wording import expression_in_words, span_in_words
from ml_platform.spec.expressions import to_portable
from ml_platform_tests.spec.test_expressions import EXPRESSIONS


@pytest.mark.parametrize("expression", EXPRESSIONS.values(), ids=EXPRESSIONS.keys())
def test_every_expression_that_can_be_stored_can_be_put_in_words(expression: pl.Expr) -> None:
    phrase = expression_in_words(to_portable(expression, "test"))
    assert phrase and "{" not in phrase
    for column in expression.meta.root_names():
        assert column in phrase


def test_parts_are_bracketed_where_they_would_be_misread() -> None:
    phrase = expression_in_words(to_portable((pl.col("a") - pl.col("b")) / 2, "test"))
    assert phrase == "(a - b) / 2"
    choice = pl.when(pl.col("a") > 0).then(pl.lit("up")).otherwise(pl.lit(None))
    assert expression_in_words(to_portable(choice, "test")) == 'if a > 0 then "up", else nothing'


def test_spans_are_counted() -> None:
    assert [span_in_words(span) for span in ("1d", "3h", "90s", "2w")] == ["1 day", "3 hours", "90 seconds", "2 weeks"]
