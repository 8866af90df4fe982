"""Which models read a table, a column or a feature: declared today, on record, and what differs between the two."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ml_platform.errors import BlobError, NotFoundError
from ml_platform.features.definition import FeatureDefinition
from ml_platform.models import bundle as bundles
from ml_platform.runtime.workspace import Workspace
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import challenges, ledger, promotions, versions
from ml_platform.state.results import CandidateResult
from ml_platform.state.versions import Version
from ml_platform.views.feature_sources import ColumnUse, all_uses, column_uses

Role = Literal["declared", "champion", "challenger", "version"]
Change = Literal["same", "added", "dropped", "changed", "no champion", "not declared"]
_AFTER_FEATURES = ("features", "predictions", "performance", "drift", "report", "decision", "training_set", "candidate")
_AFTER_LABELS = ("performance", "report", "decision", "training_set", "candidate")


@dataclass(frozen=True)
class Target:
    """What is asked about: a table, one of its columns, or a feature (then `table` is empty)."""

    table: str = ""
    column: str = ""
    feature: str = ""

    def __str__(self) -> str:
        return self.feature or (f"{self.table}.{self.column}" if self.column else self.table)

    def of(self, uses: Iterable[ColumnUse]) -> tuple[ColumnUse, ...]:
        """The uses that are about it. Of a feature those of the columns that it is made of, with it alone."""
        if self.feature:
            made_of = (use for use in uses if self.feature in use.features)
            return tuple(replace(use, features=(self.feature,)) for use in made_of)
        return tuple(use for use in uses if use.table == self.table and self.column in ("", use.column))


@dataclass(frozen=True)
class ModelUse:
    """A declaration or a version that reads the target.

    version: None of a declaration. uses: by column. features: what it computes of the target, in order. importance: the
    share of these that the champion's model looks at; None for others. problem: why it is not known what it reads.
    """

    pipeline: str
    version: int | None
    role: Role
    uses: tuple[ColumnUse, ...]
    features: tuple[str, ...]
    importance: float | None = None
    problem: str = ""


@dataclass(frozen=True)
class PipelineUse:
    """What a pipeline has to do with the target.

    models: the declaration first, then versions, newest first; only those that read it, or of which it is not known.
    change: what the declaration of today does to what the champion reads.
    added, dropped: the differing uses, as "table.column (use)", and features.
    downstream: the assets that depend on the target, by the declaration. Of partitions that are settled (S6) a change
        makes only features and performance anew.
    """

    pipeline: str
    models: tuple[ModelUse, ...]
    change: Change
    added: tuple[str, ...]
    dropped: tuple[str, ...]
    downstream: tuple[str, ...]


def target_of(declared: Mapping[str, ModelPipeline], text: str) -> Target:
    """`weather` or `weather.temp` as a target. Names may be on record only, so that none is refused here.

    >>> target_of({}, "weather.temp")
    Target(table='weather', column='temp', feature='')
    """
    tables = {table.name for pipeline in declared.values() for table in pipeline.tables}
    if text in tables:
        return Target(text)
    table, _, column = text.partition(".")
    return Target(table, column)


def uses_of(ws: Workspace, declared: Mapping[str, ModelPipeline], target: Target) -> list[PipelineUse]:
    """What every pipeline, declared or on record, has to do with the target; those that never read it are left out.

    Raises NotFoundError where no declaration and no version knows the table, the column or the feature.
    """
    with ws.reading():
        names = sorted({*declared, *versions.pipelines(ws.state)})
        readers = {name: list(_readers(ws, declared.get(name), name)) for name in names}
        pipelines = [_of_pipeline(name, mine, target) for name, mine in readers.items()]
    reading = [one for one in pipelines if any(model.features or model.uses for model in one.models)]
    if not reading:
        raise _unknown(declared, target)
    return reading


def changed_uses(ws: Workspace, declared: Mapping[str, ModelPipeline]) -> list[PipelineUse]:
    """The declared pipelines that read other columns than their champion does, or have other features."""
    with ws.reading():
        pipelines = []
        for name, pipeline in declared.items():
            number = promotions.champion_at(ws.state, name)
            if number is not None:
                champion = _of_version(ws, versions.version(ws.state, name, number), "champion")
                pipelines.append(_of_pipeline(name, [_of_declaration(pipeline), champion], None))
    return [one for one in pipelines if one.change != "same"]


@dataclass(frozen=True)
class _Reader:
    """All that a declaration or a version reads. labels: whether labels are known to be among it."""

    role: Role
    version: int | None
    uses: tuple[ColumnUse, ...] = ()
    features: tuple[str, ...] = ()
    shares: Mapping[str, float] | None = None
    labels: bool = True
    problem: str = ""


def _readers(ws: Workspace, pipeline: ModelPipeline | None, name: str) -> Iterator[_Reader]:
    """The declaration, then the versions, newest first."""
    if pipeline is not None:
        yield _of_declaration(pipeline)
    champion, challenger = promotions.champion_at(ws.state, name), challenges.challenger(ws.state, name)
    for version in reversed(versions.versions(ws.state, name)):
        number = version.version
        role: Role = "champion" if number == champion else "challenger" if number == challenger else "version"
        yield _of_version(ws, version, role)


def _of_declaration(pipeline: ModelPipeline) -> _Reader:
    return _Reader("declared", None, tuple(all_uses(pipeline)), _features(FeatureDefinition.of(pipeline)))


def _of_version(ws: Workspace, version: Version, role: Role) -> _Reader:
    try:
        bundle = bundles.load(ws.blobs, version.bundle)
    except BlobError as error:
        return _Reader(role, version.version, problem=str(error))
    definition = FeatureDefinition.from_json(bundle.definition)
    recorded = _recorded(ws, version)
    uses = recorded or tuple(column_uses(definition))
    shares = bundle.fitted.importance() if role == "champion" else None
    return _Reader(role, version.version, uses, _features(definition), shares, labels=bool(recorded))


def _features(definition: FeatureDefinition) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*definition.model_columns, *definition.outputs]))


def _recorded(ws: Workspace, version: Version) -> tuple[ColumnUse, ...]:
    """What the record of the training says that it read, labels among it; empty where it is from before that."""
    records = ws.state.once(
        f"candidates of {version.pipeline}",
        lambda: {one.content_key: one for one in ledger.history(ws.state, f"{version.pipeline}/candidate")},
    )
    record = records.get(version.content_key)
    reads = () if record is None else record.result_as(CandidateResult).reads
    return tuple(ColumnUse(one["table"], one["column"], one["use"], tuple(one["features"])) for one in reads)


def _of_pipeline(name: str, readers: Sequence[_Reader], target: Target | None) -> PipelineUse:
    """What the readers have to do with the target; with None, with anything."""
    models = [_about(name, reader, target) for reader in readers]
    shown = tuple(model for model in models if model.uses or model.features or model.problem)
    now = next((reader for reader in readers if reader.role == "declared"), None)
    then = next((reader for reader in readers if reader.role == "champion"), None)
    change, added, dropped = _compared(now, then, target)
    return PipelineUse(name, shown, change, added, dropped, _downstream(shown))


def _about(name: str, reader: _Reader, target: Target | None) -> ModelUse:
    uses = reader.uses if target is None else target.of(reader.uses)
    features = tuple(dict.fromkeys(feature for use in uses for feature in use.features))
    if target is not None and target.feature:
        features = (target.feature,) if target.feature in reader.features else ()
    share = None if reader.shares is None else sum(reader.shares.get(feature, 0.0) for feature in features)
    return ModelUse(name, reader.version, reader.role, uses, features, share, reader.problem)


def _compared(
    now: _Reader | None, then: _Reader | None, target: Target | None
) -> tuple[Change, tuple[str, ...], tuple[str, ...]]:
    """What the declaration does to what the champion reads. Labels count where both are known."""
    if then is None or then.problem:
        return "no champion" if now is not None else "not declared", (), ()
    if now is None:
        return "not declared", (), ()
    before, after = (_parts(reader, target, labels=then.labels) for reader in (then, now))
    added, dropped = sorted(after - before), sorted(before - after)
    change: Change = "same"
    if added or dropped:
        change = "added" if not before else "dropped" if not after else "changed"
    return change, tuple(added), tuple(dropped)


def _parts(reader: _Reader, target: Target | None, *, labels: bool) -> set[str]:
    """Each use and each feature as a text. When rows are known is on record since labels are."""
    uses = reader.uses if target is None else target.of(reader.uses)
    about = {f"{use.table}.{use.column} ({use.use})" for use in uses if labels or use.use not in ("label", "clock")}
    features = {feature for use in uses for feature in use.features}
    if target is None:
        features |= set(reader.features)
    return about | {f"feature {name}" for name in features}


def _downstream(models: Sequence[ModelUse]) -> tuple[str, ...]:
    """The assets that depend on what is read."""
    now = next((model for model in models if model.role == "declared"), None)
    if now is None:
        return ()
    tables = [f"validated/{name}" for name in sorted({use.table for use in now.uses})]
    steps = _AFTER_FEATURES if any(use.use != "label" for use in now.uses) else _AFTER_LABELS
    return (*tables, *(f"{now.pipeline}/{step}" for step in steps)) if now.uses else ()


def _unknown(declared: Mapping[str, ModelPipeline], target: Target) -> NotFoundError:
    uses = [use for pipeline in declared.values() for use in all_uses(pipeline)]
    if target.feature:
        features = sorted({name for use in uses for name in use.features})
        return NotFoundError("feature of a model", target.feature, features)
    tables = {table.name: table for pipeline in declared.values() for table in pipeline.tables}
    if target.column and target.table in tables:
        remedy = "No model reads it." if target.column in tables[target.table].columns else ""
        columns = sorted({use.column for use in uses if use.table == target.table})
        return NotFoundError(f"column of {target.table} that a model reads", target.column, columns, remedy=remedy)
    return NotFoundError("table that a model reads", target.table, sorted(tables))
