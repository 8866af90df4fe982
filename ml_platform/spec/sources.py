"""The sources that a table may be declared with. Which module reads each of them stands in SOURCES."""

import re
from dataclasses import field

from ml_platform.errors import DeclarationError
from ml_platform.escaping import markdown_code
from ml_platform.spec.declared_files import DeclaredFiles
from ml_platform.spec.dlt_source import Dlt
from ml_platform.spec.frames_source import Frames
from ml_platform.spec.patterns import matches
from ml_platform.spec.sql_source import Sql
from ml_platform.spec.vocabulary import word

__all__ = ["SOURCES", "AnySource", "Dlt", "Files", "Frames", "Objects", "Sql"]


@word
class Files(DeclaredFiles):
    """Files in the landing folder.

    CSV, Parquet, NDJSON and JSON (an array of objects) are read. All but Parquet may be compressed with gzip (`.gz`)
    or zip (`.zip`).

    Args:
        pattern: A glob relative to the landing folder, such as `flights/*.csv`.
        format: csv, parquet, ndjson or json; default: from the suffix.
        nulls: The texts that mean "no value" in every column of a CSV.
        column_nulls: The texts that mean "no value" in single columns, in place of `nulls`, by the column's name in the
            file. They hold in text columns of every format. Empty: every text is a value.
        separator: The character between CSV columns.
        encoding: How text is encoded: a name that Python knows, such as "cp1252" or "utf-16"; default: UTF-8.

    Raises:
        DeclarationError: For a pattern that leaves the landing folder, for a suffix that tells no format, and for an
            unknown encoding.

    >>> Files("flights/*.csv.gz").row_format
    'csv'
    >>> Files("visits/*.csv", column_nulls={"country": [""]}).null_texts  # NA is Namibia
    ('', 'NA', {'country': ('',)})
    """

    @property
    def lies_in(self) -> str:
        return "the landing folder"

    @property
    def phrase(self) -> str:
        return (
            f"every row of every file that landed as {markdown_code(self.pattern)}, as text where the file is text, "
            "with its file and row number"
        )

    @property
    def changes_with(self) -> str:
        return "a new or replaced file in the landing folder"

    @property
    def advice(self) -> str:
        return (
            "a file that cannot be read stays where it is and is listed under *refused* with the reason and the "
            "remedy; the others go on."
        )

    @property
    def correction(self) -> str:
        return "Correct the file where it is, or remove it."

    @property
    def taking_back(self) -> str:
        return "Land it again with `ml-platform land` to take it back."

    @property
    def absence(self) -> str:
        return f"no file has landed as `{self.pattern}`"

    @property
    def in_landing_folder(self) -> bool:
        return True

    def covers(self, path: str) -> bool:
        return matches(self.pattern, path)


@word
class Objects(DeclaredFiles):
    """Objects of a bucket of S3, or of a store that speaks its protocol, read where they are.

    Each is a file, read as `Files` reads it. Address and credentials come from the environment: `AWS_ACCESS_KEY_ID`,
    `AWS_SECRET_ACCESS_KEY`, and where they are wanted `AWS_SESSION_TOKEN`, `AWS_REGION` and `AWS_ENDPOINT_URL` (of
    another store than Amazon's). Without a key, requests are anonymous.

    Args:
        pattern: A glob over the keys of the bucket, such as `orders/*.csv`.
        bucket: The name of the bucket.
        environment: What the names of those variables begin with, in place of AWS.
        format, nulls, column_nulls, separator, encoding: As in `Files`.

    Raises:
        DeclarationError: As `Files` does, and for what is no name of a bucket or of variables.

    >>> Objects("orders/*.csv", bucket="shop-data").credentials
    ('AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN')
    """

    bucket: str = field(kw_only=True)
    environment: str = field(default="AWS", kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        where = f"Objects({self.pattern!r})"
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", self.bucket):
            raise DeclarationError(
                where,
                f"bucket={self.bucket!r} is no name of a bucket",
                remedy="Write its name alone, without s3:// and without folders.",
            )
        if not re.fullmatch(r"[A-Z][A-Z0-9_]*", self.environment):  # it may be a secret: it is not told
            raise DeclarationError(
                where,
                "environment= is no beginning of names of environment variables",
                remedy="Write ARCHIVE for ARCHIVE_ACCESS_KEY_ID and so on, or leave it out for AWS_ACCESS_KEY_ID.",
            )

    @property
    def address(self) -> str:
        """The bucket as a URL; a version's path is this and its key.

        >>> Objects("orders/*.csv", bucket="shop-data").address
        's3://shop-data/'
        """
        return f"s3://{self.bucket}/"

    @property
    def lies_in(self) -> str:
        return self.address

    @property
    def credentials(self) -> tuple[str, ...]:
        return (f"{self.environment}_SECRET_ACCESS_KEY", f"{self.environment}_SESSION_TOKEN")

    @property
    def phrase(self) -> str:
        return (
            f"every row of every object {markdown_code(self.address + self.pattern)}, as text where it is text, with "
            "the object and its row number"
        )

    @property
    def changes_with(self) -> str:
        return f"a new or replaced object in {markdown_code(self.address)}"

    @property
    def advice(self) -> str:
        return (
            "a bucket that cannot be asked is shown under *unavailable* with the reason and the remedy, and raises an "
            "alert; an object that cannot be read stays where it is and is listed under *refused*; the others go on."
        )

    @property
    def correction(self) -> str:
        return "Correct the object where it is, or remove it."

    @property
    def taking_back(self) -> str:
        return "It stays out until the object is written with other content."

    @property
    def absence(self) -> str:
        return f"no object of `{self.address}{self.pattern}` is there"


AnySource = Dlt | Files | Frames | Objects | Sql
# word → its module in `ml_platform.sources`
SOURCES: dict[type, str] = {Dlt: "dlt", Files: "files", Frames: "frames", Objects: "objects", Sql: "sql"}
