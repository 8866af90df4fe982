"""One hostile text, and how to see that an output shows it and does not obey it."""

import re
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

from markdown_it import MarkdownIt

RAN = "document.title='ran'"  # what a script of the data would do to a page
HOSTILE = (
    f'</script><script>{RAN}</script><!--<script><img src=x onerror="{RAN}"><svg onload={RAN}>'  # a browser
    "\x1b]0;ran\x07\x1b]8;;http://a.invalid\x1b\\l\x1b[2J\x9b31m\u202e\u2066ran\u2028"  # a terminal, directions
    "[red]r[/red] [link=http://a.invalid]l[/link] :smile:"  # rich
    f"![p](http://a.invalid/p) [l](javascript:{RAN}) <http://a.invalid> `c` **b** |d| &lt;b&gt; $x$"  # Markdown
    "\nerror forged\r{0}"  # a line of ours, a format
)
FILE = "<img src=x onerror=document.title='ran'>\x1b]0;ran\x07\u202e[red]r.csv"  # the same as the name of a file

_TABLES = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])  # as permissive as it gets
_SVG = "{http://www.w3.org/2000/svg}"


class Page(HTMLParser):
    """The tags, the attributes and the texts of some HTML; `scripts` and `styles` are no texts."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []  # tag, name, value
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script":
            self.scripts.append(data)
        elif self.cdata_elem is None:
            self.texts.append(data)

    @property
    def text(self) -> str:
        """All that is read, in one."""
        return "".join(self.texts)

    def assert_runs_nothing(self) -> None:
        """No handler, no frame, and nothing that is loaded from elsewhere."""
        assert not [one for one in self.attributes if one[1].startswith("on")]
        assert not {"iframe", "object", "embed", "base", "form", "link"} & set(self.tags)
        loaded = [value for tag, name, value in self.attributes if name in ("src", "srcset", "data", "poster")]
        assert all(value.startswith("data:") for value in loaded)
        links = [value for _, name, value in self.attributes if name in ("href", "xlink:href", "action")]
        assert not [value for value in links if re.match(r"\s*javascript:|.*a\.invalid", value)]


def markdown_page(text: str) -> Page:
    """Markdown as a page that keeps raw HTML. It runs nothing and has no element but those that we write."""
    page = Page(_TABLES.render(text))
    page.assert_runs_nothing()
    allowed = {"h1", "h2", "p", "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "strong", "em", "code", "img"}
    assert set(page.tags) <= allowed
    return page


def svg_texts(picture: bytes) -> list[str]:
    """The texts of an SVG. It is well-formed, and holds no script, no link and nothing foreign."""
    found = []
    for element in ElementTree.fromstring(picture).iter():
        name = element.tag.removeprefix(_SVG)
        assert name not in ("script", "foreignObject", "a", "iframe"), name
        assert not [one for one in element.attrib if one.lower().startswith("on")]
        links = [value for one, value in element.attrib.items() if one.endswith("href")]
        assert all(value.startswith(("#", "data:image/png;")) for value in links)
        if name == "text":
            found.append("".join(element.itertext()))
    assert_printed("".join(found))
    return found


def assert_printed(output: str) -> None:
    """Nothing in it commands a terminal or turns the direction of writing, and no line of it is forged."""
    assert {sign for sign in output if sign != "\n" and not sign.isprintable()} == set()
    assert not [line for line in output.splitlines() if line.startswith("error forged")]


def texts_of(value: Any) -> list[str]:
    """Every text in a value of JSON."""
    if isinstance(value, dict):
        return [text for pair in value.items() for one in pair for text in texts_of(one)]
    if isinstance(value, list):
        return [text for one in value for text in texts_of(one)]
    return [value] if isinstance(value, str) else []
