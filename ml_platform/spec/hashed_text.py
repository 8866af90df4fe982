"""`Hashed`: free text as counts of its n-grams (S61)."""

from typing import Literal

import polars as pl
from pydantic import Field

from ml_platform.errors import DeclarationError
from ml_platform.spec.declared_transform import TransformWord, Types
from ml_platform.spec.tasks import Task
from ml_platform.spec.vocabulary import Several, word

LONGEST = 10  # characters or words of an n-gram


@word
class Hashed(TransformWord):
    """Free text as counts of its n-grams, each in the bucket that its hash names. Nothing is learnt.

    A text is normalised (NFKC, case folded) and cut into words of letters, digits and underscores. The bucket of an
    n-gram is its CRC-32 in UTF-8, modulo `buckets`. A count above 255 is 255. A null text counts as an empty one.

    Args:
        columns: Texts of the model. Each has buckets of its own.
        ngrams: The least and the greatest number of words, or characters, of an n-gram; 1 to 10.
        buckets: Columns that a text becomes; 2 to 4,096. Different n-grams may share one.
        of: "words", or "characters" of the words, each with a space before and behind it.

    Raises:
        DeclarationError: For no column, one twice, and a number or a range of n-grams out of range.

    >>> Hashed("subject", ngrams=(1, 2), buckets=256).names
    ('subject',)
    """

    columns: str | Several[str]
    ngrams: tuple[int, int] = (1, 2)
    buckets: int = Field(default=256, ge=2, le=4096)
    of: Literal["words", "characters"] = "words"

    def __post_init__(self) -> None:
        self.check_names()
        least, greatest = self.ngrams
        if not 1 <= least <= greatest <= LONGEST:
            raise DeclarationError(
                "Hashed",
                f"ngrams={self.ngrams} is no range within 1 to {LONGEST}",
                remedy="Give the least and the greatest length, such as (1, 2).",
            )

    def misfit(self, dtype: pl.DataType) -> str:
        return "" if dtype == pl.String else "a text"

    def outputs(self, types: Types, task: Task) -> dict[str, pl.DataType]:
        """None that a later transform may name."""
        return {}
