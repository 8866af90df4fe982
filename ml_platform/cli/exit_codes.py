"""The exit codes of outcomes. Those of errors are in `cli/command.py` (docs/cli.md lists all)."""

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Annotated

import typer

REFUSED, BLOCKED, WAITING, WORK, FAILED, INTERRUPTED = 3, 4, 5, 6, 1, 130


class FailOn(StrEnum):
    """What a team may want to fail a job of its CI."""

    REFUSED = "refused"
    BLOCKED = "blocked"
    WAITING = "waiting"
    ANY = "any"


FailOnOptions = Annotated[
    list[FailOn] | None,
    typer.Option(
        "--fail-on",
        help=f"Exit with {REFUSED} where a gate refused the candidate, {BLOCKED} where its data block it, {WAITING} "
        "where a gate waits; several times for several, `any` for all.",
    ),
]
_OF_OUTCOME: Mapping[str, int] = {"refused": REFUSED, "blocked": BLOCKED, "waiting": WAITING}
_OF_ERROR: Mapping[str, int] = {"failed": FAILED, "interrupted": INTERRUPTED}


def exit_code_of(outcome: str, fail_on: Collection[FailOn]) -> int:
    """The exit code of an outcome of `run`.

    >>> exit_code_of("refused", []), exit_code_of("refused", [FailOn.ANY]), exit_code_of("promoted", [FailOn.ANY])
    (0, 3, 0)
    >>> exit_code_of("blocked", [FailOn.REFUSED]), exit_code_of("failed", [])
    (0, 1)
    """
    asked = FailOn.ANY in fail_on or outcome in {one.value for one in fail_on}
    return _OF_ERROR.get(outcome, _OF_OUTCOME.get(outcome, 0) if asked else 0)
