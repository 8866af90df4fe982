"""Dockerfiles without Docker: their instructions, and the steps carried out below a folder that stands for the root."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_ROOTED = re.compile(r"(?<![\w./-])/(?=(opt|srv|build|var|usr)/)")
_OF_THE_SYSTEM = ("apt-get", "groupadd", "useradd", "chown")  # they are written down, and not run


@dataclass(frozen=True)
class Instruction:
    """One instruction. `words` are its arguments, split by blanks."""

    name: str
    text: str

    @property
    def words(self) -> list[str]:
        return self.text.split()

    @property
    def command(self) -> list[str]:
        """The words of its exec form: the JSON list at its end."""
        words: list[str] = json.loads(self.text[self.text.index("[") :])
        return words


def instructions(path: Path) -> list[Instruction]:
    """Of a Dockerfile, in order, without comments."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [Instruction(*line.split(None, 1)) for line in joined if line.strip()]


class Machine:
    """A folder that stands for the root of an image. `system` has the commands that only a system can run."""

    def __init__(self, context: Path, root: Path) -> None:
        self.context, self.root = context, root
        self.environment: dict[str, str] = {}
        self._stubs, self._log = root / "stubs", root / "system.log"
        self._stubs.mkdir(parents=True)
        for name in _OF_THE_SYSTEM:
            stub = self._stubs / name
            stub.write_text(f'#!/bin/sh\necho "{name} $*" >> {self._log}\n')
            stub.chmod(0o755)

    @property
    def system(self) -> list[str]:
        return self._log.read_text().splitlines()

    def rooted(self, text: str) -> str:
        """A text whose paths are below the root."""
        return _ROOTED.sub(f"{self.root}/", text)

    def carry_out(self, steps: list[Instruction]) -> None:
        """COPY, RUN and ENV, both stages in one root."""
        for step in steps:
            if step.name == "COPY" and not step.words[0].startswith("--from"):
                self._copy(self.context / step.words[0], Path(self.rooted(step.words[1])))
            elif step.name == "RUN":
                path = f"{self._stubs}:{Path(sys.executable).parent}:{os.environ['PATH']}"
                environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
                subprocess.run(
                    ["sh", "-e", "-c", self.rooted(step.text)],
                    check=True,
                    env={**environment, "PATH": path},
                    timeout=1200,
                )
            elif step.name == "ENV":
                self.environment |= dict(word.split("=", 1) for word in self.rooted(step.text).split())

    def _copy(self, source: Path, target: Path) -> None:
        ignored = (self.context / ".dockerignore").read_text().split()
        assert ignored[0] == "*" and f"!{source.name}" in ignored, source
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
