"""Text of others is shown, never run: one function for each place where people see it.

Values, columns, file names, reasons and owners may hold commands to a terminal, markup and scripts. Whatever
shows them calls one of these functions:

    printable      a line on a terminal, in a log or in an error; `lines` where line breaks belong to the text
    one_line       a cell or a label, where signs that are not printed would only disturb
    html_text      within an element or a quoted attribute of HTML or SVG
    script_json    JSON within a script element
    markdown_text  Markdown; `markdown_code` as a code span
    spreadsheet_text  a cell of CSV

`page_policy` is the second lock: what a page of the platform may load and run.
"""

import base64
import hashlib
import re
from collections.abc import Iterable
from html import escape

# What Markdown reads as more than itself, wherever it stands. Underscores within a word are only themselves.
_MEANING = re.compile(r"[\\`*\[\]<>|~&]|(?<!\w)_+|_+(?!\w)")
_FIRST = re.compile(r"^(\d{0,9})([-+=#.)])(?=[-+=#\s]|$)")  # and at the start: a list, a heading, a line
_TICKS = re.compile(r"`+")
_FORMULAS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # the last four are wide forms of the others


def printable(text: str) -> str:
    """`text` as one line, with everything that is not printed as escapes: commands to a terminal, turns of writing.

    >>> printable("red \\x1b[31m")
    'red \\\\x1b[31m'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def lines(text: str) -> str:
    """`text` with its line breaks, each line `printable`.

    >>> lines("one\\ntwo\\r\\x1b[A")
    'one\\ntwo\\\\r\\\\x1b[A'
    """
    return "\n".join(map(printable, text.split("\n")))


def one_line(text: str, length: int | None = None) -> str:
    """`text` on one line of at most `length` characters; runs of blanks and of what is not printed become one blank.

    >>> one_line("a\\x1b[31m\\n  b", 6)
    'a [31…'
    """
    if length is not None:
        text = text[: length * 4]  # of a text of megabytes the rest is not looked at
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if length is None or len(line) <= length else f"{line[: length - 1]}…"


def html_text(text: str) -> str:
    """`text` within an element or a quoted attribute of HTML, or within SVG.

    >>> html_text("<b>\\x00")
    '&lt;b&gt;\\\\x00'
    """
    return escape(printable(text))


def spreadsheet_text(text: str) -> str:
    """The text for a cell of a file that a spreadsheet opens: one that it would take for a formula follows a `'`.

    >>> spreadsheet_text("=1+1"), spreadsheet_text("1+1")
    ("'=1+1", '1+1')
    """
    return f"'{text}" if text.lstrip().startswith(_FORMULAS) else text


def script_json(json: str) -> str:
    """A JSON text that cannot end the script element it stands in. It stays the same JSON.

    >>> script_json('["</script>"]')
    '["\\\\u003c/script>"]'
    """
    return json.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def markdown_text(text: str, length: int | None = None) -> str:
    """`text` on one line (see `one_line`) that Markdown shows as it is, also within a cell of a table.

    >>> markdown_text("[x](http://a) <b> 2 * 3")
    '\\\\[x\\\\](http://a) \\\\<b\\\\> 2 \\\\* 3'
    """
    line = _MEANING.sub(lambda signs: "".join(f"\\{sign}" for sign in signs[0]), one_line(text, length))
    return _FIRST.sub(r"\1\\\2", line)


def markdown_code(text: str) -> str:
    """`text` on one line as a code span outside tables, whatever signs are in it.

    >>> markdown_code("a`b")
    '``a`b``'
    """
    line = one_line(text) or " "
    fence = "`" * (max(map(len, _TICKS.findall(line)), default=0) + 1)
    room = " " if line[0] == "`" or line[-1] == "`" else ""
    return f"{fence}{room}{line}{room}{fence}"


NO_SCRIPT = (  # styles and pictures that are part of the page, and nothing else
    "default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; base-uri 'none'; "
    "form-action 'none'"
)


def page_policy(scripts: Iterable[str]) -> str:
    """The Content-Security-Policy of a page that is whole in one file and runs these scripts alone, by their hashes."""
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{one}'" for one in hashes)
    return f"{NO_SCRIPT}; script-src {allowed}" if allowed else NO_SCRIPT


_POLICY = re.compile(r'\s*<!DOCTYPE html>\s*<html lang="en">\s*<head><meta http-equiv="([\w-]+)" content="([ !#-~]+)">')


def with_policy(page: str, policy: str) -> str:
    """The page with the policy as the first element of its head, where it counts for all that follows."""
    return page.replace("<head>", f'<head><meta http-equiv="Content-Security-Policy" content="{policy}">', 1)


def page_without_script(title: str, style: str, body: str) -> str:
    """A whole page in one file that runs no script and loads nothing from elsewhere.

    Args:
        title: Text, which is escaped.
        style: CSS.
        body: HTML; all text in it is escaped already.

    >>> "<title>a &lt; b</title>" in page_without_script("a < b", "", "<p>text</p>")
    True
    """
    page = (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html_text(title)}</title><style>{style}</style></head><body>{body}</body></html>\n"
    )
    return with_policy(page, NO_SCRIPT)


def policy_of(page: str) -> str:
    """The policy at the beginning of a page; NO_SCRIPT for a page that has none.

    >>> page = with_policy('<!DOCTYPE html><html lang="en"><head></head></html>', page_policy(["go()"]))
    >>> policy_of(page).removeprefix(NO_SCRIPT)
    "; script-src 'sha256-5KYv+PUboo5h+0+YAtGRPbwv5d/QxzHslP4YGnUaxRw='"
    """
    match = _POLICY.match(page)
    return match[2] if match is not None and match[1] == "Content-Security-Policy" else NO_SCRIPT
