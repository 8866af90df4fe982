"""Texts in one spelling, before they are hashed (S61)."""

import unicodedata


def normalised(text: str) -> str:
    """NFKC, case folded, and NFKC again, as folding may undo it.

    Unicode promises both to be stable for characters that it has, so every version of Python gives the same.

    >>> normalised("Straße ﬁne")
    'strasse fine'
    """
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
