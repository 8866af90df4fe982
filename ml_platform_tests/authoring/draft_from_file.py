"""From a file to a declaration as `ml-platform new` goes, with the guesses taken."""

from dataclasses import dataclass
from pathlib import Path

from ml_platform.authoring.columns import Column
from ml_platform.authoring.declaration import declaration
from ml_platform.authoring.draft import Draft, drafted
from ml_platform.authoring.guesses import guess_at, guess_key, guess_target
from ml_platform.authoring.looking import Answers, look
from ml_platform.authoring.opened import opened
from ml_platform.authoring.proof import Proof, prove
from ml_platform.authoring.roles import named, roles
from ml_platform.authoring.uses import uses


@dataclass(frozen=True)
class DraftedDeclaration:
    text: str
    draft: Draft
    proof: Proof

    def use(self, name: str) -> tuple[str, str]:
        """The role of a column, and why."""
        return next((use.role, use.why) for use in self.draft.uses if use.column.name == name)

    def column(self, name: str) -> Column:
        return next(use.column for use in self.draft.uses if use.column.name == name)


def draft_from_file(
    file: Path,
    target: str | None = None,
    *,
    timed: bool = True,
    task: str | None = None,
    answers: Answers = Answers(),  # noqa: B008  # frozen
) -> DraftedDeclaration:
    """The declaration of the file, called `draft`, and the proof of it."""
    with opened(file) as seen:
        columns = look(seen, answers)
        moment = guess_at(columns) if timed else None
        at = moment.column if moment is not None else None
        key = guess_key(seen, columns, at)
        guess = guess_target(columns, "draft", [*key, *([at] if at is not None else [])])
        assert target or guess is not None
        wanted = named(columns, target, "--target") if target else guess.column  # type: ignore[union-attr]  # as asserted
        chosen = roles(key, at, wanted, task, columns)
        draft = drafted("draft", "things", seen, uses(columns, chosen), chosen, "UTC")
        text = declaration(draft)
        return DraftedDeclaration(text, draft, prove(text, draft))
