"""Deploying: a champion answers online once everything that its features need is filled (S27)."""

from collections.abc import Set
from datetime import UTC, datetime, timedelta

from ml_platform.features.online.answering import OnlineFeatures
from ml_platform.models import bundle as bundles
from ml_platform.serving.events.keeping import EventKeeper
from ml_platform.serving.filling import fill
from ml_platform.serving.online import OnlinePredictor
from ml_platform.serving.online_store import Deployment, OnlineStore
from ml_platform.serving.stored_predictions import predictions_fingerprint
from ml_platform.state import versions
from ml_platform.state.promotions import champion_at, changed
from ml_platform.state.stores import Stores


def deploy_champion(
    stores: Stores,
    pipeline: str,
    store: OnlineStore,
    answered_span: timedelta | None,
    keeper: EventKeeper | None = None,
    event_tables: Set[str] = frozenset(),
) -> Deployment | None:
    """Fill what the champion of a pipeline needs and let it answer; None without a champion, and then none answers.

    answered_span, keeper, event_tables: see `filling.fill`. A champion that answers already keeps its deployment, over
    newer values. What neither a deployed version nor the champion before it reads is forgotten.
    """
    champion = champion_at(stores.state, pipeline)
    if champion is None:
        store.withdraw(pipeline)
        return None
    version = versions.version(stores.state, pipeline, champion)
    bundle = bundles.load(stores.blobs, version.bundle)
    fill(stores, OnlinePredictor.definition_of(bundle), store, answered_span, keeper, event_tables)
    deployed = store.deployments().get(pipeline)
    if deployed is not None and (deployed.version, deployed.bundle) == (champion, version.bundle):
        return deployed
    deployment = Deployment(pipeline, champion, version.bundle, datetime.now(UTC))
    store.deploy(deployment)
    _forget_unread(stores, store)
    return deployment


def _forget_unread(stores: Stores, store: OnlineStore) -> None:
    """Remove the layouts that no deployed version reads, nor the champion that a rollback of it leads to."""
    read: set[bytes] = set()
    for deployment in store.deployments().values():
        read.add(predictions_fingerprint(deployment.pipeline))
        earlier = [entry.previous for entry in changed(stores.state, deployment.pipeline)[-1:]]
        for number in {deployment.version, *(version for version in earlier if version is not None)}:
            digest = versions.version(stores.state, deployment.pipeline, number).bundle
            definition = OnlinePredictor.definition_of(bundles.load(stores.blobs, digest))
            read |= {one.layout.fingerprint for one in OnlineFeatures(definition).passes}
    for unread in store.fillings().keys() - read:
        store.forget(unread)
