"""Every error of the platform, as one tree.

    PlatformError
    ├── DeclarationError        a pipeline, table, feature or gate is declared wrongly
    ├── AuthoringError          no declaration can be written from this file, or not there
    ├── NotFoundError           a pipeline, version, partition or table that does not exist
    ├── IngestionError          a file or a table cannot be taken in
    │   └── FileRefused         one landed file cannot be read; the others go on
    ├── LakeError               the lake cannot be opened, written or trusted
    │   ├── BlobError           a stored blob is missing or not what its name says
    │   └── QuestionRefused     a question to the lake is not reading, not SQL or fails
    ├── StateError              the operational state cannot be opened, read or written
    ├── FeatureError            features cannot be computed from this data
    ├── TrainingError           a training set or a model cannot be made
    ├── ScoringError            rows do not fit the model that shall score them
    ├── EvaluationError         a metric or a gate cannot be computed
    ├── ReportError             a report cannot be drawn
    ├── PromotionRefused        a version may not serve
    ├── RollbackRefused         there is no champion to go back to, or no reason given
    ├── RetrainRefused          a person asks for a training that nothing can be made of
    ├── DeliveryFailed          a channel did not take an alert
    └── OrderError              a partition is asked for before the one it follows

Each message says what is wrong, where, and how to mend it.
"""


class PlatformError(Exception):
    """Root of the tree. `remedy` is the last sentence of the message."""

    def __init__(self, what: str, *, remedy: str = "") -> None:
        self.what = what
        self.remedy = remedy
        super().__init__(f"{what} {remedy}".strip())


class DeclarationError(PlatformError):
    """A declaration is refused while it loads."""

    def __init__(self, where: str, problem: str, *, remedy: str = "") -> None:
        self.where = where
        self.problem = problem
        super().__init__(f"{where}: {problem.rstrip('.')}.", remedy=remedy)


class AuthoringError(PlatformError):
    """A declaration cannot be written: the file does not carry one, or the place is taken."""


class NotFoundError(PlatformError):
    """Something was asked for by a name that nothing has."""

    def __init__(self, kind: str, name: object, known: list[str] | None = None) -> None:
        remedy = f"Known: {', '.join(known)}." if known else ""
        super().__init__(f"There is no {kind} {name!r}.", remedy=remedy)


class IngestionError(PlatformError):
    """A table cannot be taken in."""


class FileRefused(IngestionError):
    """One landed file cannot be read. It stays where it is; other files go on.

    `place` names the line, byte or column where reading ended, when it is known.
    """

    def __init__(self, path: str, problem: str, *, place: str = "", remedy: str = "") -> None:
        self.path = path
        self.problem = problem
        self.place = place
        at = f" ({place})" if place else ""
        super().__init__(f"{path}{at}: {problem}.", remedy=remedy)


class SourceUnavailable(FileRefused):
    """A source, or a version of it, cannot be read now. Nothing is put on record; the next run tries again."""


class LakeError(PlatformError):
    """The lake cannot be opened, written or trusted."""


class BlobError(LakeError):
    """A stored blob is missing or damaged."""


class QuestionRefused(LakeError):
    """A question to the lake is not one reading statement, is not SQL, or fails."""


class StateError(PlatformError):
    """The operational state cannot be opened, is of another version, or refuses a row."""


class FeatureError(PlatformError):
    """Features cannot be computed exactly from this data, or not for this moment."""


class TrainingError(PlatformError):
    """A training set or a model cannot be made from this data."""


class ScoringError(PlatformError):
    """Rows do not fit the model: a column is missing or has a type it was not trained on."""


class PromotionRefused(PlatformError):
    """A version may not serve; `reasons` lists why, one sentence each."""

    def __init__(self, pipeline: str, version: int, reasons: list[str]) -> None:
        self.reasons = reasons
        super().__init__(
            f"{pipeline}@{version} is not promoted: {'; '.join(reasons)}.",
            remedy=f"See `ml-platform models {pipeline}` for its verdicts.",
        )


class EvaluationError(PlatformError):
    """A metric or a gate cannot be computed from these labels and scores."""


class ReportError(PlatformError):
    """A report cannot be drawn; the figures behind it are not concerned."""


class RollbackRefused(PlatformError):
    """The champion stays: there is nothing to go back to, or no reason was given."""


class RetrainRefused(PlatformError):
    """A training that a person asks for cannot be made: too few labels are known."""


class DeliveryFailed(PlatformError):
    """A channel did not take an alert."""

    def __init__(self, channel: str, problem: str, *, remedy: str = "") -> None:
        super().__init__(f"{channel}: {problem.rstrip('.')}.", remedy=remedy)


class OrderError(PlatformError):
    """A partition is asked for before the one it follows is decided (S33)."""
