"""What a newcomer meets first: the version, a wrong `.env`, a misspelt setting, the list of examples."""

import os
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from ml_platform.cli import main, opening
from ml_platform_tests.cli.terminal import invoke, invoke_json


@pytest.fixture(autouse=True)
def nothing_noted_yet() -> None:
    opening._noted.cache_clear()


def test_the_version_is_told() -> None:
    assert invoke("--version").stdout == f"ml-platform {version('ml-platform')}\n"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ML_PLATFORM_PIPLINES", "no setting and has no effect. Did you mean ML_PLATFORM_PIPELINES?"),
        ("ML_PLATFORM_PASSWROD", "ML_PLATFORM_PASSWROD is no setting and has no effect.\n"),
        ("ML_PLATFORM_XYZZY", "ML_PLATFORM_XYZZY is no setting and has no effect."),
    ],
)
def test_a_misspelt_setting_gets_one_line(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    monkeypatch.setenv(name, "1")
    for lines in (1, 0):  # once a process
        result = invoke("pipelines")
        assert result.exit_code == 0 and result.stderr.count(said) == lines


def test_a_misspelt_setting_of_the_env_file_gets_one_line(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (data_folder.parent / ".env").write_text("# mine\nOTHER=1\nexport ML_PLATFORM_TREADS=2\n")
    monkeypatch.chdir(data_folder.parent)
    assert "Did you mean ML_PLATFORM_THREADS?" in invoke("pipelines").stderr


def test_an_env_file_in_utf_16_gets_one_line(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (data_folder.parent / ".env").write_bytes("ML_PLATFORM_THREADS=2\n".encode("utf-16"))
    monkeypatch.chdir(data_folder.parent)
    result = invoke("pipelines")
    assert result.exit_code == 1
    assert f"{data_folder.parent / '.env'}: it is not UTF-8 text" in " ".join(result.stderr.split())


def test_ctrl_c_before_the_command_has_begun_prints_one_line() -> None:
    program = (
        "import os, signal\nfrom ml_platform.cli import main\n"
        "main.app = lambda **_: os.kill(os.getpid(), signal.SIGINT)\nmain.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env={**os.environ}
    )
    assert done.returncode == 128 + signal.SIGINT
    assert done.stderr.split() == ["error", "Stopped."]


def test_the_trace_of_a_fault_before_the_command_has_begun_holds_no_password(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(**_: str) -> None:
        raise RuntimeError("cannot reach postgresql://ml:sesame@h/lake")

    monkeypatch.setattr(main, "app", faulty)
    monkeypatch.setattr(main.interrupts, "listen", lambda _: None)  # it would hear the interrupts of all later tests
    with pytest.raises(SystemExit) as ended:
        main.main()
    trace = capsys.readouterr().err
    assert ended.value.code == 1
    assert "in faulty" in trace and "sesame" not in trace and "ml:***@h/lake" in trace


def test_a_run_of_a_shipped_pipeline_without_files_names_the_command_that_brings_some(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ML_PLATFORM_PIPELINES")
    result = invoke("run", "flight_delay")
    assert result.exit_code == 0 and "up to date" not in result.stderr
    assert "`ml-platform example flight_delay`" in result.stdout


def test_examples_are_listed_with_what_was_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_PLATFORM_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("ML_PLATFORM_PIPELINES", raising=False)
    assert [row["pipeline"] for row in invoke_json("example", "--list") if row["added"]] == ["flight_delay"]
    assert [row["name"] for row in invoke_json("pipelines")] == ["flight_delay"]
    missing = invoke("status", "churn")
    assert missing.exit_code != 0
