"""The choices that `new` needs: from flags, from answers on a terminal, or accepted guesses."""

import shlex
import sys
from typing import TYPE_CHECKING

import typer

from ml_platform.errors import AuthoringError, did_you_mean
from ml_platform.escaping import printable

if TYPE_CHECKING:
    from ml_platform.authoring.columns import Column
    from ml_platform.authoring.opened import Opened


def on_a_terminal() -> bool:
    """Whether questions can be asked on a terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()


class Choices:
    """Key, time, target and zone: given as flags, answered on a terminal, or guessed with --yes.

    taken: the guesses, as flag → its arguments, quoted for a shell.
    why:   flag → the reason for its guess.
    """

    def __init__(self, file: "Opened", columns: "list[Column]", name: str, *, ask: bool, yes: bool) -> None:
        self.file, self.columns, self.name, self._ask, self._yes = file, columns, name, ask, yes
        self.missing: dict[str, str] = {}
        self.taken: dict[str, str] = {}
        self.why: dict[str, str] = {}

    def at(self, given: str | None) -> "Column | None":
        from ml_platform.authoring.guesses import guess_at
        from ml_platform.authoring.roles import check_at, named

        guess = guess_at(self.columns)
        if given is None and guess is None:
            return None
        name, why = (guess.column.name, guess.why) if guess is not None else ("none", "")
        answer = self._answer("--at", given, name, "Prediction time (none: rows have no time)", why)
        return None if answer == "none" else check_at(named(self.columns, answer, "--at"))

    def key(self, given: list[str] | None, at: "Column | None") -> "tuple[Column, ...]":
        from ml_platform.authoring.guesses import guess_key
        from ml_platform.authoring.roles import check_key, named

        if not given:
            names = [column.name for column in guess_key(self.file, self.columns, at)] or ["row"]
            given = names if not self._ask else self._several(self._prompt("Key (row: the row number)", _quoted(names)))
            self._note_guess("--key", names, "" if names != ["row"] else "no column is unique")
        if given == ["row"] and not any("row" in (column.name, column.clean) for column in self.columns):
            return ()
        return check_key(self.file, [named(self.columns, one, "--key") for one in given])

    def target(self, given: str | None, key: "tuple[Column, ...]", at: "Column | None") -> "Column":
        from ml_platform.authoring.guesses import guess_target
        from ml_platform.authoring.roles import named

        guess = guess_target(self.columns, self.name, [*key, *([at] if at is not None else [])])
        if given is None and guess is None:
            raise AuthoringError(
                f"No column of {self.file.path} looks like a target: all are keys, times, constants or free text.",
                remedy="Name it with --target.",
            )
        name, why = (guess.column.name, guess.why) if guess is not None else ("", "")
        answer = self._answer("--target", given, name, "Target (the column to predict)", why)
        return named(self.columns, answer, "--target")

    def zone(self, given: str | None, at: "Column | None") -> str:
        from zoneinfo import available_timezones

        if given is None and not any(c.naive and (c.kind == "moment" or c is at) for c in self.columns):
            return "UTC"
        answer = self._answer("--time-zone", given, "UTC", "Time zone of times without an offset")
        if answer not in available_timezones():
            meant = did_you_mean(answer, available_timezones()) or "Use a name such as America/New_York."
            raise typer.BadParameter(f"--time-zone: {answer!r} is not a time zone. {meant}")
        return answer

    def refuse_what_is_missing(self) -> None:
        """Raises BadParameter when a flag is missing and there is no terminal to ask on."""
        if self.missing:
            reasons = "".join(f" {flag}: {why}." for flag, why in self.why.items())
            raise typer.BadParameter(
                f"there is no terminal to ask on, and flags are missing. The guesses, which --yes accepts: "
                f"{' '.join(self.missing.values())}.{reasons}"
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

    def _answer(self, flag: str, given: str | None, guess: str, question: str, why: str = "") -> str:
        if given is not None:
            return given
        if self._ask:
            return self._prompt(f"{question}; {why}" if why else question, guess)
        self._note_guess(flag, [guess], why)
        return guess

    def _prompt(self, question: str, guess: str) -> str:
        asked = f"{printable(question)} [{printable(guess)}]"
        return str(typer.prompt(asked, default=guess, show_default=False, err=True))

    def _note_guess(self, flag: str, values: list[str], why: str) -> None:
        if self._ask:
            return
        (self.taken if self._yes else self.missing)[flag] = " ".join(f"{flag} {shlex.quote(value)}" for value in values)
        if why:
            self.why[flag] = why


def _quoted(names: list[str]) -> str:
    return " ".join(map(shlex.quote, names))
