"""Deploying: a champion answers online once everything that its features need is filled (S27)."""

import threading
from collections.abc import Set
from datetime import UTC, datetime, timedelta

from ml_platform.errors import ServingError
from ml_platform.features.definition import FeatureDefinition
from ml_platform.features.online.answering import OnlineFeatures
from ml_platform.models import bundle as bundles
from ml_platform.serving.events.keeping import EventKeeper
from ml_platform.serving.filling import fill, newest_validated_record
from ml_platform.serving.online import OnlinePredictor
from ml_platform.serving.online_store import Deployment, OnlineStore, Role
from ml_platform.serving.stored_predictions import predictions_fingerprint
from ml_platform.state import challenges, versions
from ml_platform.state.promotions import champion_at, changed
from ml_platform.state.stores import Stores

_turn = threading.Lock()  # of the threads that deploy champions: none puts an earlier one back


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
    with _turn:
        deployed = store.deployments().get(pipeline)
        if deployed is not None and (deployed.version, deployed.bundle) == (champion, version.bundle):
            return deployed
        if champion_at(stores.state, pipeline) != champion:
            return deployed  # another one was promoted while this one's store was filled
        deployment = Deployment(pipeline, champion, version.bundle, datetime.now(UTC))
        store.deploy(deployment)
    forget_unread(stores, store)
    return deployment


def deploy_filled_champion(stores: Stores, pipeline: str, store: OnlineStore) -> Deployment | None:
    """Let another champion answer where that needs no filling, while another thread fills something else.

    None where nothing changed: the champion answers, or its layouts are missing, or over older rows than those that
    answer now. Call `forget_unread` once nothing is being filled.
    """
    champion, deployed = champion_at(stores.state, pipeline), store.deployments().get(pipeline)
    if champion is None or deployed is None or deployed.version == champion:
        return None
    version = versions.version(stores.state, pipeline, champion)
    if not _is_filled(stores, version.bundle, deployed.bundle, store):
        return None
    with _turn:
        if champion_at(stores.state, pipeline) != champion:
            return None
        deployment = Deployment(pipeline, champion, version.bundle, datetime.now(UTC))
        store.deploy(deployment)
    challenger = store.deployments("challenger").get(pipeline)
    if challenger is not None and challenger.version == champion:
        store.withdraw(pipeline, "challenger")
    return deployment


def _is_filled(stores: Stores, bundle: str, deployed: str, store: OnlineStore) -> bool:
    """Whether the store has what a bundle needs, over rows that are no older than those of the deployed one."""
    needed, answering = (
        OnlineFeatures(OnlinePredictor.definition_of(bundles.load(stores.blobs, one))).passes
        for one in (bundle, deployed)
    )
    fillings = store.fillings()
    for one in needed:
        filling = fillings.get(one.layout.fingerprint)
        if filling is None:
            return False
        of_table = [fillings.get(other.layout.fingerprint) for other in answering if other.table_name == one.table_name]
        now = [other.record_number for other in of_table if other is not None]
        if filling.record_number < (max(now) if now else newest_validated_record(stores.state, one.table_name)):
            return False
    return True


def deploy_challenger(
    stores: Stores,
    pipeline: str,
    store: OnlineStore,
    answered_span: timedelta | None,
    keeper: EventKeeper | None = None,
) -> Deployment | None:
    """Fill what the challenger of a pipeline needs and let it shadow the deployed champion; None without one (S28).

    answered_span, keeper: see `filling.fill`. Raises ServingError for a version that requests to the champion do not
    give all inputs, and whatever loading a bundle raises; it does not shadow then.
    """
    number, champion = challenges.challenger(stores.state, pipeline), store.deployments().get(pipeline)
    before = store.deployments("challenger").get(pipeline)
    if number is None or champion is None:
        if before is not None:
            store.withdraw(pipeline, "challenger")
            forget_unread(stores, store)
        return None
    if before is not None and before.version != number:
        store.withdraw(pipeline, "challenger")
    version = versions.version(stores.state, pipeline, number)
    bundle = bundles.load(stores.blobs, version.bundle)
    definition = OnlinePredictor.definition_of(bundle)
    asked = OnlinePredictor.definition_of(bundles.load(stores.blobs, champion.bundle))
    missing = inputs_missing(definition, asked)
    if missing:
        store.withdraw(pipeline, "challenger")
        raise ServingError(
            f"{pipeline}@{number} cannot shadow {pipeline}@{champion.version}: its inputs {', '.join(missing)} are not "
            "in requests to the champion, or of another type.",
            remedy=f"`ml-platform challenge {pipeline} --stop` ends it.",
        )
    fill(stores, definition, store, answered_span, keeper)
    if before is not None and (before.version, before.bundle) == (number, version.bundle):
        return before
    OnlinePredictor(bundle, number, store).warm_up()  # what cannot answer is a fault here, and costs no worker anything
    deployment = Deployment(pipeline, number, version.bundle, datetime.now(UTC), "challenger")
    store.deploy(deployment)
    forget_unread(stores, store)
    return deployment


def inputs_missing(definition: FeatureDefinition, champion: FeatureDefinition) -> list[str]:
    """The inputs that requests to the champion do not have, or of another type."""
    return [name for name, dtype in definition.row_schema.items() if champion.row_schema.get(name) != dtype]


def forget_unread(stores: Stores, store: OnlineStore) -> None:
    """Remove the layouts that no deployed version reads, nor the champion that a rollback of it leads to."""
    read: set[bytes] = set()
    roles: tuple[Role, ...] = ("champion", "challenger", "canary")
    deployments = [deployment for role in roles for deployment in store.deployments(role).values()]
    for deployment in deployments:
        if deployment.terms is not None and deployment.terms.ended:
            continue
        read.add(predictions_fingerprint(deployment.pipeline))
        earlier = [entry.previous for entry in changed(stores.state, deployment.pipeline)[-1:]]
        for number in {deployment.version, *(version for version in earlier if version is not None)}:
            digest = versions.version(stores.state, deployment.pipeline, number).bundle
            definition = OnlinePredictor.definition_of(bundles.load(stores.blobs, digest))
            read |= {one.layout.fingerprint for one in OnlineFeatures(definition).passes}
    for unread in store.fillings().keys() - read:
        store.forget(unread)
