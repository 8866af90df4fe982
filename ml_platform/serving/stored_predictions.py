"""Predictions that the batch made, by key, in the online store: asking for one costs one read and no model."""

import hashlib
import json
from typing import Any

from ml_platform.serving.online_store import StoredValues

_VALUE_NUMBER = 1  # of a stored value


def predictions_fingerprint(pipeline: str) -> bytes:
    """What the names of a pipeline's stored predictions begin with."""
    return hashlib.sha256(json.dumps(["predictions", _VALUE_NUMBER, pipeline]).encode()).digest()[:8]


def stored_prediction(store: StoredValues, pipeline: str, key: str) -> dict[str, Any] | None:
    """The newest prediction of a key: `at`, `score`, `scores`, `class`, `version`, `scored_at`; None without one."""
    [value] = store.read([prediction_name(predictions_fingerprint(pipeline), key)])
    return None if value is None else dict(json.loads(value))


def prediction_name(prefix: bytes, key: str) -> bytes:
    """The name of the value of a key."""
    return prefix + b"=" + key.encode("utf-8", "surrogatepass")  # the prefix alone names the bounds
