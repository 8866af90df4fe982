"""The command as a person types it: in this process, or in one of its own where that matters."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from typer.testing import CliRunner, Result

from ml_platform.cli.main import app


def invoke(*words: str) -> Result:
    """Run the command here; what it printed and its exit code. A trace is a failure of the test."""
    result = CliRunner().invoke(app, list(words), prog_name="ml-platform", catch_exceptions=False)
    assert "Traceback" not in result.output
    return result


def invoke_json(*words: str) -> Any:
    """The parsed JSON of a command that succeeds with --json; nothing else may be on standard output."""
    result = invoke(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@dataclass
class RunningCommand:
    """A command in a process of its own."""

    process: subprocess.Popen[str]

    def end(self, timeout: float = 60) -> tuple[int, str, str]:
        """Exit code, standard output, standard error."""
        out, err = self.process.communicate(timeout=timeout)
        return self.process.returncode, out, err


def start_command(*words: str, **environment: str) -> RunningCommand:
    """Start the command in a process of its own, with a process group of its own, as a terminal does."""
    command = [sys.executable, "-m", "ml_platform.cli.main", *words]
    return RunningCommand(
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
            start_new_session=True,
        )
    )
