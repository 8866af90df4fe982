"""Promoting a version to another environment: its bundle by hash, its evidence, and an entry in both logs."""

import shutil
from dataclasses import dataclass, fields, replace

from ml_platform.environments import variable_of
from ml_platform.errors import BlobError, PromotionRefused
from ml_platform.lake.blobs import Blobs
from ml_platform.models import bundle as bundles
from ml_platform.runtime.data_blocks import data_blocks
from ml_platform.runtime.workspace import Workspace, window_of
from ml_platform.settings import Settings
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import database, promotions, verdicts, versions
from ml_platform.state.objections import objections_of
from ml_platform.state.versions import Training, Version
from ml_platform.steps.integration_test import integration_test, newest_test

UNNAMED = "default"  # how an environment without name is called


@dataclass(frozen=True)
class Promoted:
    """A version that another environment has.

    number: its version there. changed: whether it was not the champion there before.
    """

    environment: str
    number: int
    bundle: str
    changed: bool


def environment_name(settings: Settings) -> str:
    """The name of the environment, for people."""
    return settings.environment or UNNAMED


def check_environment(source: Settings, target: Settings, pipeline: str, number: int) -> None:
    """Raise PromotionRefused for the same environment, and for one that has no lake yet."""
    name = environment_name(target)
    if target.environment == source.environment:
        raise PromotionRefused(pipeline, number, [f"it is in the environment {name} already"])
    if not database.lake_exists(target):
        missing = (
            f"the environment {name} has no lake in {target.lake}. Set {variable_of(target.environment, 'DATA')}, and "
            f"run `ml-platform run {pipeline}` there first: a service needs its tables"
        )
        raise PromotionRefused(pipeline, number, [missing])


def objections(source: Workspace, target: Workspace, pipeline: ModelPipeline, version: Version) -> list[str]:
    """Why the version may not be promoted to the other environment, but for its integration test; empty when it may.

    Raises BlobError for a bundle or a training set that is missing, damaged, or of a format that this code does not
    read.
    """
    number, state = version.version, source.state
    if _is_same_lake(source, target):
        return [f"{environment_name(target.settings)} has the same lake"]
    reasons = [why for why, _ in objections_of(state, pipeline.name, number, pipeline.required_gates)]
    champion = promotions.champion_at(state, pipeline.name)
    reasons += [block.phrase for block in data_blocks(source, pipeline, number, champion)]
    bundle = bundles.load(source.blobs, version.bundle)
    source.blobs.get(version.training_set)
    if bundle.pipeline != pipeline.name:
        reasons.append(f"its bundle is one of {bundle.pipeline}")
    return reasons


def promote_to(
    source: Workspace, target: Workspace, pipeline: ModelPipeline, number: int, *, why: str, actor: str
) -> Promoted:
    """Let the version answer in the other environment, after its integration test passed here.

    The bundle and the training set are copied by hash, with the version and its verdicts. Both promotion logs say who,
    when and why. Once more it changes nothing; after a kill it goes on.

    Raises PromotionRefused with every reason, NotFoundError for a version that does not exist, and BlobError for a blob
    that is missing, damaged, or of a format that this code does not read.
    """
    name, version = pipeline.name, versions.version(source.state, pipeline.name, number)
    reasons = objections(source, target, pipeline, version)
    if not reasons:
        integration_test(source, pipeline, number, "")
        result = newest_test(source, name, version)
        if result is None or not result.passed:
            waits = result is not None and result.passed is None
            outcome = "could not be judged, because the machine is busy" if waits else "failed"
            reasons = [f"its integration test {outcome}: see the asset {name}/integration_test, or run it again"]
    if reasons:
        raise PromotionRefused(name, number, reasons)
    for digest in (version.bundle, version.training_set):
        _copy(source.blobs, target.blobs, digest)
    there = versions.register(target.state, Training(**{f.name: getattr(version, f.name) for f in fields(Training)}))
    if there.bundle != version.bundle:
        same = f"{there.name} of {environment_name(target.settings)} is of the same training and has another bundle"
        raise PromotionRefused(name, number, [same])
    evidence = [replace(one, version=there.version) for one in verdicts.of(source.state, name, number)]
    verdicts.record(target.state, evidence, "")
    before = promotions.champion_at(target.state, name)
    where = f"{environment_name(source.settings)}: {version.name}, bundle {version.bundle[:12]}"
    arrived = promotions.promote(
        target.state,
        name,
        there.version,
        pipeline.required_gates,
        partition="",
        effective_at=window_of(pipeline, version.partition)[1],  # of the first champion there: since it was trained
        reason=f"from {where}: {why}",
        actor=actor,
        by_hand=True,
    )
    # A kill may come between both logs: the entry of the other one is named, and named once.
    promotions.note_departure(
        source.state,
        name,
        arrival=f"{environment_name(target.settings)} {target.lake.identity}#{arrived.seq}",
        reason=f"{version.name} to {environment_name(target.settings)} as {there.name}: {why}",
        actor=actor,
    )
    return Promoted(environment_name(target.settings), there.version, version.bundle, before != there.version)


def _is_same_lake(one: Workspace, other: Workspace) -> bool:
    """Whether both are one lake. A copy of a lake has its identity, and lies in another folder."""
    if one.lake.identity != other.lake.identity:
        return False
    in_database = all(ws.settings.catalog.get_secret_value() for ws in (one, other))
    return in_database or one.settings.lake.resolve() == other.settings.lake.resolve()


def _copy(source: Blobs, target: Blobs, digest: str) -> None:
    """Copy a blob by its hash, unless it is there and whole. Raises BlobError when it is missing or damaged."""
    if target.whole(digest):
        return
    with target.writing() as path:
        shutil.copyfile(source.get(digest), path)
        if target.put_file(path) != digest:
            raise BlobError(f"The blob {digest[:12]} changed while it was copied.", remedy="Promote again.")
