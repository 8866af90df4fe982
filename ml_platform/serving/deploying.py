"""Deploying: a champion answers online once everything that its features need is filled (S27)."""

from datetime import UTC, datetime, timedelta

from ml_platform.models import bundle as bundles
from ml_platform.serving.filling import fill
from ml_platform.serving.online import OnlinePredictor
from ml_platform.serving.online_store import Deployment, OnlineStore
from ml_platform.state import versions
from ml_platform.state.promotions import champion_at
from ml_platform.state.stores import Stores


def deploy_champion(stores: Stores, pipeline: str, store: OnlineStore, keeps: timedelta | None) -> Deployment | None:
    """Fill what the champion of a pipeline needs and let it answer; None without a champion.

    keeps: see `filling.fill`. A champion that answers already keeps its deployment, over newer values.
    """
    champion = champion_at(stores.state, pipeline)
    if champion is None:
        return None
    version = versions.version(stores.state, pipeline, champion)
    bundle = bundles.load(stores.blobs, version.bundle)
    fill(stores, OnlinePredictor.definition_of(bundle), store, keeps)
    present = store.deployments().get(pipeline)
    if present is not None and (present.version, present.bundle) == (champion, version.bundle):
        return present
    deployment = Deployment(pipeline, champion, version.bundle, datetime.now(UTC))
    store.deploy(deployment)
    return deployment
