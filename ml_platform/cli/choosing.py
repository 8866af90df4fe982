"""The choices that `new` needs: from flags, from answers on a terminal, or accepted guesses."""

import shlex
import sys
from typing import TYPE_CHECKING

import typer

from ml_platform.errors import AuthoringError

if TYPE_CHECKING:
    from ml_platform.authoring.columns import Column
    from ml_platform.authoring.opened import Opened


def on_a_terminal() -> bool:
    """Whether questions can be asked on a terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()


class Choices:
    """Key, time, target and zone: given as flags, answered on a terminal, or guessed with --yes."""

    def __init__(self, file: "Opened", columns: "list[Column]", name: str, *, ask: bool, yes: bool) -> None:
        self.file, self.columns, self.name, self._ask, self._yes = file, columns, name, ask, yes
        self.missing: dict[str, str] = {}
        self.taken: dict[str, str] = {}

    def at(self, given: str | None) -> "Column | None":
        from ml_platform.authoring.roles import check_at, guess_at, named

        guess = guess_at(self.columns)
        if given is None and guess is None:
            return None
        answer = self._answer(
            "--at", given, guess.name if guess else "none", "Prediction time (none: rows have no time)"
        )
        return None if answer == "none" else check_at(named(self.columns, answer, "--at"))

    def key(self, given: list[str] | None, at: "Column | None") -> "tuple[Column, ...]":
        from ml_platform.authoring.roles import check_key, guess_key, named

        if not given:
            guess = " ".join(shlex.quote(column.name) for column in guess_key(self.file, self.columns, at)) or "row"
            given = self._several(self._answer("--key", None, guess, "Key (row: the row number)"))
        if given == ["row"] and not any("row" in (column.name, column.clean) for column in self.columns):
            return ()
        return check_key(self.file, [named(self.columns, one, "--key") for one in given])

    def target(self, given: str | None, key: "tuple[Column, ...]", at: "Column | None") -> "Column":
        from ml_platform.authoring.roles import guess_target, named

        guess = guess_target(self.columns, self.name, [*key, *([at] if at is not None else [])])
        if given is None and guess is None:
            raise AuthoringError(
                f"No column of {self.file.path} looks like a target: all are keys, times, constants or free text.",
                remedy="Name it with --target.",
            )
        answer = self._answer("--target", given, guess.name if guess else "", "Target (the column to predict)")
        return named(self.columns, answer, "--target")

    def zone(self, given: str | None, at: "Column | None") -> str:
        from zoneinfo import available_timezones

        if given is None and not any(c.naive and (c.kind == "moment" or c is at) for c in self.columns):
            return "UTC"
        answer = self._answer("--time-zone", given, "UTC", "Time zone of times without an offset")
        if answer not in available_timezones():
            raise typer.BadParameter(
                f"--time-zone: {answer!r} is not a time zone. Use a name such as America/New_York."
            )
        return answer

    def refuse_what_is_missing(self) -> None:
        """Raises BadParameter when a flag is missing and there is no terminal to ask on."""
        if self.missing:
            flags = ", ".join(f"{flag} (a guess: {guess})" for flag, guess in self.missing.items())
            raise typer.BadParameter(
                f"there is no terminal to ask on, and these flags are missing: {flags}. --yes accepts the guesses."
            )

    def _several(self, answer: str) -> list[str]:
        """The columns of an answer: one, or several with shell quoting."""
        if any(answer in (column.name, column.clean) for column in self.columns):
            return [answer]
        try:
            return shlex.split(answer)
        except ValueError:
            raise AuthoringError(
                f"The key {answer!r} has unbalanced quotes.", remedy="Quote names that contain blanks."
            ) from None

    def _answer(self, flag: str, given: str | None, guess: str, question: str) -> str:
        if given is not None:
            return given
        if self._ask:
            return str(typer.prompt(question, default=guess, err=True))
        (self.taken if self._yes else self.missing)[flag] = guess
        return guess
