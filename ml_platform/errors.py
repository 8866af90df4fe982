"""The exceptions of the platform.

    PlatformError
    ├── DeclarationError        a pipeline, table, feature or gate is declared wrongly
    ├── AuthoringError          a declaration cannot be drafted from this file, or not in this folder
    │   └── UnfitArgument       a name, a column or a folder that was given is not one, or is taken
    ├── NotFoundError           a pipeline, version, partition or table that does not exist
    │   └── AmbiguousKey        a partial key fits several predictions
    ├── IngestionError          a file or a table cannot be ingested
    │   └── FileRefused         one landed file cannot be read; other files are ingested
    │       └── LimitExceeded   a file, or a pattern of files, is beyond a limit of the settings
    ├── LakeError               the lake cannot be opened, written or trusted
    │   ├── BlobError           a stored blob is missing or damaged
    │   ├── BackupError         a backup cannot be made or restored
    │   └── QuestionRefused     a query of the lake is not read-only, is invalid or fails
    ├── StateError              the operational state cannot be opened, read or written
    ├── FeatureError            features cannot be computed from this data
    ├── TrainingError           a training set or a model cannot be made
    │   └── ProcessKilled       the process that trained was ended from outside
    ├── ScoringError            rows do not fit the model that scores them
    ├── ServingError            the online store or a service cannot be used
    ├── EvaluationError         a metric or a gate cannot be computed
    ├── ReportError             a report cannot be drawn
    ├── PromotionRefused        a version may not serve
    │   ├── DataBlocked         a failed check stands on its data
    │   └── GateWaits           a gate is still to be measured
    ├── RollbackRefused         there is no earlier champion, or no reason was given
    ├── ChallengeRefused        a champion cannot challenge itself, or there is no challenger
    ├── CanaryRefused           a version may not answer a share of the keys, or there is no canary
    ├── RetrainRefused          a manual training has too few labels
    ├── DeliveryFailed          a channel did not accept an alert
    └── OrderError              a partition is requested before the previous one is decided

Each message says what is wrong, where, and how to fix it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ml_platform.escaping import lines, printable
from ml_platform.redaction import without_secrets

_LINE = 300  # characters
_LISTED = 15  # existing names in a message


def did_you_mean(name: object, existing: Iterable[str]) -> str:
    """A question that offers the existing name that is most like `name`; empty when none is alike.

    Case does not count.

    >>> did_you_mean("flight_dely", ["churn", "flight_delay"])
    "Did you mean 'flight_delay'?"
    >>> did_you_mean("weather", ["churn", "flight_delay"])
    ''
    """
    from difflib import get_close_matches

    by_folded = {other.casefold(): other for other in existing}
    closest = get_close_matches(str(name).casefold(), by_folded, n=1)
    return f"Did you mean {by_folded[closest[0]]!r}?" if closest else ""


def first_line(error: BaseException) -> str:
    """The first line of an error's message, to be quoted in another message.

    It has no final full stop, no secret and at most 300 characters, all of them printed. An error without a message
    gives the name of its type.

    >>> first_line(ValueError("The disk is full.\\nDetails follow."))
    'The disk is full'
    >>> first_line(KeyboardInterrupt())
    'KeyboardInterrupt'
    """
    first = next(iter(without_secrets(str(error)).strip().splitlines()), "")
    return printable(first.rstrip(" .")[:_LINE]) or type(error).__name__


def sentence(text: str) -> str:
    """A library's message with an end, so that a remedy can follow it.

    >>> sentence("No snapshot at version 100")
    'No snapshot at version 100.'
    >>> sentence("Did you mean x?")
    'Did you mean x?'
    """
    ended = text.rstrip()
    return ended if not ended or ended[-1] in ".!?^" else f"{ended}."


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error, those of its group, those that it wraps (`orig` of SQLAlchemy), and all that led to it, each once."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop(0)
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [getattr(one, "orig", None), one.__cause__, one.__context__, *getattr(one, "exceptions", ())]


class PlatformError(Exception):
    """Root of the tree. `remedy` is the last sentence of the message. No secret is in either.

    What an error quotes of data or names stands in it as escapes where it is not printed.
    """

    def __init__(self, what: str, *, remedy: str = "") -> None:
        self.what = lines(without_secrets(what))
        self.remedy = lines(without_secrets(remedy))
        between = "\n" if self.what.endswith("^") else " "  # a caret stays alone on its line
        super().__init__(f"{self.what}{between}{self.remedy}".strip())


class DeclarationError(PlatformError):
    """A declaration is refused while it loads."""

    def __init__(self, where: str, problem: str, *, remedy: str = "") -> None:
        self.where = without_secrets(where)
        self.problem = without_secrets(problem)
        super().__init__(f"{where}: {problem.rstrip('.')}.", remedy=remedy)


class AuthoringError(PlatformError):
    """A declaration cannot be drafted: the file is unsuitable, or the target file exists."""


class UnfitArgument(AuthoringError):
    """A name that is none or is taken, a column that the file does not have, or no folder."""


class NotFoundError(PlatformError):
    """No object of this kind has the given name.

    The remedy offers the existing name that is most like it, and lists some of them. `alike`: names to compare with
    where `existing` holds only a part of them, or a summary.
    """

    def __init__(
        self,
        kind: str,
        name: object,
        existing: Sequence[str] = (),
        *,
        alike: Iterable[str] | None = None,
        remedy: str = "",
    ) -> None:
        if existing:
            more = f" and {len(existing) - _LISTED:,} more" if len(existing) > _LISTED else ""
            listed = f"Known: {', '.join(existing[:_LISTED])}{more}."
            remedy = f"{did_you_mean(name, existing if alike is None else alike)} {listed}".strip()
        super().__init__(f"There is no {kind} {name!r}.", remedy=remedy)


class AmbiguousKey(NotFoundError):
    """A partial key fits several predictions. `candidates` are some of them, newest first: key, at, score, version."""

    def __init__(self, pipeline: str, key: str, candidates: Sequence[Mapping[str, Any]], keys: int) -> None:
        self.candidates = candidates
        self.keys = keys
        named = list(dict.fromkeys(str(one["key"]) for one in candidates))
        PlatformError.__init__(
            self,
            f"{keys:,} keys of {pipeline} fit {key!r}.",
            remedy=f"Give one of them whole, or more of it: {', '.join(named[:3])}{', …' if keys > 3 else ''}.",
        )


class IngestionError(PlatformError):
    """A file or a table cannot be ingested."""


class FileRefused(IngestionError):
    """One landed file cannot be read. It stays where it is, and other files are ingested.

    `position` names the line, byte or column where reading ended, when it is known.
    """

    def __init__(self, path: str, problem: str, *, position: str = "", remedy: str = "") -> None:
        self.path = path
        self.problem = without_secrets(problem)
        self.position = position
        at = f" ({position})" if position else ""
        super().__init__(f"{printable(path)}{at}: {problem}.", remedy=remedy)


class LimitExceeded(FileRefused):
    """A file is beyond a limit. `setting` is the name of the limit in the settings, `limit` its value.

    >>> LimitExceeded("a.csv", "it has 12 columns", "max_columns", 10, position="line 1", remedy="Land fewer.").remedy
    'Land fewer. Or raise ML_PLATFORM_MAX_COLUMNS, which is 10.'
    """

    def __init__(
        self, path: str, problem: str, setting: str, limit: float, *, position: str = "", remedy: str = ""
    ) -> None:
        self.setting = setting
        self.limit = limit
        variable = f"ML_PLATFORM_{setting.upper()}, which is {limit:,}."
        raising = f"{remedy} Or raise {variable}" if remedy else f"Raise {variable}"
        super().__init__(path, problem, position=position, remedy=raising)


class SourceUnavailable(FileRefused):
    """A source, or a version of it, cannot be read now. Nothing is put on record; the next run tries again."""


class LakeError(PlatformError):
    """The lake cannot be opened, written or trusted."""


class BlobError(LakeError):
    """A stored blob is missing or damaged."""


class BackupError(LakeError):
    """A backup cannot be made, is damaged, or does not fit what is there."""


class QuestionRefused(LakeError):
    """A query of the lake is not a single read-only statement, is not SQL, or fails."""


class StateError(PlatformError):
    """The operational state cannot be opened, is of another version, or refuses a row."""


class FeatureError(PlatformError):
    """Features cannot be computed exactly from this data, or not for this moment."""


class TrainingError(PlatformError):
    """A training set or a model cannot be made from this data."""


class ProcessKilled(TrainingError):
    """The process that trained was ended from outside: by the system for want of memory, or by a person."""


class ScoringError(PlatformError):
    """Rows do not fit the model: a column is missing or has a type it was not trained on."""


class ServingError(PlatformError):
    """The online store or a service cannot be used: not filled, not writable, or asked for what it cannot answer."""


class PromotionRefused(PlatformError):
    """A version may not serve; `reasons` lists why, one sentence each."""

    def __init__(self, pipeline: str, version: int, reasons: list[str]) -> None:
        self.reasons = [without_secrets(reason) for reason in reasons]
        super().__init__(
            f"{pipeline}@{version} is not promoted: {'; '.join(reasons)}.",
            remedy=f"See `ml-platform models {pipeline}` for its verdicts.",
        )


class DataBlocked(PromotionRefused):
    """A failed check stands on data that the version was made from (S37)."""


class GateWaits(PromotionRefused):
    """A gate is still to be measured, and nothing else stands in the way (S40)."""


class EvaluationError(PlatformError):
    """A metric or a gate cannot be computed from these labels and scores."""


class ReportError(PlatformError):
    """A report cannot be drawn. Its figures are not affected."""


class RollbackRefused(PlatformError):
    """The champion stays: there is no earlier champion, or no reason was given."""


class ChallengeRefused(PlatformError):
    """The challenger stays as it is: a champion cannot challenge itself, or there is nothing to stop."""


class CanaryRefused(PlatformError):
    """The canary stays as it is: a version may not answer a share of the keys, or there is nothing to stop."""


class RetrainRefused(PlatformError):
    """A manual training is not possible: too few labels are known."""


class DeliveryFailed(PlatformError):
    """A channel did not accept an alert."""

    def __init__(self, channel: str, problem: str, *, remedy: str = "") -> None:
        super().__init__(f"{channel}: {problem.rstrip('.')}.", remedy=remedy)


class OrderError(PlatformError):
    """A partition is requested before the previous one is decided (S33)."""
