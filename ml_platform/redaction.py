"""Secrets of this process, and texts without them.

Whoever reads a credential gives it to `hide`: the settings do so with every secret field, a database source with its
address. Every message of an error, a log or an alert passes `without_secrets`. Rows of data do not: they stay as they
are.
"""

import base64
import html
import json
import logging
import re
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from urllib.parse import quote, quote_plus, unquote, unquote_plus

BLOT = "***"
_SHORT = 6  # characters: a shorter secret is blotted out only where it stands alone, not inside other words
_LEAST = 3  # characters: fewer are in every text
_TOKEN = 6  # characters: a shorter part of an alert's address is no token
_WORD = 12  # letters: a lower-case word up to this length in an address is a path of the service, such as `services`
# The options of libpq, and the names that people give them, whose values are secrets.
SECRET_OPTIONS = ("password", "sslpassword", "passwd", "oauth_client_secret", "scram_client_key", "scram_server_key")
_OPTION = re.compile(rf"\b({'|'.join(SECRET_OPTIONS)})(\s*=\s*)('(?:\\.|[^'\\])*'|(?:\\.|[^\s&'\"\\])+)", re.IGNORECASE)
_USERINFO = re.compile(r"(://[^\s/:@]*:)(?!password@|\*\*\*@)[^\s/@]+@")
_PARTS = re.compile(r"[/:@?&=,;#\s]+")

_hidden: frozenset[str] = frozenset()
_pattern: re.Pattern[str] | None = None


def hide(*secrets: str) -> None:
    """Blot these secrets out of every later text of this process, in all the forms in which a text may hold them."""
    global _hidden, _pattern  # noqa: PLW0603  # one registry a process: an error does not know whose settings it met
    new = {form for secret in secrets if len(secret) >= _LEAST for form in _forms(secret)} - _hidden
    if not new:
        return
    _hidden |= new
    # The longest first: a part must not break what holds it.
    longest_first = sorted(_hidden, key=lambda form: (-len(form), form))
    _pattern = re.compile("|".join(_matching(form) for form in longest_first))


def hide_database_address(address: str) -> None:
    """Hide the address of a database (a URL or libpq's `key=value` words) and every password that it holds.

    A malformed address is taken in every way in which a driver may read it.
    """
    hide(address, *passwords(address))


def hide_alert_address(address: str) -> None:
    """Hide an address of apprise and every part of it that may be a token or a password."""
    rest = address.partition("://")[2]
    hide(address, rest if len(rest) >= _TOKEN and not _is_host(rest) else "", *passwords(address), *_tokens(address))


def without_secrets(text: str) -> str:
    """`text` with `***` for every hidden secret, and for whatever else is written like a password.

    >>> without_secrets("cannot connect to postgresql://ml:sesame@host/lake")
    'cannot connect to postgresql://ml:***@host/lake'
    >>> without_secrets("cannot connect to host=db password='open sesame' user=ml")
    'cannot connect to host=db password=*** user=ml'
    """
    if _pattern is not None:
        text = _pattern.sub(BLOT, text)
    if "://" in text:
        text = _USERINFO.sub(rf"\1{BLOT}@", text)
    return _OPTION.sub(rf"\1\2{BLOT}", text)


def without_address(address: str, text: str) -> str:
    """`without_secrets(text)`, and without any part of this address of apprise; the scheme may stay.

    For what a service says of the address. There every part may be a token, also one that is a word.

    >>> without_address("ntfy://kitchen/x", "expected kitchen/x: no topic kitchen")
    'expected ***/***: no topic ***'
    """
    parts = {part for part in _PARTS.split(address.partition("://")[2]) if part}
    longest_first = sorted({form for part in parts for form in _forms(part)}, key=lambda form: (-len(form), form))
    text = without_secrets(text)
    return re.sub("|".join(map(_matching, longest_first)), BLOT, text) if longest_first else text


def holds_secret(text: str) -> bool:
    """Whether a hidden secret is in the text."""
    return _pattern is not None and _pattern.search(text) is not None


class SecretFreeRecords(logging.Filter):
    """A filter for the logger of a library: its records hold no secret, whoever handles them."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = without_secrets(record.getMessage()), ()
        return True


def passwords(address: str) -> set[str]:
    """What may be a password in the address of a database or a service."""
    candidates = {_unescaped(value) for _, _, value in _OPTION.findall(address)}
    rest = address.partition("://")[2]
    if rest:
        # A password may hold an @ or a / that is not encoded: up to the first @, and up to the last.
        for userinfo in (rest.partition("@")[0], rest.rpartition("@")[0]):
            if "@" in rest and ":" in userinfo:
                candidates.add(userinfo.partition(":")[2])
    return {password for password in candidates if password}


def _tokens(address: str) -> Iterator[str]:
    for part in _PARTS.split(address.partition("://")[2]):
        plain_word = part.isascii() and part.isalpha() and part.islower() and len(part) <= _WORD
        if len(part) >= _TOKEN and not plain_word and not _is_host(part):
            yield part


def _is_host(part: str) -> bool:
    """Whether a part of an address is the name of a machine, such as hooks.example.com or 127.0.0.1."""
    try:
        ip_address(part.strip("[]"))
    except ValueError:
        return re.fullmatch(r"[\w-]+(\.[\w-]+)*\.[a-z]{2,}", part) is not None
    return True


def _unescaped(value: str) -> str:
    """A value of libpq's words as libpq reads it."""
    inner = value[1:-1] if value.startswith("'") else value
    return re.sub(r"\\(.)", r"\1", inner)


def _forms(secret: str) -> set[str]:
    plain = {secret, unquote(secret), unquote_plus(secret)}
    escaped = {form for text in plain for form in _escaped(text)}
    nested = {form for text in escaped for form in _escaped_as_text(text)}  # JSON within JSON, a repr within JSON
    encoded = {base64.b64encode(text.encode()).decode() for text in plain}
    return {form for form in plain | escaped | nested | encoded if form}


def _escaped(text: str) -> Iterable[str]:
    quoted = (quote(text, safe=""), quote(text), quote_plus(text))
    yield from quoted
    yield from (re.sub(r"%[0-9A-F]{2}", lambda code: code[0].lower(), form) for form in quoted)
    yield from (text.replace("'", "''"), text.replace("\\", "\\\\").replace("'", "\\'"))
    yield from (html.escape(text), html.escape(text, quote=False))
    yield from _escaped_as_text(text)


def _escaped_as_text(text: str) -> Iterable[str]:
    yield repr(text)[1:-1]
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]


def _matching(form: str) -> str:
    pattern = re.escape(form)
    return rf"(?<!\w){pattern}(?!\w)" if len(form) < _SHORT else pattern
