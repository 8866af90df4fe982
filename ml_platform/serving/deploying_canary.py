"""Starting and deploying a canary: it answers its share once everything that its features need is filled (S27, S58)."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from ml_platform.errors import CanaryRefused, ServingError
from ml_platform.models import bundle as bundles
from ml_platform.serving.deploying import forget_unread, inputs_missing
from ml_platform.serving.events.keeping import EventKeeper
from ml_platform.serving.filling import fill
from ml_platform.serving.online import OnlinePredictor
from ml_platform.serving.online_store import CanaryTerms, Deployment, OnlineStore
from ml_platform.state import canaries, promotions, versions
from ml_platform.state.canaries import Canary
from ml_platform.state.stores import Stores


def start_canary(
    stores: Stores,
    pipeline: str,
    number: int,
    required_gates: Mapping[str, str],
    *,
    share: float,
    max_error_share: float,
    max_latency_ratio: float,
    reason: str,
    actor: str,
) -> tuple[Canary, bool]:
    """Let a version whose bundle is whole answer a share of the keys: see `state.canaries.start`.

    Raises CanaryRefused for a version that cannot answer what the champion is asked, and BlobError for a bundle that is
    missing, damaged, or of a format that this code does not read.
    """
    champion = promotions.champion_at(stores.state, pipeline)
    version = versions.version(stores.state, pipeline, number)
    if champion is not None:
        digest = versions.version(stores.state, pipeline, champion).bundle
        problem = _unlike(bundles.load(stores.blobs, version.bundle), bundles.load(stores.blobs, digest))
        if problem:
            raise CanaryRefused(
                f"{pipeline}@{number} cannot be a canary beside {pipeline}@{champion}: {problem}.",
                remedy=f"Let it shadow instead, if it can: `ml-platform challenge {pipeline}@{number}`.",
            )
    return canaries.start(
        stores.state,
        pipeline,
        number,
        required_gates,
        share=share,
        max_error_share=max_error_share,
        max_latency_ratio=max_latency_ratio,
        reason=reason,
        actor=actor,
    )


def deploy_canary(
    stores: Stores,
    pipeline: str,
    store: OnlineStore,
    answered_span: timedelta | None,
    keeper: EventKeeper | None = None,
) -> Deployment | None:
    """Fill what the canary of a pipeline needs and let it answer its share beside the deployed champion.

    answered_span, keeper: see `filling.fill`. None without a canary. One that the service took back stays in the store
    with what was measured, and answers nothing, until another one starts or the champion changes.

    Raises ServingError for a version that cannot answer what the champion is asked, and whatever loading a bundle
    raises; it answers nothing then.
    """
    entry, champion = canaries.newest(stores.state, pipeline), store.deployments().get(pipeline)
    before = store.deployments("canary").get(pipeline)
    if _was_taken_back(before, entry):
        return before
    if entry is None or entry.action != "started" or champion is None:
        if before is not None:
            store.withdraw(pipeline, "canary")
            forget_unread(stores, store)
        return None
    terms = CanaryTerms(entry.seq, champion.version, entry.share, entry.max_error_share, entry.max_latency_ratio)
    if before is not None and (before.version, before.terms) != (entry.version, terms):
        store.withdraw(pipeline, "canary")
    version = versions.version(stores.state, pipeline, entry.version)
    bundle = bundles.load(stores.blobs, version.bundle)
    problem = _unlike(bundle, bundles.load(stores.blobs, champion.bundle))
    if problem:
        store.withdraw(pipeline, "canary")
        raise ServingError(
            f"{pipeline}@{entry.version} cannot be a canary beside {pipeline}@{champion.version}: {problem}.",
            remedy=f"`ml-platform canary {pipeline} --stop` ends it.",
        )
    fill(stores, OnlinePredictor.definition_of(bundle), store, answered_span, keeper)
    if before is not None and (before.version, before.bundle, before.terms) == (entry.version, version.bundle, terms):
        return before
    OnlinePredictor(bundle, entry.version, store).warm_up()  # what cannot answer is a fault here, and costs no request
    deployment = Deployment(pipeline, entry.version, version.bundle, datetime.now(UTC), "canary", terms)
    if canaries.standing(stores.state, pipeline) != entry:  # it ended while its features were filled
        return None
    store.deploy(deployment)
    forget_unread(stores, store)
    return deployment


def _was_taken_back(deployment: Deployment | None, entry: Canary | None) -> bool:
    """Whether the service took back what the newest entry is about: that is on record, or about to be."""
    terms = deployment.terms if deployment is not None else None
    if terms is None or not terms.evidence or entry is None:
        return False
    return entry.action == "taken_back" or entry.seq == terms.entry


def _unlike(canary: bundles.Bundle, champion: bundles.Bundle) -> str:
    """Why a version cannot answer what the champion is asked, as a phrase; empty when it can."""
    own, asked = (OnlinePredictor.definition_of(bundle) for bundle in (canary, champion))
    missing = inputs_missing(own, asked)
    if missing:
        return f"its inputs {', '.join(missing)} are not in requests to the champion, or of another type"
    if own.keys != asked.keys or own.at != asked.at:
        return "its examples have another key or prediction time"
    if canary.task != champion.task or list(canary.classes or ()) != list(champion.classes or ()):
        return "it predicts another thing, or other classes"
    return ""
