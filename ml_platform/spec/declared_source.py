"""What a declared source says of itself: how its rows are to be read, and its words. Nothing here reads anything."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import polars as pl


class DeclaredSource(ABC):
    """What every source of a table says of itself, so that nobody else asks which kind it is."""

    @property
    @abstractmethod
    def row_format(self) -> str | None:
        """What its rows come as, such as `csv`; part of screening's content key, and shown beside the asset."""

    @property
    @abstractmethod
    def reading(self) -> Mapping[str, Any]:
        """What decides how a version of it is read: with another value, versions are read anew."""

    @property
    @abstractmethod
    def phrase(self) -> str:
        """Which rows these are, as a phrase that follows "as they came: "."""

    @property
    @abstractmethod
    def changes_with(self) -> str:
        """What makes a new version of it, as a phrase."""

    @property
    @abstractmethod
    def advice(self) -> str:
        """What to know when it cannot be read, as a sentence."""

    @property
    @abstractmethod
    def correction(self) -> str:
        """What to do about a version that was refused, as a sentence."""

    @property
    @abstractmethod
    def absence(self) -> str:
        """That it has no rows yet, as a clause."""

    @property
    @abstractmethod
    def taking_back(self) -> str:
        """What to do about a version that was withdrawn, to have its rows again, as a sentence."""

    @property
    def credentials(self) -> tuple[str, ...]:
        """The names of the environment variables that may hold a password of it."""
        return ()

    @property
    def in_landing_folder(self) -> bool:
        """Whether its versions are files of the landing folder."""
        return False

    @property
    def may_lose_versions(self) -> bool:
        """Whether a version may go away while its rows stand, as a file does that somebody removes."""
        return False

    @property
    def lies_in(self) -> str:
        """Where versions went away from, for people; asked of a source that `may_lose_versions`."""
        return ""

    @property
    def null_texts(self) -> tuple[Any, ...]:
        """Texts that mean "no value" in its rows, and a mapping for single columns; part of screening's content key."""
        return ()

    @property
    def named_columns(self) -> tuple[str, ...]:
        """Columns of its rows that the declaration names. A version without them is refused."""
        return ()

    def with_nulls(self, rows: pl.DataFrame) -> pl.DataFrame:
        """`rows` with null for what means "no value" in this source."""
        return rows

    def covers(self, path: str) -> bool:
        """Whether a file at `path`, relative to the landing folder, would be one of its own."""
        return False
