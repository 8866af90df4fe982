"""Whatever makes one version of the code rewrite what another has written raises the lake's format, so neither does."""

import io
import json
import re
import zipfile
from pathlib import Path

import pytest

import ml_platform
from ml_platform.errors import BlobError
from ml_platform.lake.blobs import Blobs
from ml_platform.lake.lake_format import FORMAT
from ml_platform.models import bundle
from ml_platform.settings import Settings
from ml_platform.spec.canonical import content_key
from ml_platform.state.publishing import VIEWS

ROOT = Path(ml_platform.__file__).parent
_NUMBER = re.compile(r"^(_?(?:[A-Z]+_)*(?:VERSION|FORMAT)) = (\d+)", re.MULTILINE)

# By format of the lake. After a release raise `lake_format.FORMAT` with any change here, and add what is then.
NUMBERS = {
    1: {
        "experiments/backtesting.CODE_VERSION": 1,
        "experiments/judging.CODE_VERSION": 1,
        "features/definition._FORMAT": 1,
        "lake/backup_lists.FORMAT": 1,
        "lake/lake_format.FORMAT": 1,
        "models/bundle.FORMAT": 2,
        "models/searched.AUTOML_CODE_VERSION": 1,
        "models/searched.CODE_VERSION": 1,
        "quality/profile.PROFILE_VERSION": 2,
        "sources/scan.READER_VERSION": 1,
        "steps/champion.CODE_VERSION": 1,
        "steps/decision.CODE_VERSION": 2,
        "steps/drift.CODE_VERSION": 3,
        "steps/performance.CODE_VERSION": 2,
        "steps/predictions.CODE_VERSION": 1,
        "steps/report.CODE_VERSION": 3,
        "steps/verdicts.CODE_VERSION": 1,
        "training/labels.CODE_VERSION": 2,
        "training/training_set.CODE_VERSION": 1,
        "validation/file_plans.RESOLUTION_VERSION": 1,
        "validation/file_plans._ORDER_VERSION": 2,
        "validation/screenings.SCREENING_VERSION": 2,
        "views of the lake": "e7788967793cc65f",
    }
}


def test_a_change_after_which_two_versions_would_take_turns_raises_the_format_of_the_lake() -> None:
    numbers: dict[str, int | str] = {
        f"{path.relative_to(ROOT).with_suffix('').as_posix()}.{name}": int(number)
        for path in sorted(ROOT.rglob("*.py"))
        for name, number in _NUMBER.findall(path.read_text())
    }
    numbers["views of the lake"] = content_key(VIEWS)[:16]
    assert numbers == NUMBERS[FORMAT]


def test_a_bundle_of_newer_code_is_refused_by_name(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("schema.json", json.dumps({"format": 99}))
    blobs = Blobs(Settings(data=tmp_path))
    digest = blobs.put_bytes(buffer.getvalue())
    with pytest.raises(BlobError, match=rf"has format 99; this version reads up to {bundle.FORMAT}\. Use the ml_"):
        bundle.load(blobs, digest)
