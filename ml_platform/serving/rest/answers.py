"""What the service answers, as models: the description of the service shows them, and tests hold answers to them."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

_Moment = Annotated[datetime, Field(description="UTC, ISO 8601")]


class Answer(BaseModel):
    """An answer in JSON."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class Score(Answer):
    """What the model says of an example."""

    key: Annotated[str, Field(description="the example's key; a JSON object where it has several columns")]
    at: Annotated[_Moment | None, Field(description="its prediction time; null for a pipeline without one")]
    version: Annotated[int, Field(description="the version that answered")]
    score: Annotated[float, Field(description="probability of true or of the class, the predicted value or the median")]
    scores: Annotated[list[float] | None, Field(description="of all classes, or the values of all levels, if several")]
    class_name: Annotated[str | None, Field(alias="class", description="the decision; null for regression")]


class OnlinePrediction(Score):
    """The answer for one row of a request."""

    id: Annotated[str, Field(description="of this answer, as in the lake table `served`")]
    statuses: Annotated[dict[str, str], Field(description="of features: ok, stale, assumed, unknown, overridden")]
    ages: Annotated[dict[str, float], Field(description="of the rows behind features that may be stale, in seconds")]

    contributions: Annotated[
        dict[str, float] | None,
        Field(description="where asked for: what each model column added; null for a model that cannot tell"),
    ] = None


class OnlinePredictions(Answer):
    """One answer a row, in the order of the request."""

    predictions: list[OnlinePrediction]


class EventsTaken(Answer):
    """What became of the rows of a request."""

    table: str
    taken: Annotated[int, Field(ge=0, description="rows that are new, or corrections")]
    repeated: Annotated[
        int, Field(ge=0, description="rows that were there already, such as those of a repeated request")
    ]


class StoredPrediction(Score):
    """The newest prediction that the batch made for a key."""

    scored_at: _Moment
    age_seconds: Annotated[float, Field(ge=0, description="since it was scored")]


class CanaryShown(Answer):
    """A version that answers a share of the keys, or did until the service took it back."""

    version: int
    share: Annotated[float, Field(description="of the keys that it answers; 0 since it was taken back")]
    taken_back: Annotated[str | None, Field(description="why the service took it back; null while it answers")]


class DeployedVersion(Answer):
    """A version that answers, and what a request for it names."""

    pipeline: str
    version: int
    bundle: Annotated[str, Field(description="SHA-256 of the version's bundle")]
    deployed_at: _Moment
    challenger: Annotated[int | None, Field(description="the version that shadows it")]
    canary: Annotated[CanaryShown | None, Field(description="the version that answers a share of the keys")]
    keys: list[str]
    at: Annotated[str | None, Field(description="the field of the prediction time")]
    inputs: list[str]
    answers_from: Annotated[_Moment | None, Field(description="the earliest prediction time; null: any")]
    features_by_polars: Annotated[list[str], Field(description="derived features that take longer, up to 1 ms a row")]


class PromotionOnRecord(Answer):
    """The entry of the promotion log that made the version the champion."""

    at: _Moment
    action: Annotated[str, Field(description="promoted, or rolled_back to it")]
    by: str
    why: str
    previous: Annotated[int | None, Field(description="the champion before it")]


class ChallengeOnRecord(Answer):
    """The challenger on record; it shadows once its features are filled."""

    version: int
    at: _Moment
    by: str
    why: str


class Lineage(Answer):
    """What a version was made of."""

    trained_after: Annotated[str, Field(description="the partition")]
    trained_at: _Moment
    decided_at: Annotated[_Moment | None, Field(description="when the training was decided on")]
    training_set: Annotated[str, Field(description="SHA-256 of the training set")]
    content_key: str
    code_version: str
    run: Annotated[str, Field(description="the run that trained it")]
    tables: Annotated[list[str], Field(description="whose rows its features are computed from")]
    libraries: Annotated[dict[str, str], Field(description="versions that it was trained with")]


class FilledTable(Answer):
    """What the online store has of a table."""

    table: str
    filled_at: Annotated[_Moment | None, Field(description="null: it is not filled")]
    recorded_at: Annotated[_Moment | None, Field(description="of the newest rows in the lake; null: there are none")]
    is_newest: Annotated[bool, Field(description="whether the store was filled from these")]


class ServedModel(DeployedVersion):
    """A version that answers, with its record. A packaged version has no more of it than its card."""

    promotion: PromotionOnRecord | None
    challenge: ChallengeOnRecord | None
    metrics: Annotated[dict[str, float], Field(description="of the holdout")]
    card: Annotated[str | None, Field(description="the model card, Markdown")]
    lineage: Lineage | None
    data: list[FilledTable]
    reports: Annotated[str | None, Field(description="the address of its reports")]


class DeployedVersions(Answer):
    """The pipelines that answer."""

    pipelines: list[DeployedVersion]


class Alive(Answer):
    """The process answers."""

    alive: bool


class Readiness(Answer):
    """Whether predictions can be asked for, and what is in the way."""

    ready: bool
    faults: Annotated[
        dict[str, str], Field(description="pipeline → why it does not answer; empty without a key that may read")
    ]


class Refusal(Answer):
    """What is wrong with a request, and how to mend it."""

    error: str
    remedy: str


class WrongField(Answer):
    """A field of a request that is wrong."""

    field: Annotated[str, Field(description="such as rows.0.distance")]
    reason: str


class InvalidRequest(Refusal):
    """A request whose fields are wrong."""

    fields: Annotated[list[WrongField] | None, Field(description="the first ten")] = None
    count: Annotated[int | None, Field(description="how many are wrong")] = None
