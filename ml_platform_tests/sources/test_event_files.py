"""Files of events (S36) are read by the table whose events they hold, whatever the patterns of other tables are."""

from pathlib import Path

import dataframely as dy
import polars as pl
import pytest

from ml_platform.errors import SourceUnavailable
from ml_platform.settings import Settings
from ml_platform.sources.landed import landed, strays
from ml_platform.spec.sources import Files
from ml_platform.spec.tables import Table


class Numbers(dy.Schema):
    """A number."""

    id = dy.Int64(primary_key=True)


@pytest.mark.parametrize("pattern", ["**/*.parquet", "*/*/*.parquet", "**"])
def test_no_pattern_of_another_table_reads_events(tmp_path: Path, pattern: str) -> None:
    settings = Settings(data=tmp_path, max_files=2)
    event, own = "_events/events/00000000000000000001.parquet", "a/b/1.parquet"
    for path in (event, own, "_events/events/00000000000000000002.parquet"):
        file = settings.landing / path
        file.parent.mkdir(parents=True, exist_ok=True)
        pl.DataFrame({"id": [1]}).write_parquet(file)
    other, events = (
        Table("other", Files(pattern, format="parquet"), Numbers),
        Table("events", Files("events/*.csv"), Numbers),
    )
    assert list(landed(settings, other)) == [own]
    assert event in landed(settings, events)
    assert strays(settings, [other, events]) == []
    assert {stray.path for stray in strays(settings, [other])} >= {event}
    (settings.landing / "a/b/2.parquet").write_bytes(b"")
    (settings.landing / "a/b/3.parquet").write_bytes(b"")
    with pytest.raises(SourceUnavailable, match="more than 2 files"):  # of its own
        landed(settings, other)
