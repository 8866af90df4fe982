"""The command that packages a version."""

import hashlib
from pathlib import Path

from ml_platform_tests.cli.terminal import invoke, invoke_json


def test_a_champion_becomes_a_wheel_twice_the_same(shared_platform: Path, tmp_path: Path) -> None:
    facts = invoke_json("package", "trip_delay@champion", "--format", "wheel", "--to", str(tmp_path / "out"))
    assert list(facts) == ["pipeline", "version", "bundle", "format", "path", "bytes", "sha256", "report"]
    path = Path(facts["path"])
    assert path.name == f"trip_delay_model-{facts['version']}-py3-none-any.whl"
    assert (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()) == (facts["bytes"], facts["sha256"])
    name = f"trip_delay@{facts['version']}"
    again = invoke("package", name, "--format", "wheel", "--to", str(tmp_path / "again"))
    assert f"Packaging {name}: wheel." in again.stderr and facts["sha256"] in again.stdout
    assert "does not serve" not in again.stderr
    assert [file.read_bytes() for file in (tmp_path / "again").iterdir()] == [path.read_bytes()]


def _refused(message: str, code: int, *words: str) -> None:
    result = invoke(*words)
    assert (result.exit_code, message in result.stderr) == (code, True), result.output


def test_what_cannot_be_packaged_is_refused_with_a_remedy(shared_platform: Path, tmp_path: Path) -> None:
    to = ("--format", "wheel", "--to", str(tmp_path))
    _refused("is not a version", 2, "package", "trip_delay", *to)
    _refused("trip_delay@2", 2, "package", "trip_delay@9", *to)
    _refused("churn@champion", 2, "package", "churn@champion", *to)
    other = invoke("package", "trip_delay@1", "--format", "wheel", "--to", str(tmp_path / "other"))
    assert "It does not serve: the champion is trip_delay@2." in other.stderr
    _refused("--tolerance is for --format onnx", 2, "package", "trip_delay@1", *to, "--tolerance", "0.1")
    file = tmp_path / "file"
    file.touch()
    _refused("--to", 1, "package", "trip_delay@1", "--format", "wheel", "--to", str(file / "in"))
    assert not list(tmp_path.glob("*.whl"))
