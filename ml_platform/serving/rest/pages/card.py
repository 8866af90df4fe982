"""The page of a model card: its Markdown as HTML. Of Markdown only headings, tables, lists, emphasis and code count."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ml_platform.escaping import lines
from ml_platform.serving.rest.pages.layout import links, page

if TYPE_CHECKING:
    from markdown_it.token import Token

_NEVER = ("link", "image", "autolink", "reference", "html_block", "html_inline")  # a card holds texts of others


def card_page(pipeline: str, version: int, card: str) -> str:
    """The page.

    >>> html = card_page("delay", 7, "# delay@7\\n<b>\\n\\n| gate | value |\\n|---|---|\\n| roc_auc | 0.7 |")
    >>> "<h1>delay@7</h1>" in html, "&lt;b&gt;" in html, '<td data-label="value">0.7</td>' in html
    (True, True, True)
    """
    from markdown_it import MarkdownIt

    markdown = MarkdownIt("commonmark", {"html": False}).enable("table").disable(list(_NEVER))
    tokens = markdown.parse(lines(card))
    _label_cells(tokens)
    body = markdown.renderer.render(tokens, markdown.options, {})
    return page(f"{pipeline}@{version}", f"{links([('Service', '/')])}{body}")


def _label_cells(tokens: "Iterable[Token]") -> None:
    """Give each cell the head of its column, which a phone shows beside it; not in a table of names and values."""
    heads: list[str] = []
    column, opened = 0, ""
    for token in tokens:
        if token.type == "table_open":
            heads = []
        elif token.type == "tr_open":
            column = 0
        elif token.type == "td_open":
            token.attrSet("data-label", heads[column] if all(heads) else "")
            column += 1
        elif token.type == "inline" and opened == "th_open":
            heads.append(token.content)
        opened = token.type
