"""Addresses of PostgreSQL: what is wrong with one, said without quoting it.

libpq quotes the part that it does not understand, and where a sign of the password was not encoded, that part is a
piece of the password. So an address is checked before libpq sees it.
"""

import re

_URL = re.compile(r"postgres(?:ql)?://")
_ENCODE = "write @ / : ? # % and blanks of a user or password percent-encoded: %40 %2F %3A %3F %23 %25 %20"
_QUOTE = r"put a value with blanks or quotes between single quotes, and write \' for each quote within it"
_OPTIONS = frozenset(  # of libpq
    {
        *("service", "user", "password", "passfile", "channel_binding", "connect_timeout", "dbname", "host"),
        *("hostaddr", "port", "client_encoding", "options", "application_name", "fallback_application_name"),
        *("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"),
        *("sslmode", "sslnegotiation", "sslcompression", "sslcert", "sslkey", "sslkeylogfile", "sslcertmode"),
        *("sslpassword", "sslrootcert", "sslcrl", "sslcrldir", "sslsni", "requirepeer", "require_auth"),
        *("requiressl", "min_protocol_version", "max_protocol_version", "ssl_min_protocol_version"),
        *("ssl_max_protocol_version", "gssencmode", "krbsrvname", "gsslib", "gssdelegation", "replication"),
        *("target_session_attrs", "load_balance_hosts", "scram_client_key", "scram_server_key", "oauth_issuer"),
        *("oauth_client_id", "oauth_client_secret", "oauth_scope", "ssl"),
    }
)
_WORD = re.compile(r"\s*(\w+)\s*=\s*('(?:\\.|[^'\\])*'(?=\s|$)|(?!')(?:\\.|[^\s\\])*)", re.DOTALL)


def fault(address: str) -> str:
    """What is wrong with the address, and how to correct it; empty when libpq can read it. Nothing of it is quoted.

    >>> fault("postgresql://ml:ses%2Fame@db.example.com:5432/lake"), fault("host=db user=ml password='open sesame'")
    ('', '')
    >>> fault("postgresql://ml:ses/ame@db/lake").partition(":")[0]
    'its user or password holds an @ or a / that is not encoded'
    """
    scheme = _URL.match(address)
    if scheme:
        return _fault_of_url(address[scheme.end() :])
    if re.match(r"\s*[\w+.-]+://", address):
        return "it is no address of PostgreSQL: write postgresql://user:password@host:port/name"
    return _fault_of_words(address)


def _fault_of_url(rest: str) -> str:
    if re.search(r"%(?![0-9A-Fa-f]{2})|%00|\s", rest):
        return f"it holds a blank, or a % that encodes nothing: {_ENCODE}"
    userinfo = re.match(r"[^@/]*@", rest)
    where, _, options = rest[userinfo.end() if userinfo else 0 :].partition("?")
    if "@" in where:
        return f"its user or password holds an @ or a / that is not encoded: {_ENCODE}"
    hosts = where.partition("/")[0]
    if not all(re.fullmatch(r"(\[[^\]]*\]|[^:\[\]]*)(:\d*)?", host) for host in hosts.split(",")):
        return f"its host or port is malformed: write host:port, and {_ENCODE}"
    names = [option.partition("=") for option in options.split("&") if option]
    if not all(equals and name in _OPTIONS for name, equals, _ in names):
        return f"behind the ? stands an option that libpq does not know: {_ENCODE}"
    return ""


def _fault_of_words(text: str) -> str:
    at, text = 0, text.rstrip()
    while at < len(text):
        word = _WORD.match(text, at)
        if word is None:
            return f"it is neither postgresql://user@host:port/name nor words such as host=… user=… dbname=…: {_QUOTE}"
        if word[1] not in _OPTIONS:
            return f"one of its words is no option of libpq: {_QUOTE}"
        if word[1] == "port" and not re.fullmatch(r"'?[\d,\s]*'?", word[2]):
            return "its port is no number: write port=5432"
        at = word.end()
    return ""
