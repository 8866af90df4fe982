"""A digest of rows that does not depend on their order, on the code that reads them or on its version."""

import hashlib
import json

import polars as pl


def digest(frame: pl.DataFrame) -> str:
    """SHA-256, in hex, over the sorted rows as JSON; columns in order of name, moments as text in UTC."""
    rows = frame.select(sorted(frame.columns)).rows()
    lines = sorted(json.dumps(row, default=str) for row in rows)
    return hashlib.sha256("\n".join([*sorted(frame.columns), *lines]).encode()).hexdigest()
