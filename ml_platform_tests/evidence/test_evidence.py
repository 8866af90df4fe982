"""The evidence archive: everything is in it, equal bytes, and whatever is changed in it is named, offline."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from ml_platform import redaction
from ml_platform.evidence import verify
from ml_platform.evidence.archive import write
from ml_platform.evidence.members import members
from ml_platform.spec.canonical import content_key
from ml_platform.state import promotions, versions
from ml_platform.views.model_card import json_form
from ml_platform_tests import scenario
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.world import World, world

NAME = "trip_delay"


@pytest.fixture(scope="module")
def written(february: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive with its data, which tests copy."""
    folder = tmp_path_factory.mktemp("evidence")
    shutil.copytree(february, folder / "data")
    with closing(world(folder / "data", scenario.trips(), pictures=True)) as town:
        write(folder / "evidence.zip", members(town.ws, town.pipeline, 2, with_data=True))
    return folder / "evidence.zip"


def _changed(archive: Path, target: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    with zipfile.ZipFile(archive) as opened:
        held = {name: opened.read(name) for name in opened.namelist()}
    change(held)
    write(target, held)
    return target


def _run(script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """As an auditor runs it: no environment, no packages, another folder."""
    command = [sys.executable, "-I", "-S", str(script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=script.parent, env={}, check=False, timeout=60)


def _script(archive: Path, folder: Path) -> Path:
    script = folder / "verify.py"
    with zipfile.ZipFile(archive) as opened:
        script.write_bytes(opened.read("verify.py"))
    return script


def test_the_archive_holds_the_records_the_model_and_the_rows(
    written: Path, open_world: OpenWorld, february: Path
) -> None:
    town = open_world(february)
    version = versions.version(town.ws.state, NAME, 2)
    with zipfile.ZipFile(written) as archive:
        read = {name: archive.read(name) for name in archive.namelist()}
    assert hashlib.sha256(read["model/bundle.zip"]).hexdigest() == version.bundle
    assert hashlib.sha256(read["data/training_set.parquet"]).hexdigest() == version.training_set
    values = {name: json.loads(text) for name, text in read.items() if name.endswith(".json")}
    assert values["records/version.json"]["content_key"] == version.content_key
    assert values["declaration/today.json"]["key"] == content_key(town.pipeline)
    assert values["declaration/today.json"]["trains_the_same_version"] is True
    assert values["declaration/at_training.json"]["features"]["examples"] == "trips"
    assert values["records/decision.json"]["outcome"] == "triggered"
    assert len(values["records/promotions.json"]) == len(promotions.history(town.ws.state, NAME))
    assert values["records/reproduction.json"]["identical"] is True
    assert {one["table_name"] for one in values["records/checks.json"]} == {"trips", "traffic", "drivers"}
    lineage = values["data/lineage.json"]
    assert lineage["nodes"][0]["version"] == f"{NAME}@2" and lineage["edges"]
    reached, waiting = {0}, [0]
    for place in waiting:
        waiting += [read for reader, read in lineage["edges"] if reader == place and read not in reached]
        reached.update(waiting)
    assert reached == set(range(len(lineage["nodes"])))
    card = json_form.from_json(read["card/card.json"])
    assert card.name == f"{NAME}@2" and b"lightgbm==" in read["environment/requirements.txt"]
    assert set(read) - {"manifest.json"} == set(values["manifest.json"]["members"])


def test_the_same_version_gives_the_same_bytes(open_world: OpenWorld, february: Path, tmp_path: Path) -> None:
    archives = []
    for number in range(2):
        town: World = open_world(february)
        path = tmp_path / f"{number}.zip"
        digest = write(path, members(town.ws, town.pipeline, 1))
        archives.append(path.read_bytes())
        assert digest == hashlib.sha256(archives[-1]).hexdigest() and verify.problems(path) == []
    assert archives[0] == archives[1]
    assert sorted(one.name for one in tmp_path.iterdir() if one.suffix == ".zip") == ["0.zip", "1.zip"]
    with zipfile.ZipFile(tmp_path / "0.zip") as archive:
        assert "data/training_set.parquet" not in archive.namelist()
        assert "The rows are not in it." in archive.read("README.md").decode()


def test_the_script_inside_verifies_the_archive_and_what_was_unpacked_from_it(written: Path, tmp_path: Path) -> None:
    script = _script(written, tmp_path)
    digest = hashlib.sha256(written.read_bytes()).hexdigest()
    whole = _run(script, str(written), "--sha256", digest)
    assert (whole.returncode, whole.stdout, whole.stderr) == (0, "WHOLE\n", "")
    other = _run(script, str(written), "--sha256", "0" * 64)
    assert other.returncode == 1 and "not 0000" in other.stdout
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(written) as archive:
        archive.extractall(folder)
    assert _run(script, str(folder)).returncode == 0
    (folder / "card" / "card.md").unlink()
    (folder / "card" / "link").symlink_to("/etc/hostname")
    broken = _run(script, str(folder))
    assert broken.returncode == 1
    assert "'card/card.md' is missing" in broken.stdout and "'card/link' is no plain file" in broken.stdout


def _tampered(held: dict[str, bytes]) -> None:
    held["card/card.md"] = held["card/card.md"].replace(b"0.", b"1.", 1)


def _added(held: dict[str, bytes]) -> None:
    held["records/../../slip.txt"] = b"x"
    held["more.txt"] = b"x"


def _removed(held: dict[str, bytes]) -> None:
    del held["records/verdicts.json"]


def _other_rows(held: dict[str, bytes]) -> None:
    """A forger who changed the manifest, too, and forgot the records."""
    held["data/training_set.parquet"] += b" "
    manifest = json.loads(held["manifest.json"])
    data = held["data/training_set.parquet"]
    manifest["members"]["data/training_set.parquet"] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    held["manifest.json"] = json.dumps(manifest).encode()


def _other_files(held: dict[str, bytes]) -> None:
    files = json.loads(held["data/files.json"])
    files[0]["sha256"] = "0" * 64
    data = json.dumps(files).encode()
    held["data/files.json"] = data
    manifest = json.loads(held["manifest.json"])
    manifest["members"]["data/files.json"] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    held["manifest.json"] = json.dumps(manifest).encode()


def _no_records(held: dict[str, bytes]) -> None:
    held["data/files.json"] = b'[{"path": 1}, 2]'
    manifest = json.loads(held["manifest.json"])
    size, digest = len(held["data/files.json"]), hashlib.sha256(held["data/files.json"]).hexdigest()
    manifest["members"]["data/files.json"] = {"sha256": digest, "bytes": size}
    held["manifest.json"] = json.dumps(manifest).encode()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_tampered, ["'card/card.md' has other bytes"]),
        (_added, ["'more.txt' was added", "'records/../../slip.txt' is no name of a member"]),
        (_removed, ["'records/verdicts.json' is missing"]),
        (_other_rows, ["'data/training_set.parquet' is not the training_set of 'records/version.json'"]),
        (_no_records, ["the records are not of the form that they should have"]),
        (_other_files, ["the files of 'drivers' in 'data/files.json' are not those of the card"]),
    ],
)
def test_what_was_changed_is_named(
    written: Path, tmp_path: Path, change: Callable[[dict[str, bytes]], None], named: list[str]
) -> None:
    differences = verify.problems(_changed(written, tmp_path / "changed.zip", change))
    for expected in named:
        assert any(expected in problem for problem in differences), differences


def test_what_a_zip_hides_beside_its_members_is_named(written: Path, tmp_path: Path) -> None:
    data, path = written.read_bytes(), tmp_path / "hiding.zip"
    path.write_bytes(b"MZ" + data)
    assert any("bytes of no member" in one for one in verify.problems(path))
    path.write_bytes(data)
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"hidden"
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("README.md", "another")
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    differences = " ".join(verify.problems(path))
    assert (
        "has a comment" in differences
        and "'README.md' is there 2 times" in differences
        and "'link' is no plain file" in differences
    )


def test_a_member_that_unpacks_to_more_than_the_manifest_tells_is_not_read_to_its_end(
    written: Path, tmp_path: Path
) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(written) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, bytes(50_000_000) if name == "README.md" else old.read(name))
    assert any("'README.md' is longer than" in one for one in verify.problems(path))


def test_damage_within_a_member_is_named_and_raises_nothing(written: Path, tmp_path: Path) -> None:
    deflated, damaged = tmp_path / "deflated.zip", tmp_path / "damaged.zip"
    with zipfile.ZipFile(written) as before, zipfile.ZipFile(deflated, "w", zipfile.ZIP_DEFLATED) as after:
        for info in before.infolist():
            after.writestr(info.filename, before.read(info))
    content = bytearray(deflated.read_bytes())
    with zipfile.ZipFile(deflated) as archive:
        at = archive.getinfo("card/card.json").header_offset + 100
    content[at : at + 40] = b"\xff" * 40
    damaged.write_bytes(content)
    assert any("card/card.json" in problem for problem in verify.problems(damaged))


def test_bytes_behind_an_archive_are_named(written: Path, tmp_path: Path) -> None:
    longer = tmp_path / "longer.zip"
    longer.write_bytes(written.read_bytes() + b"xx")
    assert "there are bytes behind the archive" in verify.problems(longer)


def test_a_pipe_is_no_member_and_no_archive(written: Path, tmp_path: Path) -> None:
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(written) as archive:
        archive.extractall(folder)
    (folder / "README.md").unlink()
    os.mkfifo(folder / "README.md")
    assert any("README.md" in problem for problem in verify.problems(folder))
    with pytest.raises(verify.Unreadable, match="no plain file"):
        verify.problems(folder / "README.md")


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_archive_is_refused_with_an_exit_code_of_its_own(
    written: Path, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    refused = _run(_script(written, tmp_path), "a.zip")
    assert refused.returncode == 2 and refused.stdout == "" and "a.zip" in refused.stderr
    assert _run(tmp_path / "verify.py").returncode == 2


def test_no_secret_of_the_process_is_in_any_member(
    open_world: OpenWorld, february: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "swordfish-<9>-é"
    monkeypatch.setattr(redaction, "_hidden", frozenset())
    monkeypatch.setattr(redaction, "_pattern", None)
    monkeypatch.setenv("ML_PLATFORM_SECRET_OF_A_SOURCE", secret)
    redaction.hide(secret)
    town = open_world(february)
    promotions.rollback(town.ws.state, NAME, why=f"they told me {secret}", actor="ada")
    held: Mapping[str, bytes | Path] = members(town.ws, town.pipeline, 2)
    everything = b"".join(one if isinstance(one, bytes) else one.read_bytes() for one in held.values())
    with zipfile.ZipFile(io.BytesIO(Path(str(held["model/bundle.zip"])).read_bytes())) as bundle:
        everything += b"".join(bundle.read(name) for name in bundle.namelist())
    for form in (secret, json.dumps(secret)[1:-1], "swordfish"):
        assert form.encode() not in everything
    assert b"they told me ***" in everything
    assert os.environ["ML_PLATFORM_SECRET_OF_A_SOURCE"] == secret


def test_writing_fails_whole_and_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "evidence.zip"
    path.write_bytes(b"before")
    with pytest.raises(FileNotFoundError):
        write(path, {"a": b"1", "b": tmp_path / "missing"})
    assert path.read_bytes() == b"before" and [one.name for one in tmp_path.iterdir()] == ["evidence.zip"]
