"""Rows out of CSV, NDJSON and JSON, with all other bytes as they were."""

import json
from collections.abc import Collection, Iterator
from typing import Literal, get_args

Format = Literal["csv", "ndjson", "json"]
_QUOTE, _LINE_ENDS = ord('"'), (ord("\n"), ord("\r"))


def as_format(row_format: str | None) -> Format:
    """The name of a format of text. Raises ValueError for another one."""
    for known in get_args(Format):
        if row_format == known:
            chosen: Format = known
            return chosen
    raise ValueError(f"{row_format!r} is no format of text")


def without_rows(content: bytes, row_format: Format, positions: Collection[int]) -> bytes:
    """The content without the rows at these positions, which count from 0 and leave out the header and blank lines.

    >>> without_rows(b'id,name\\r\\n1,"a\\n""b"\\r\\n\\r\\n2,c\\r\\n', "csv", {0})
    b'id,name\\r\\n\\r\\n2,c\\r\\n'
    """
    if row_format == "json" and content.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"["):
        rows = json.loads(content.decode("utf-8-sig"))
        return json.dumps([row for i, row in enumerate(rows) if i not in positions], ensure_ascii=False).encode()
    records = csv_records(content) if row_format == "csv" else iter(content.splitlines(keepends=True))
    kept: list[bytes] = []
    position = -1 if row_format == "csv" else 0
    single = row_format == "csv" and not _has_several_columns(content)
    for record in records:
        blank = not record.strip(b"\r\n") if row_format == "csv" else not record.strip()
        if blank and not (single and position >= 0):
            kept.append(record)
            continue
        if position not in positions:
            kept.append(record)
        position += 1
    return b"".join(kept)


def csv_records(content: bytes) -> Iterator[bytes]:
    """The records of a CSV with their line ends; a quoted cell may go over lines."""
    begin = position = 0
    quoted = False
    while position < len(content):
        byte = content[position]
        if byte == _QUOTE:
            quoted = not quoted
        elif byte in _LINE_ENDS and not quoted:
            if content[position : position + 2] == b"\r\n":
                position += 1
            yield content[begin : position + 1]
            begin = position + 1
        position += 1
    if begin < len(content):
        yield content[begin:]


def _has_several_columns(content: bytes) -> bool:
    """Whether a blank line is no row: in a CSV of one column it is one with an empty cell."""
    header = next(csv_records(content), b"")
    return any(separator in header for separator in (b",", b";", b"\t", b"|"))
