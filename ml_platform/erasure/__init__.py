"""Forgetting an entity everywhere: files, tables, blobs, logs, stores and texts, so that its bytes are gone (S47).

What is removed and how is here; that it was done is on record in `state.erasures`. Deciding what a correction or a
withdrawal means for history is not here: these keep their past, and forgetting rewrites it.
"""

from ml_platform.erasure.applying import Report
from ml_platform.erasure.entity import Entity, entity_of
from ml_platform.erasure.forgetting import forget, forget_again, resume

__all__ = ["Entity", "Report", "entity_of", "forget", "forget_again", "resume"]
