"""The page of a model card, whose Markdown is shown as it is."""

from ml_platform.escaping import html_text, lines
from ml_platform.serving.rest.pages.layout import links, page


def card_page(pipeline: str, version: int, card: str) -> str:
    """The page.

    >>> "<pre># delay@7\\n&lt;b&gt;</pre>" in card_page("delay", 7, "# delay@7\\n<b>")
    True
    """
    text = "\n".join(html_text(line) for line in lines(card).split("\n"))
    return page(f"{pipeline}@{version}", f"{links([('Service', '/')])}<pre>{text}</pre>")
