import hashlib
import os
from pathlib import Path

import pytest

from ml_platform.errors import BlobError
from ml_platform.lake.blobs import Blobs, file_hash, remembered_hash
from ml_platform.settings import Settings


@pytest.fixture
def blobs(settings: Settings) -> Blobs:
    return Blobs(settings)


def test_the_same_bytes_are_one_blob(blobs: Blobs) -> None:
    assert blobs.put_bytes(b"abc") == blobs.put_bytes(b"abc")
    assert len(list(blobs.folder.glob("??/*"))) == 1
    assert blobs.get(blobs.put_bytes(b"abc")).read_bytes() == b"abc"


@pytest.mark.parametrize("size", [0, 65_535, 65_536, 65_537, 200_000])
def test_the_hash_of_a_file_of_any_size_is_that_of_all_its_bytes(tmp_path: Path, size: int) -> None:
    bytes_ = bytes(number % 251 for number in range(size))
    (tmp_path / "file").write_bytes(bytes_)
    assert file_hash(tmp_path / "file") == hashlib.sha256(bytes_).hexdigest()


def test_a_missing_blob_is_told_with_its_remedy(blobs: Blobs) -> None:
    assert not blobs.whole("0" * 64)
    with pytest.raises(BlobError, match=r"000000000000 is not in .*ml-platform run"):
        blobs.get("0" * 64)


def test_a_damaged_blob_of_the_same_size_is_found_and_mended_by_putting_it_again(blobs: Blobs) -> None:
    # S31
    digest = blobs.put_bytes(b"abc")
    blobs.path(digest).write_bytes(b"abd")
    assert not blobs.whole(digest)
    with pytest.raises(BlobError, match="is damaged"):
        blobs.get(digest)
    assert blobs.put_bytes(b"abc") == digest
    assert blobs.whole(digest)


def test_a_write_that_fails_leaves_nothing(blobs: Blobs) -> None:
    with pytest.raises(ZeroDivisionError), blobs.writing() as path:
        path.write_bytes(b"half")
        _ = 1 / 0
    assert [path for path in blobs.folder.rglob("*") if path.is_file()] == []


def test_a_hash_is_remembered_until_the_file_is_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(b"one")
    os.utime(file, (4e9, 4e9))  # a time of modification to come hinders nothing
    monkeypatch.setattr("ml_platform.lake.blobs._SETTLED", 0)
    first = remembered_hash(file)
    with monkeypatch.context() as patch:
        patch.setattr("ml_platform.lake.blobs.file_hash", lambda _: "read again")
        assert remembered_hash(file) == first
        kept = file.stat()
        file.write_bytes(b"two")
        while file.stat().st_ctime_ns == kept.st_ctime_ns or file.stat().st_mtime_ns != kept.st_mtime_ns:
            os.utime(file, ns=(kept.st_atime_ns, kept.st_mtime_ns))  # until the system's clock has ticked
        assert remembered_hash(file) == "read again"
