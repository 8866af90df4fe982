"""A file that is written is there whole, or as it was before."""

import os
from pathlib import Path

import pytest

from ml_platform.lake import durable


@pytest.mark.parametrize("synced", [True, False])
def test_a_file_on_a_full_disk_stays_as_it_was(tmp_path: Path, synced: bool) -> None:
    file = tmp_path / "note.json"
    durable.write(file, b"before", synced=synced)
    (tmp_path / f"note.json.{os.getpid()}").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        durable.write(file, b"after", synced=synced)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"before"]
    durable.write(file, b"after", synced=synced)
    assert file.read_bytes() == b"after"


def test_folders_and_files_that_are_made_have_the_mode_that_was_asked_for(tmp_path: Path) -> None:
    durable.make_folder(tmp_path / "a" / "b", 0o700)
    durable.write(tmp_path / "a" / "b" / "file", b"", 0o600)
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / "a").rglob("*")] == [0o700, 0o600]
